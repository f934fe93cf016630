package conformance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// answer is what came of a case.
type answer struct {
	status   int // 0: no answer
	header   http.Header
	body     []byte
	accepted bool   // status is Config.Status
	resumed  bool   // the TLS session was
	version  int    // of HTTP
	problem  string // why there is no answer

	skipped string // why the case could not be run
	fatal   bool   // it ended the server

	// A case that is no single answer is a fact: what was seen, and whether it
	// is as it should be.
	fact string
	good bool
}

func skip(reason string) answer { return answer{skipped: reason} }

// fact is the answer of a case that looks at something else than one answer.
func fact(good bool, format string, args ...any) answer {
	return answer{fact: fmt.Sprintf(format, args...), good: good}
}

// got says in a few words what came. Nothing of what was sent is in it, nor of
// the body.
func (a answer) got() string {
	switch {
	case a.fact != "":
		return a.fact
	case a.status == 0:
		return "no answer: " + a.problem
	}
	text := fmt.Sprint(a.status)
	dpop, proofCode := a.errorOf("DPoP")
	switch found, code := a.bearerError(); {
	case code != "" && proofCode != "":
		text += " " + code + ", DPoP " + proofCode
	case code != "":
		text += " " + code
	case proofCode != "":
		text += " DPoP " + proofCode
	case a.status == http.StatusUnauthorized && !found && dpop:
		text += " with a DPoP challenge alone"
	case a.status == http.StatusUnauthorized && !found:
		text += " without a Bearer challenge"
	case a.bare():
		text += " with a challenge that has no parameter"
	}
	return text
}

// bearerError returns whether there is a Bearer challenge, and the error code
// in it (RFC 6750 §3).
func (a answer) bearerError() (found bool, code string) { return a.errorOf("Bearer") }

func (a answer) errorOf(scheme string) (found bool, code string) {
	for _, c := range parseChallenges(a.header.Values("WWW-Authenticate")) {
		if strings.EqualFold(c.scheme, scheme) {
			found = true
			if value, has := c.params["error"]; has {
				code = codeOf(value)
			}
		}
	}
	return found, code
}

// bare reports whether there is a Bearer challenge without a parameter: there
// MUST be one (RFC 6750 §3).
func (a answer) bare() bool {
	return slices.ContainsFunc(parseChallenges(a.header.Values("WWW-Authenticate")), func(c challenge) bool {
		return strings.EqualFold(c.scheme, "Bearer") && len(c.params) == 0
	})
}

// codeOf keeps of an error code what may stand in a report: it is the server's
// text, and could be anything.
func codeOf(value string) string {
	known := []string{"invalid_request", "invalid_token", "insufficient_scope", "invalid_dpop_proof", "use_dpop_nonce"}
	if slices.Contains(known, value) {
		return value
	}
	return "another error code"
}

// challenge is one challenge of WWW-Authenticate (RFC 9110 §11.6.1).
type challenge struct {
	scheme string
	params map[string]string // by name in lower case
}

// parseChallenges reads fields that may hold several challenges each. What it
// does not understand it passes over.
func parseChallenges(fields []string) []challenge {
	var challenges []challenge
	for _, field := range fields {
		for _, item := range splitUnquoted(field) {
			name, value, isParam := strings.Cut(item, "=")
			if scheme, first, spaced := strings.Cut(strings.TrimSpace(name), " "); spaced || !isParam {
				challenges = append(challenges, challenge{scheme: scheme, params: make(map[string]string)})
				name = first
			}
			if isParam && len(challenges) > 0 {
				value = strings.Trim(strings.TrimSpace(value), `"`)
				challenges[len(challenges)-1].params[strings.ToLower(strings.TrimSpace(name))] = value
			}
		}
	}
	return challenges
}

// splitUnquoted splits at commas that are not inside of a quoted string.
func splitUnquoted(field string) []string {
	var items []string
	quoted, escaped, start := false, false, 0
	for i := range len(field) {
		switch {
		case escaped:
			escaped = false
		case quoted && field[i] == '\\':
			escaped = true
		case field[i] == '"':
			quoted = !quoted
		case field[i] == ',' && !quoted:
			items = append(items, strings.TrimSpace(field[start:i]))
			start = i + 1
		}
	}
	items = append(items, strings.TrimSpace(field[start:]))
	return slices.DeleteFunc(items, func(item string) bool { return item == "" })
}

// expectation is what an answer should be.
type expectation struct {
	text  string
	holds func(answer) bool
}

func (e expectation) or(other expectation) expectation {
	return expectation{e.text + ", or " + other.text, func(a answer) bool { return e.holds(a) || other.holds(a) }}
}

func withError(status int, code string) expectation {
	return expectation{fmt.Sprint(status, " ", code), func(a answer) bool {
		_, got := a.bearerError()
		return a.status == status && got == code
	}}
}

func withStatus(status int) expectation {
	return expectation{fmt.Sprint(status), func(a answer) bool { return a.status == status }}
}

var (
	anything = expectation{"anything", func(answer) bool { return true }}
	accepted = expectation{"accepted", func(a answer) bool { return a.accepted }}
	answered = expectation{"an answer below 500", func(a answer) bool { return a.status > 0 && a.status < 500 }}
	noAnswer = expectation{"no connection", func(a answer) bool { return a.status == 0 }}
	rejected = expectation{"a status from 400 to 499", func(a answer) bool { return a.status >= 400 && a.status < 500 }}

	// refused is the least that is asked for: whatever the server says, it does
	// not say yes.
	refused = expectation{"refused", func(a answer) bool { return !a.accepted && (a.status < 200 || a.status > 299) }}

	// challenged is RFC 6750 §3 and RFC 9110 §15.5.2.
	challenged = expectation{"401 and a Bearer challenge with a parameter", func(a answer) bool {
		found, _ := a.bearerError()
		return a.status == http.StatusUnauthorized && found && !a.bare()
	}}

	// dpopChallenged is how a server that takes DPoP proofs refuses one that is
	// not there (RFC 9449 §7.1).
	dpopChallenged = expectation{"401 and a DPoP challenge", func(a answer) bool {
		return a.status == http.StatusUnauthorized && slices.ContainsFunc(parseChallenges(a.header.Values("WWW-Authenticate")),
			func(c challenge) bool { return strings.EqualFold(c.scheme, "DPoP") })
	}}

	// noCredentials is RFC 6750 §3.1: without credentials no error code.
	noCredentials = expectation{"401 and a Bearer challenge with a parameter, and no error code", func(a answer) bool {
		found, code := a.bearerError()
		return a.status == http.StatusUnauthorized && found && code == "" && !a.bare()
	}}

	invalidRequest    = withError(http.StatusBadRequest, "invalid_request")
	invalidToken      = withError(http.StatusUnauthorized, "invalid_token")
	insufficientScope = withError(http.StatusForbidden, "insufficient_scope")
	unavailable       = withStatus(http.StatusServiceUnavailable)
	badRequest        = withStatus(http.StatusBadRequest)

	// A server that may not ask its issuer just now cannot say that a key is
	// unknown: a client throws a token away for a 401.
	later = expectation{"503 with Retry-After", func(a answer) bool {
		return a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != ""
	}}
	unknownKey = invalidToken.or(later)
)

// seen is the expectation of a fact.
func seen(text string) expectation {
	return expectation{text, func(a answer) bool { return a.good }}
}
