package binding

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/binding/internal/strictjson"
)

// Expect says what a resource server expects of an access token. Issuer,
// Audiences and Now are required: without them, as in the zero Expect, no token
// is accepted.
type Expect struct {
	// Issuer is compared with iss exactly, character by character (RFC 8414 §3.3).
	Issuer string

	// Audiences names this resource server: aud must hold one of them, compared
	// exactly (RFC 9068 §4).
	Audiences []string

	// Now is the time against which exp, nbf and iat are checked.
	Now time.Time

	// Leeway is the difference allowed between our clock and the issuer's. A
	// token is good until Now is more than Leeway past exp: without Leeway it is
	// still good at exp itself.
	Leeway time.Duration

	// MaxLifetime, if positive, refuses a token that has no exp, or whose exp
	// lies more than MaxLifetime and Leeway after Now.
	MaxLifetime time.Duration

	// ScopeClaims names the claims that may hold the scopes; the first that is
	// present is read. Nil means scope (RFC 9068 §2.2.3).
	ScopeClaims []string

	// ClientIDClaims names the claims that may hold the client; the first that
	// is present is read. Nil means client_id, azp, cid, appid.
	ClientIDClaims []string

	// KnownAccessToken says that something outside the claims has stated that
	// this is an access token, as typ at+jwt in a JWT's header does (RFC 9068
	// §2.1). Otherwise a token is refused if it has a claim that belongs to
	// another kind of token: an ID token, a refresh token, a security event (RFC
	// 8725 §3.12). So is one with a nonce, unless its claims say what it is, by
	// typ Bearer or DPoP, or by token_use access or access_token.
	KnownAccessToken bool

	// Introspection says that the claims are an introspection response (RFC 7662
	// §2.2), whose members are optional: iss and exp are checked when present.
	// A member that is null counts as absent, and so does an empty aud; cnf never
	// does. token_type, when present, must be Bearer, access_token or DPoP; a
	// guard refuses a token of type DPoP that has no binding, because it is not a
	// bearer token. The token is then opaque: Opaque in [Error] says how a guard
	// answers for it.
	Introspection bool

	// DangerouslyAcceptMissingAudience, with Introspection, accepts a response
	// without aud that states its token_type; Audiences may then be empty. A
	// token that was issued for any other resource server of the same
	// authorization server is then accepted here. An aud that is present is still
	// checked.
	DangerouslyAcceptMissingAudience bool
}

// Validate checks the claims: iss, aud and exp are required, unless Expect says
// otherwise, and must be as expected; nbf and iat must not lie in the future.
// It returns the token that a guard takes, with scopes and client read from the
// claims that Expect names.
//
// The error is an [*Error] with a reason of the token, or with
// [ReasonMisconfigured] and status 500 if Expect lacks what is required.
func (c Claims) Validate(expect Expect) (*Token, error) {
	if mistake := expect.mistake(); mistake != nil {
		return nil, &Error{Reason: ReasonMisconfigured, Cause: mistake}
	}
	if c.text == "" {
		return nil, &Error{Reason: ReasonTokenMalformed, Cause: errors.New("binding: the Claims are not from ParseClaims")}
	}
	if !expect.Introspection && c.absentInAnswers != "" {
		return nil, badClaim(c.absentInAnswers, nullClaim)
	}
	// RFC 7662 §2.2: iss is optional. ParseClaims refuses an empty one, so that
	// "" means absent.
	absent := expect.Introspection && c.issuer == ""
	if c.issuer != expect.Issuer && !absent {
		return nil, c.wrongIssuer(expect.Issuer)
	}
	if !c.isFor(expect.Audiences) && !c.mayLackAudience(expect) {
		if expect.Introspection && expect.DangerouslyAcceptMissingAudience && c.audience == nil { // then token_type is absent, too
			return nil, &Error{Reason: ReasonTokenAudience, Cause: &claimError{
				claim: "aud", problem: "is missing, and so is token_type, without which DangerouslyAcceptMissingAudience accepts no answer",
			}}
		}
		return nil, c.wrongAudience(expect.Audiences)
	}
	dpopType := false
	if expect.Introspection {
		var refusal *Error
		if dpopType, refusal = c.hasTypeDPoP(); refusal != nil {
			return nil, refusal
		}
	}
	if refusal := c.validAt(expect.Now, expect.Leeway, !expect.Introspection); refusal != nil {
		return nil, refusal
	}
	if expect.MaxLifetime > 0 && (c.expiry.IsZero() || c.expiry.After(expect.Now.Add(expect.MaxLifetime).Add(expect.Leeway))) {
		return nil, &Error{Reason: ReasonTokenLifetime, Cause: &claimError{claim: "exp", problem: "lies too far ahead, or is missing", option: "option MaxLifetime"}}
	}
	if name := c.kind.otherThanAccess(); name != "" && !expect.KnownAccessToken {
		return nil, &Error{Reason: ReasonTokenType, Cause: &claimError{
			claim: strings.Clone(name), problem: "belongs to another kind of token, not to an access token (RFC 8725 section 3.12)",
			option: "an issuer that sends typ at+jwt in the header leaves no doubt, RFC 9068 section 2.1",
		}}
	}
	if expect.ScopeClaims != nil || expect.ClientIDClaims != nil {
		// ParseClaims has let the members go: most verifiers have no names of
		// their own.
		members, err := strictjson.Object(c.text)
		if err != nil {
			return nil, &Error{Reason: ReasonTokenMalformed, Cause: err}
		}
		if refusal := c.readNames(members, orDefault(expect.ScopeClaims, defaultScopeClaims),
			orDefault(expect.ClientIDClaims, defaultClientIDClaims)); refusal != nil {
			return nil, refusal
		}
	}
	return &Token{claims: c, opaque: expect.Introspection, dpopType: dpopType}, nil
}

// mistake returns what an Expect lacks. That is our fault, never the token's.
func (e *Expect) mistake() error {
	switch {
	case e.Issuer == "":
		return errors.New("binding: Expect.Issuer is required")
	case len(e.Audiences) == 0 && !(e.Introspection && e.DangerouslyAcceptMissingAudience):
		return errors.New("binding: Expect.Audiences is required")
	case slices.Contains(e.Audiences, ""):
		return errors.New("binding: Expect.Audiences holds an empty string")
	case e.Now.IsZero():
		return errors.New("binding: Expect.Now is required")
	}
	return nil
}

func orDefault(names, otherwise []string) []string {
	if names == nil {
		return otherwise
	}
	return names
}

// ValidAt checks the token's times alone: exp, which is required unless the
// claims were an introspection response, nbf and iat (RFC 7519 §4.1.4 to
// §4.1.6). A verifier that remembers tokens must call it at every use. The
// error is an [*Error] with [ReasonTokenExpired] or [ReasonTokenNotYetValid],
// with [ReasonTokenClaims] if there is no exp, or with [ReasonMisconfigured] if
// now is the zero time.
func (t *Token) ValidAt(now time.Time, leeway time.Duration) error {
	if now.IsZero() {
		return &Error{Reason: ReasonMisconfigured, Cause: errors.New("binding: ValidAt needs the time")}
	}
	if refusal := t.claims.validAt(now, leeway, !t.opaque); refusal != nil {
		return refusal
	}
	return nil
}

func (c *Claims) validAt(now time.Time, leeway time.Duration, endRequired bool) *Error {
	endless := c.expiry.IsZero()
	if endless && endRequired {
		return badClaim("exp", missingClaim) // RFC 9068 §2.2: it is required
	}
	if !endless && now.After(c.expiry.Add(leeway)) {
		return &Error{Reason: ReasonTokenExpired, Cause: &timeError{"exp", c.expiry.Sub(now)}}
	}
	latest := now.Add(leeway)
	switch {
	case c.notBefore.After(latest):
		return &Error{Reason: ReasonTokenNotYetValid, Cause: &timeError{"nbf", c.notBefore.Sub(now)}}
	case c.issuedAt.After(latest):
		return &Error{Reason: ReasonTokenNotYetValid, Cause: &timeError{"iat", c.issuedAt.Sub(now)}}
	}
	return nil
}

func (c *Claims) isFor(audiences []string) bool {
	return slices.ContainsFunc(c.audience, func(a string) bool { return slices.Contains(audiences, a) })
}

func (c *Claims) mayLackAudience(expect Expect) bool {
	return expect.Introspection && expect.DangerouslyAcceptMissingAudience && c.audience == nil && c.tokenType != ""
}

// hasTypeDPoP reads token_type (RFC 7662 §2.2; RFC 6749 §5.1: its value is
// compared without regard to case). access_token is what some servers send for
// the kind of token in place of its type. Another value is another kind's.
func (c *Claims) hasTypeDPoP() (bool, *Error) {
	if c.tokenType == "" {
		return false, nil
	}
	name, ok := strictjson.String(c.tokenType)
	switch {
	case !ok:
		return false, badClaim("token_type", malformedClaim)
	case strings.EqualFold(name, "Bearer"), name == "access_token":
		return false, nil
	case strings.EqualFold(name, "DPoP"):
		return true, nil
	}
	return false, &Error{Reason: ReasonTokenType, Cause: &claimError{
		claim: "token_type", problem: "is not one of an access token", expected: []string{"Bearer", "DPoP", "access_token"},
	}}
}
