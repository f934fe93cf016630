package jwks

import (
	"context"
	"errors"
	"fmt"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/internal/jws"
)

// Issuers verifies the tokens of several issuers. It is a
// [binding.TokenVerifier]. Make one with [ByIssuer].
type Issuers struct {
	verifiers []*Verifier
	byIssuer  map[string]*Verifier
	headers   jws.Headers
}

// ByIssuer returns a verifier that picks one of the given by the token's iss,
// which nobody has verified yet; that one then checks everything, iss included,
// with its own keys and rules. A token of an unknown issuer is refused and no
// verifier asked. The verifiers stay the caller's to close.
//
// None at all, a nil one, or two for one issuer are an error that joins a
// [binding.ConfigError] for each mistake.
func ByIssuer(verifiers ...*Verifier) (*Issuers, error) {
	i := &Issuers{byIssuer: make(map[string]*Verifier, len(verifiers))}
	var mistakes []error
	mistake := func(format string, args ...any) {
		mistakes = append(mistakes, binding.ConfigError{Field: "verifiers", Problem: fmt.Sprintf(format, args...)})
	}
	if len(verifiers) == 0 {
		mistake("at least one is required")
	}
	for n, v := range verifiers {
		switch {
		case v == nil:
			mistake("number %d is nil", n)
		case i.byIssuer[v.issuer] != nil:
			mistake("issuer %q has two", v.issuer)
		default:
			i.verifiers = append(i.verifiers, v)
			i.byIssuer[v.issuer] = v
		}
	}
	if len(mistakes) > 0 {
		return nil, fmt.Errorf("jwks: ByIssuer: %w", errors.Join(mistakes...))
	}
	return i, nil
}

// VerifyToken verifies an access token as the verifier of its issuer does. The
// error is a [*binding.Error].
func (i *Issuers) VerifyToken(ctx context.Context, token string) (*binding.Token, error) {
	if len(token) > jws.MaxLength {
		return nil, &binding.Error{Reason: binding.ReasonTokenTooLong}
	}
	digest := digestOf(token)
	for _, v := range i.verifiers {
		// Only the verifier of its own issuer has ever accepted a token.
		if seen, err := v.again(digest); seen != nil || err != nil {
			return seen, err
		}
	}
	t, err := parse(&i.headers, token)
	if err != nil {
		return nil, err
	}
	defer t.release()
	v, known := i.byIssuer[t.claims.Issuer()]
	if !known {
		return nil, &binding.Error{Reason: binding.ReasonTokenIssuer}
	}
	return v.first(ctx, t, digest)
}

// Ready returns nil if every issuer's keys are there, and otherwise which are
// not, and why.
func (i *Issuers) Ready() error {
	var missing []error
	for _, v := range i.verifiers {
		if err := v.Ready(); err != nil {
			missing = append(missing, fmt.Errorf("%s: %w", v.issuer, err))
		}
	}
	return errors.Join(missing...)
}
