package binding

import (
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/binding/internal/object"
)

// Expect says what a resource server expects of an access token. The zero
// value accepts no token: Issuer, Audiences and Now are required.
type Expect struct {
	// Issuer is compared with iss exactly, character by character (RFC 8414 §3.3).
	Issuer string

	// Audiences names this resource server: aud must hold one of them, compared
	// exactly (RFC 9068 §4).
	Audiences []string

	// Now is the time by which exp, nbf and iat are judged.
	Now time.Time

	// Leeway is the difference allowed between our clock and the issuer's. A
	// token is good while Now is at most Leeway past exp; at exp itself with none.
	Leeway time.Duration

	// MaxLifetime, if positive, refuses a token whose exp lies further ahead of
	// Now, Leeway added.
	MaxLifetime time.Duration

	// ScopeClaims names the claims that may hold the scopes; the first that is
	// present is read. Nil is scope (RFC 9068 §2.2.3).
	ScopeClaims []string

	// ClientIDClaims names the claims that may hold the client; the first that
	// is present is read. Nil is client_id, azp, cid, appid.
	ClientIDClaims []string

	// KnownAccessToken says that the token's kind was stated outside its claims,
	// as typ at+jwt states it (RFC 9068 §2.1). Otherwise claims that belong to
	// another kind of token (an ID token, a refresh token, a security event)
	// refuse it (RFC 8725 §3.12).
	KnownAccessToken bool

	// Introspection says that the claims are an introspection response (RFC 7662
	// §2.2), whose members are optional: iss and exp are checked when present.
	// token_type, when present, must be Bearer, access_token, or DPoP, which
	// only a guard with Config.AcceptDPoPScheme takes. The token is then opaque:
	// a guard answers for it as [Error] says at Opaque.
	Introspection bool

	// DangerouslyAcceptMissingAudience, with Introspection, accepts a response
	// without aud that states its token_type. A token that was issued for any
	// other resource server of the same authorization server is then accepted
	// here. An aud that is present is checked none the less.
	DangerouslyAcceptMissingAudience bool
}

// Validate checks the claims: iss, aud and exp are required, as far as Expect
// does not say otherwise, and must be as expected, nbf and iat must not lie in
// the future. It returns the token to give to a guard, with scopes and client
// read from the claims that Expect names. The error is an [*Error] with a
// reason of the token.
func (t *Token) Validate(expect Expect) (*Token, error) {
	if t.opaque != expect.Introspection {
		marked := *t
		marked.opaque, marked.dpopType = expect.Introspection, false
		t = &marked
	}
	// RFC 7662 §2.2: iss is optional. ParseToken refuses an empty one, so that
	// none is absent.
	absent := expect.Introspection && t.issuer == ""
	if expect.Issuer == "" || t.issuer != expect.Issuer && !absent {
		return nil, &Error{Reason: ReasonTokenIssuer}
	}
	if !t.isFor(expect.Audiences) && !t.mayLackAudience(expect) {
		return nil, &Error{Reason: ReasonTokenAudience}
	}
	if expect.Introspection {
		typed, refusal := t.withTokenType()
		if refusal != nil {
			return nil, refusal
		}
		t = typed
	}
	if err := t.ValidAt(expect.Now, expect.Leeway); err != nil {
		return nil, err
	}
	if expect.MaxLifetime > 0 && (t.expiry.IsZero() || t.expiry.After(expect.Now.Add(expect.MaxLifetime).Add(expect.Leeway))) {
		return nil, &Error{Reason: ReasonTokenLifetime}
	}
	if !expect.KnownAccessToken && t.otherKind {
		return nil, &Error{Reason: ReasonTokenType}
	}
	names := expect.ScopeClaims != nil || expect.ClientIDClaims != nil
	if !names && !t.named {
		return t, nil
	}
	// ParseToken has let them go: most verifiers have no names of their own.
	members, err := object.Parse(t.text)
	if err != nil {
		return nil, &Error{Reason: ReasonTokenMalformed, Cause: err}
	}
	named := *t
	named.named = names
	if refusal := named.readNames(members, orDefault(expect.ScopeClaims, defaultScopeClaims),
		orDefault(expect.ClientIDClaims, defaultClientIDClaims)); refusal != nil {
		return nil, refusal
	}
	return &named, nil
}

func orDefault(names, otherwise []string) []string {
	if names == nil {
		return otherwise
	}
	return names
}

// ValidAt checks the token's times alone: exp, which is required unless Validate
// found an introspection response, nbf and iat (RFC 7519 §4.1.4 to §4.1.6). A verifier that keeps a token that it has
// verified asks again at every use. The error is an [*Error] with
// [ReasonTokenExpired] or [ReasonTokenNotYetValid], or with [ReasonTokenClaims]
// if there is no exp.
func (t *Token) ValidAt(now time.Time, leeway time.Duration) error {
	endless := t.expiry.IsZero()
	if now.IsZero() || endless && !t.opaque {
		return &Error{Reason: ReasonTokenClaims} // RFC 9068 §2.2: exp is required
	}
	if !endless && now.After(t.expiry.Add(leeway)) {
		return &Error{Reason: ReasonTokenExpired}
	}
	if latest := now.Add(leeway); t.notBefore.After(latest) || t.issuedAt.After(latest) {
		return &Error{Reason: ReasonTokenNotYetValid}
	}
	return nil
}

func (t *Token) isFor(audiences []string) bool {
	return slices.ContainsFunc(t.audience, func(a string) bool { return slices.Contains(audiences, a) })
}

func (t *Token) mayLackAudience(expect Expect) bool {
	return expect.Introspection && expect.DangerouslyAcceptMissingAudience && t.audience == nil && t.tokenType != ""
}

// withTokenType reads token_type (RFC 7662 §2.2; RFC 6749 §5.1: its value is
// compared without regard to case). access_token is what some servers send for
// the kind of token in place of its type. Another value is another kind's.
func (t *Token) withTokenType() (*Token, *Error) {
	if t.tokenType == "" {
		return t, nil
	}
	name, ok := object.String(t.tokenType)
	switch {
	case !ok:
		return nil, &Error{Reason: ReasonTokenClaims}
	case strings.EqualFold(name, "Bearer"), name == "access_token":
		return t, nil
	case strings.EqualFold(name, "DPoP"):
		typed := *t
		typed.dpopType = true
		return &typed, nil
	}
	return nil, &Error{Reason: ReasonTokenType}
}

// isOtherKinds reports whether a claim is plainly that of a token that is no
// access token (RFC 8725 §3.12). It is a net with holes: an ID token without any
// of these claims cannot be told from an access token, which is why RFC 9068
// §2.1 has typ.
func isOtherKinds(m object.Member) bool {
	switch m.Name {
	case "nonce", "at_hash", "c_hash", "s_hash", // ID token: OpenID Connect Core §2, §3.3.2.11
		"events": // logout token and security event: RFC 8417 §2.2
		return true
	case "typ": // Keycloak: Bearer, but also ID, Refresh, Offline, Logout, ...
		kind, _ := object.String(m.Value)
		return kind != "Bearer" && kind != "DPoP" && kind != "JWT" && kind != "at+jwt"
	case "token_use": // Amazon Cognito, Ory Hydra: also id, refresh_token
		use, _ := object.String(m.Value)
		return use != "access" && use != "access_token"
	}
	return false
}
