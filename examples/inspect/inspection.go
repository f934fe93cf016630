package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/certbound/certbound/binding"
)

// An inspection asks about one token and says what it is told.
type inspection struct {
	options  *options
	given    *credential
	specimen *specimen
	report   *report
	now      time.Time
	keys     *keys
}

func newInspection(o *options, given *credential, r *report) *inspection {
	i := &inspection{
		options: o, given: given, specimen: takeApart(given.token), report: r, now: time.Now(), keys: newKeys(),
	}
	if given.scheme == "" {
		if given.scheme = "Bearer"; i.needsProof() {
			given.scheme = "DPoP"
			given.note("it is bound to a DPoP key (cnf jkt): a client sends it as Authorization: DPoP, and so does this check")
		}
	}
	return i
}

func (i *inspection) run(ctx context.Context) int {
	i.token(ctx)
	i.credentials(ctx)
	if i.specimen.form == jws {
		i.header(ctx)
		i.typ(ctx)
		i.claims(ctx)
		i.issuer(ctx)
		i.audience(ctx)
		i.signature(ctx)
		i.times(ctx) // which may compare the clocks: see keys
	}
	i.certificate()
	if i.specimen.form == jws {
		i.binding(ctx)
		i.scopes(ctx)
	}
	refusal, err := i.decide(ctx)
	if err != nil {
		i.report.say("verdict", plain, "cannot be told: "+clean(err))
		return exitUnknown
	}
	return i.conclude(refusal)
}

func (i *inspection) token(ctx context.Context) {
	length := len(i.given.token)
	switch s := i.specimen; {
	case s.form == jwe:
		i.report.say("token", fail, fmt.Sprintf("an encrypted JWT of %d bytes (JWE, RFC 7516)", length), append(i.given.notes,
			"this library reads signed JWTs alone: the issuer must not encrypt access tokens for this resource server")...)
	case s.form == opaque:
		i.report.say("token", plain, fmt.Sprintf("opaque, %d bytes: nothing in it can be read, and it is not looked into", length), append(i.given.notes,
			"only its authorization server knows what it says: a server asks it by introspection (RFC 7662), package binding/introspection",
			"examples/server does so with -introspection, and then says in its log why it refuses a token")...)
	case len(s.problems) > 0:
		i.report.say("token", fail, fmt.Sprintf("JWT of %d bytes", length), append(i.given.notes, s.problems...)...)
	case i.tooLong(ctx):
		i.report.say("token", fail, fmt.Sprintf("JWT of %d bytes, which is more than a server reads", length), append(i.given.notes,
			"the issuer puts too much into it: groups, roles, permissions?")...)
	default:
		notes := i.given.notes
		if !strings.HasPrefix(i.given.token, "eyJ") {
			notes = append(notes, `note: its header does not begin with {", so that a server which takes opaque tokens too (introspection.ByForm) takes it for one`)
		}
		i.report.say("token", plain, fmt.Sprintf("JWT of %d bytes", length), notes...)
	}
}

func (i *inspection) tooLong(ctx context.Context) bool {
	config := i.options.verifier()
	config.Issuer, config.Audiences = doubtless.issuer, []string{doubtless.audience}
	refusal, err := i.ask(i.request(ctx, i.given.token), i.guard(unsigned(config)))
	return err == nil && refusal != nil && refusal.Reason == binding.ReasonTokenTooLong
}

// credentials speaks of the Authorization field only if something is wrong with
// it.
func (i *inspection) credentials(ctx context.Context) {
	refusal, err := i.ask(i.request(ctx, i.given.token), i.guard(verifierFunc(unanswered)))
	if err != nil || refusal == nil {
		return
	}
	switch refusal.Reason {
	case binding.ReasonCredentialsUnsupported:
		i.report.say("credentials", fail, "the scheme is DPoP, which the server does not accept",
			"a client sends what token_type says, and for a certificate-bound token that should be Bearer (RFC 8705 section 3)",
			"if the issuer is Auth0, have the server accept it for such tokens: -schemes Bearer,DPoP (binding.Config.AcceptDPoPScheme)")
	case binding.ReasonCredentialsMalformed:
		at := strings.IndexFunc(i.given.token, func(c rune) bool { return !isTokenCharacter(c) })
		text := "the token is empty, or more than a token"
		if at >= 0 {
			text = fmt.Sprintf("the token has a character at byte %d that no token has (RFC 6750 section 2.1)", at)
			if strings.ContainsRune(" \t\r\n", rune(i.given.token[at])) {
				text += ": a space or a line end. Was it wrapped, or are there two?"
			}
		}
		i.report.say("credentials", fail, text)
	}
}

func isTokenCharacter(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-._~+/=", c)
}

// conclude prints the verdict, and returns the exit status for it.
func (i *inspection) conclude(refusal *binding.Error) int {
	if headline, lines := i.unknown(refusal); headline != "" {
		i.report.say("verdict", plain, "cannot be told: "+headline, lines...)
		return exitUnknown
	}
	if refusal != nil {
		a := adviceFor[refusal.Reason]
		change := "what to change: see " + strings.Join(i.report.failed, ", ")
		if i.report.failed == nil {
			change = a.change
		}
		i.report.say("verdict", fail, "refused: "+answerOf(refusal), a.meaning, change)
		return exitRefused
	}
	i.report.say("verdict", ok, "accepted: the request would pass",
		"as far as token and certificate go: the client must also prove, in the handshake, that it holds the private key")
	return exitAccepted
}

// answerOf is what a client gets, and what the server's log says.
func answerOf(refusal *binding.Error) string {
	if refusal.Code() == "" {
		return fmt.Sprintf("%d (%s)", refusal.StatusCode(), refusal.Reason)
	}
	return fmt.Sprintf("%d %s (%s)", refusal.StatusCode(), refusal.Code(), refusal.Reason)
}

// unknown is why the verdict cannot be told, or "": what was not checked, where
// nothing else is wrong, or that it is no fault of the token's.
func (i *inspection) unknown(refusal *binding.Error) (headline string, lines []string) {
	if refusal == nil {
		lines = i.unchecked()
		if lines == nil {
			return "", nil
		}
		return "nothing is wrong that could be checked", lines
	}
	switch refusal.Reason {
	case binding.ReasonCertificateMissing:
		if len(i.options.certificates) > 0 {
			return "", nil
		}
		return "the token is bound to a certificate, and none is given", append([]string{
			"name the client's with -cert; a request without one gets " + answerOf(refusal),
		}, i.unchecked()...)
	case binding.ReasonKeysUnavailable:
		return "the issuer's keys cannot be fetched", []string{
			"a server in this place answers " + answerOf(refusal) + " until it has them", clean(causeOf(refusal)),
		}
	case binding.ReasonUnavailable:
		if errors.Is(refusal, errOpaque) {
			return "the token is opaque, and the authorization server was not asked", []string{
				"a server without introspection refuses it: " + answerOf(&binding.Error{Reason: binding.ReasonTokenMalformed}),
			}
		}
		return answerOf(refusal), []string{clean(causeOf(refusal))}
	case binding.ReasonCanceled:
		return "the inspection ended before there was a verdict", nil
	case binding.ReasonMisconfigured, binding.ReasonPanicked:
		return "a fault of the inspector's: " + answerOf(refusal), []string{clean(causeOf(refusal))}
	}
	return "", nil
}

// unchecked is what was not checked because it was not said what to expect.
func (i *inspection) unchecked() (lines []string) {
	if i.options.issuer == "" {
		lines = append(lines, "issuer and signature were NOT checked: give -issuer as the server has it")
	}
	if i.options.audiences == nil {
		lines = append(lines, "the audience was NOT checked: give -audience as the server has it")
	}
	if i.needsProof() {
		lines = append(lines, "the DPoP proof was NOT checked, which each request with this token needs: inspect one with -proof, -method and -url",
			"a server without -dpop-origins (binding.Config.Proofs) refuses the token: "+answerOf(&binding.Error{Reason: binding.ReasonConfirmationDPoP}))
	}
	return lines
}

func causeOf(refusal *binding.Error) error {
	if refusal.Cause != nil {
		return refusal.Cause
	}
	return refusal
}

// moment writes a time for a person: absolute, and from now.
func (i *inspection) moment(t time.Time) string {
	distance := t.Sub(i.now).Round(time.Second)
	when := "now"
	switch {
	case distance > 48*time.Hour:
		when = fmt.Sprintf("in %d days", int(distance/(24*time.Hour)))
	case distance > 0:
		when = "in " + distance.String()
	case distance < -48*time.Hour:
		when = fmt.Sprintf("%d days ago", int(-distance/(24*time.Hour)))
	case distance < 0:
		when = (-distance).String() + " ago"
	}
	return fmt.Sprintf("%s (%s)", t.UTC().Format(time.RFC3339), when)
}
