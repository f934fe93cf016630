package binding

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/certbound/certbound/binding/internal/strictjson"
)

// A Token is an access token that was validated: the claims of RFC 9068 §2.2 or
// RFC 7662 §2.2, and the confirmation that binds it (RFC 8705 §3, RFC 9449 §6).
//
// [Claims.Validate] is the only way to get one. A Token is immutable, so that
// requests with the same token may share it, and safe for concurrent use. Every
// guard refuses the zero Token.
type Token struct {
	claims   Claims
	opaque   bool // the claims are an introspection response
	dpopType bool // an opaque token whose token_type is DPoP
}

// Issuer returns the iss claim, or "" if there is none.
func (t *Token) Issuer() string { return t.claims.issuer }

// Subject returns the sub claim, or "" if there is none (some servers leave it
// out of a token for client credentials).
func (t *Token) Subject() string { return t.claims.subject }

// ID returns the jti claim, or "" if there is none.
func (t *Token) ID() string { return t.claims.id }

// ACR returns the acr claim, the authentication context class that the user's
// authentication met (RFC 9470 §6.1), or "" if there is none or it is no string.
func (t *Token) ACR() string { return t.claims.acr }

// AuthTime returns the auth_time claim, when the user was authenticated (RFC 9470
// §6.1), or the zero time if there is none or it is no NumericDate.
func (t *Token) AuthTime() time.Time { return t.claims.authTime }

// ClientID returns the client_id claim (RFC 9068 §2.2) or, where there is none,
// azp, cid or appid; if the verifier's configuration names other claims, the
// first of those that is present. It returns "" if there is none.
func (t *Token) ClientID() string { return t.claims.clientID }

// Audience returns a copy of the aud claim; a single string becomes a list of
// one.
func (t *Token) Audience() []string { return slices.Clone(t.claims.audience) }

// Scopes returns a copy of the scope claim's tokens (RFC 9068 §2.2.3), or of
// the claim that the verifier's configuration names in its place.
func (t *Token) Scopes() []string { return slices.Clone(t.claims.scopes) }

// HasScope reports whether the token carries the scope, compared exactly.
func (t *Token) HasScope(scope string) bool { return slices.Contains(t.claims.scopes, scope) }

// Expiry returns the exp claim, or the zero time if there is none. A handler
// that holds a connection open (WebSocket, server-sent events) ends it then.
func (t *Token) Expiry() time.Time { return t.claims.expiry }

// NotBefore returns the nbf claim, or the zero time if there is none.
func (t *Token) NotBefore() time.Time { return t.claims.notBefore }

// IssuedAt returns the iat claim, or the zero time if there is none.
func (t *Token) IssuedAt() time.Time { return t.claims.issuedAt }

// Thumbprint returns the thumbprint of the certificate that the token is bound
// to (cnf x5t#S256, RFC 8705 §3.1), and whether it is bound to a certificate. A
// token that is not may still be bound to a key, and is then not a bearer
// token: see [Token.Bound].
func (t *Token) Thumbprint() (thumbprint Thumbprint, bound bool) {
	return t.claims.confirmation.certificate, t.claims.confirmation.hasCertificate
}

// KeyThumbprint returns the thumbprint of the DPoP key that the token is bound
// to (cnf jkt, RFC 9449 §6.1), and whether it is bound to a key. A token may be
// bound to a certificate as well.
func (t *Token) KeyThumbprint() (thumbprint KeyThumbprint, bound bool) {
	return t.claims.confirmation.key, t.claims.confirmation.hasKey
}

// binding says what the token is bound to, as an Event does.
func (t *Token) binding() string {
	_, certificate := t.Thumbprint()
	_, key := t.KeyThumbprint()
	switch {
	case certificate && key:
		return "both"
	case certificate:
		return "certificate"
	case key:
		return "key"
	}
	return "none"
}

// Bound reports whether the token is bound to a certificate, to a DPoP key, or
// to both. A token that is not bound is a bearer token.
func (t *Token) Bound() bool {
	return t.claims.confirmation.hasCertificate || t.claims.confirmation.hasKey
}

// Claim decodes the one claim of exactly that name into v, as [json.Unmarshal]
// does, and reports whether it is present. A claim that is null is present:
// what v points to becomes nil if it is a pointer, map, slice or interface, and
// otherwise stays as it is. It is an error if v cannot hold the claim, or if
// the Token is the zero Token.
func (t *Token) Claim(name string, v any) (present bool, err error) {
	members, err := strictjson.Object(t.claims.text)
	if err != nil {
		return false, errors.New("binding: the token has no claims")
	}
	for _, m := range members {
		if m.Name == name {
			if err := json.Unmarshal([]byte(m.Value), v); err != nil {
				return true, fmt.Errorf("binding: the claim cannot be decoded into %T", v)
			}
			return true, nil
		}
	}
	return false, nil
}

// Claims decodes all claims into v, as [json.Unmarshal] does, anew at each
// call, so that a caller may change v. The zero Token has no claims, which is
// an error. Note that encoding/json matches the names of a struct's fields
// without regard to case; decode into a map where that matters.
func (t *Token) Claims(v any) error {
	return json.Unmarshal([]byte(t.claims.text), v)
}
