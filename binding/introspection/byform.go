package introspection

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/certbound/certbound/binding"
)

// Forms verifies JWTs and opaque tokens. It is a [binding.TokenVerifier]. Make
// one with [ByForm] or [NewForms].
type Forms struct {
	jwts, opaque    binding.TokenVerifier
	withoutAudience audienceless // nil: all JWTs are for jwts alone
}

// FormsConfig says who verifies what, for [NewForms].
type FormsConfig struct {
	// JWTs verifies tokens that have the form of a JWT, such as a jwks.Verifier or
	// jwks.Issuers. Required.
	JWTs binding.TokenVerifier

	// Opaque verifies all other tokens, such as a [Verifier]. Required.
	Opaque binding.TokenVerifier

	// IntrospectJWTsWithoutAudience makes Opaque verify a JWT that has no aud at
	// all, such as Keycloak's lightweight tokens, if JWTs would accept its
	// algorithm, type, issuer, times and kind. JWTs must then be a jwks.Verifier.
	// The authorization server's answer then says everything about the token,
	// including aud. A binding that the JWT names must be in the answer as well,
	// and the earlier exp of the two counts.
	IntrospectJWTsWithoutAudience bool
}

// An audienceless is a verifier of JWTs that recognizes the one kind of JWT
// that may be asked about. A jwks.Verifier is one.
type audienceless interface {
	// WithoutAudience returns a token's claims, which nobody has verified, if it
	// would be accepted but for its signature and for that it has no aud.
	WithoutAudience(token string) (claims binding.Claims, ok bool)
}

// ByForm returns a verifier for an API that gets tokens of both kinds. A token
// with exactly two dots whose first part decodes to the beginning of a JSON
// object has the form of a JWT and goes to jwts, such as a jwks.Verifier or
// jwks.Issuers; any other goes to opaque, such as a [Verifier], including one
// with five parts (a JWE), which only its issuer can read. A token that one of
// them refuses is never given to the other, so that another issuer's JWT is not
// sent to our authorization server. The caller must close the verifiers.
//
// If a verifier is nil, the error joins a [binding.ConfigError] for each.
func ByForm(jwts, opaque binding.TokenVerifier) (*Forms, error) {
	return NewForms(FormsConfig{JWTs: jwts, Opaque: opaque})
}

// NewForms is [ByForm] with an option. Its error joins a [binding.ConfigError]
// for each mistake.
func NewForms(config FormsConfig) (*Forms, error) {
	f := &Forms{jwts: config.JWTs, opaque: config.Opaque}
	var mistakes []error
	mistake := func(field, problem string) {
		mistakes = append(mistakes, binding.ConfigError{Field: field, Problem: problem})
	}
	for _, given := range []struct {
		name     string
		verifier binding.TokenVerifier
	}{{"JWTs", config.JWTs}, {"Opaque", config.Opaque}} {
		// A nil pointer is what is left of a constructor whose error was dropped.
		value := reflect.ValueOf(given.verifier)
		kind := value.Kind()
		if kind == reflect.Invalid || (kind == reflect.Pointer || kind == reflect.Func) && value.IsNil() {
			mistake(given.name, "a TokenVerifier is required")
		}
	}
	if config.IntrospectJWTsWithoutAudience {
		var ok bool
		if f.withoutAudience, ok = config.JWTs.(audienceless); !ok {
			mistake("IntrospectJWTsWithoutAudience", "needs a jwks.Verifier in JWTs")
		}
	}
	if len(mistakes) > 0 {
		return nil, fmt.Errorf("introspection: the FormsConfig is wrong: %w", errors.Join(mistakes...))
	}
	return f, nil
}

// VerifyToken verifies an access token as the verifier of its form does.
func (f *Forms) VerifyToken(ctx context.Context, token string) (*binding.Token, error) {
	if !hasFormOfJWT(token) {
		return f.opaque.VerifyToken(ctx, token)
	}
	if f.withoutAudience == nil {
		return f.jwts.VerifyToken(ctx, token)
	}
	claims, ok := f.withoutAudience.WithoutAudience(token)
	if !ok {
		return f.jwts.VerifyToken(ctx, token)
	}
	answered, err := f.opaque.VerifyToken(ctx, token)
	if err != nil || answered == nil {
		return nil, err
	}
	return answered.Within(claims)
}

// hasFormOfJWT: the compact serialization of a JWS has two dots (RFC 7515 §7.1)
// and begins with a JSON object in base64url, before which there may be space
// (RFC 8259 §2). Only as much is decoded as it takes to see that.
func hasFormOfJWT(token string) bool {
	header, _, _ := strings.Cut(token, ".")
	if strings.Count(token, ".") != 2 {
		return false
	}
	var decoded [3]byte
	for len(header) > 0 {
		part := header[:min(4, len(header))]
		header = header[len(part):]
		n, _ := base64.RawURLEncoding.Decode(decoded[:], []byte(part))
		if n == 0 {
			return false
		}
		for _, c := range decoded[:n] {
			switch c {
			case ' ', '\t', '\n', '\r':
			default:
				return c == '{'
			}
		}
	}
	return false
}

// Ready returns nil if both verifiers are ready, and otherwise why not. A
// verifier without a method Ready counts as ready. A readiness probe that
// asks this one takes every instance out of service when either server is away: let
// it ask the one without which an instance is of no use.
func (f *Forms) Ready() error {
	var reasons []error
	for _, verifier := range []binding.TokenVerifier{f.jwts, f.opaque} {
		if v, ok := verifier.(interface{ Ready() error }); ok {
			reasons = append(reasons, v.Ready())
		}
	}
	return errors.Join(reasons...)
}
