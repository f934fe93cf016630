package introspection

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/certbound/certbound/binding"
)

// Forms verifies JWTs and opaque tokens. It is a [binding.TokenVerifier]. Make
// one with [ByForm].
type Forms struct {
	jwts, opaque binding.TokenVerifier
}

// ByForm returns a verifier for an API that gets tokens of both kinds. A token
// with two dots or more that begins with "eyJ" has the form of a JWT and goes to
// jwts, such as a jwks.Verifier or jwks.Issuers; any other goes to opaque, such
// as a [Verifier]. What one of them refuses, the other never sees, so that a JWT
// of a stranger's is not sent to our authorization server. The verifiers stay
// the caller's to close.
//
// A nil verifier is an error that joins a [binding.ConfigError] for each.
func ByForm(jwts, opaque binding.TokenVerifier) (*Forms, error) {
	var mistakes []error
	for _, given := range []struct {
		name     string
		verifier binding.TokenVerifier
	}{{"jwts", jwts}, {"opaque", opaque}} {
		// A nil pointer is what is left of a constructor whose error was dropped.
		value := reflect.ValueOf(given.verifier)
		if !value.IsValid() || value.Kind() == reflect.Pointer && value.IsNil() {
			mistakes = append(mistakes, binding.ConfigError{Field: given.name, Problem: "a TokenVerifier is required"})
		}
	}
	if len(mistakes) > 0 {
		return nil, fmt.Errorf("introspection: ByForm: %w", errors.Join(mistakes...))
	}
	return &Forms{jwts: jwts, opaque: opaque}, nil
}

// VerifyToken verifies an access token as the verifier of its form does.
func (f *Forms) VerifyToken(ctx context.Context, token string) (*binding.Token, error) {
	if hasFormOfJWT(token) {
		return f.jwts.VerifyToken(ctx, token)
	}
	return f.opaque.VerifyToken(ctx, token)
}

// hasFormOfJWT: the compact serializations have two dots (RFC 7515 §7.1) or four
// (RFC 7516 §7.1), and a header that is a JSON object: eyJ is {" in base64url.
func hasFormOfJWT(token string) bool {
	return strings.HasPrefix(token, "eyJ") && strings.Count(token, ".") >= 2
}

// Ready returns nil if both verifiers are ready, as far as they have a method
// Ready, and otherwise why not.
func (f *Forms) Ready() error {
	var reasons []error
	for _, verifier := range []binding.TokenVerifier{f.jwts, f.opaque} {
		if v, ok := verifier.(interface{ Ready() error }); ok {
			reasons = append(reasons, v.Ready())
		}
	}
	return errors.Join(reasons...)
}
