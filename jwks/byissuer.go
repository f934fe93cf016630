package jwks

import (
	"context"
	"errors"
	"fmt"

	"github.com/certbound/certbound/binding"
)

// Issuers verifies the tokens of several issuers. It is a
// [binding.TokenVerifier]. Make one with [ByIssuer].
type Issuers struct {
	verifiers []*Verifier
	byIssuer  map[string]*Verifier
	routes    routes[*Verifier]
	headers   headerCache
}

// ByIssuer returns a verifier that picks one of the given verifiers by the
// token's iss, which nobody has verified yet. That verifier then checks
// everything, iss included, with its own keys and rules. A token of an unknown
// issuer is refused without asking any of them. The caller must close the
// verifiers.
//
// If none is given, one is nil, or two are for the same issuer, the error joins
// a [binding.ConfigError] for each mistake.
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
	i.routes = newRoutes[*Verifier]()
	return i, nil
}

// VerifyToken verifies an access token as the verifier of its issuer does. The
// error is a [*binding.Error].
func (i *Issuers) VerifyToken(ctx context.Context, token string) (*binding.Token, error) {
	if len(token) > maxTokenBytes {
		return nil, &binding.Error{Reason: binding.ReasonTokenTooLong}
	}
	digest := digestOf(token)
	if v, ok := i.routes.get(digest); ok {
		if seen, err := v.recall(digest); seen != nil || err != nil {
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
		return nil, &binding.Error{Reason: binding.ReasonTokenIssuer, Cause: i.expects()}
	}
	verified, err := v.verifyOrRecall(ctx, token, t, digest)
	if err == nil {
		i.routes.put(digest, v)
	}
	return verified, err
}

// expects says which issuers there are.
func (i *Issuers) expects() error {
	var names []string
	for _, v := range i.verifiers[:min(len(i.verifiers), maxListed)] {
		names = append(names, v.issuer)
	}
	if more := len(i.verifiers) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("jwks: the verifiers given to jwks.ByIssuer are of %q", names)
}

// Ready returns nil if every issuer's verifier is ready, and otherwise an error
// that names those that are not, and why. A readiness probe that asks
// this one takes every instance out of service when one issuer is away: let it ask
// the verifiers without which an instance is of no use.
func (i *Issuers) Ready() error {
	var missing []error
	for _, v := range i.verifiers {
		if err := v.Ready(); err != nil {
			missing = append(missing, fmt.Errorf("%s: %w", v.issuer, err))
		}
	}
	return errors.Join(missing...)
}
