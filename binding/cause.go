package binding

import (
	"fmt"
	"strings"
	"time"
)

// A claimError is the Cause of a refusal by a claim: it names the claim, what
// this server expected of it and the option that says so, and never the claim's
// value. Its text is made when somebody reads it.
type claimError struct {
	claim    string
	problem  string
	expected []string // what this server expects; nil where no option says
	option   string
}

const (
	malformedClaim = "has the wrong type or form"
	missingClaim   = "is missing"
	nullClaim      = "is null or an empty list"
	otherClaim     = "is not as expected"
)

func (e *claimError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "binding: the claim %s %s", e.claim, e.problem)
	for i, expected := range e.expected {
		separator := " or"
		if i == 0 {
			separator = ", and must be"
		}
		fmt.Fprintf(&text, "%s %q", separator, expected)
	}
	if e.option != "" {
		fmt.Fprintf(&text, " (%s)", e.option)
	}
	return text.String()
}

// badClaim copies the name, which may be a piece of the claims: a refusal that is
// remembered would keep all of them.
func badClaim(name, problem string) *Error {
	return &Error{Reason: ReasonTokenClaims, Cause: &claimError{claim: strings.Clone(name), problem: problem}}
}

// wrongIssuer tells the mistakes apart that people make: another issuer, and
// the same with a slash too many or too few at its end.
func (c *Claims) wrongIssuer(expected string) *Error {
	problem := otherClaim
	switch {
	case c.issuer == "":
		problem = missingClaim
	case strings.TrimRight(c.issuer, "/") == strings.TrimRight(expected, "/"):
		problem = "differs only in slashes at its end"
	}
	return &Error{Reason: ReasonTokenIssuer, Cause: &claimError{
		claim: "iss", problem: problem, expected: []string{expected}, option: "compared exactly: option Issuer",
	}}
}

func (c *Claims) wrongAudience(expected []string) *Error {
	problem, option := "does not name this resource server", "compared exactly: option Audiences"
	if c.audience == nil {
		problem = missingClaim
		option += "; for an issuer whose JWTs have no aud, see IntrospectJWTsWithoutAudience of introspection.FormsConfig"
	}
	return &Error{Reason: ReasonTokenAudience, Cause: &claimError{
		claim: "aud", problem: problem, expected: expected, option: option,
	}}
}

// A timeError is the Cause of a refusal by a time: it names the claim, and how
// far off it is in steps, so that the log takes for alike what one clock causes.
type timeError struct {
	claim string
	off   time.Duration // negative if the time is past
}

var steps = []time.Duration{24 * time.Hour, 6 * time.Hour, time.Hour, 30 * time.Minute, 10 * time.Minute, 5 * time.Minute, time.Minute}

func (e *timeError) Error() string {
	how, off, direction := "less than", time.Minute, "ahead of this machine's clock: it is behind, or the issuer's is ahead"
	if e.off < 0 {
		direction = "back by this machine's clock: the client renews too late, or that clock is ahead"
	}
	for _, step := range steps {
		if e.off.Abs() >= step {
			how, off = "at least", step
			break
		}
	}
	return fmt.Sprintf("binding: the claim %s lies %s %v %s", e.claim, how, off, direction)
}
