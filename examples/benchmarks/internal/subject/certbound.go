package subject

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// A Guard is this library's, as its README sets it up, with its default cache of tokens seen before.
type Guard struct {
	*binding.Guard
	tokens *jwks.Verifier
}

// NewGuard returns a guard that has the issuer's keys. Close it when done.
func NewGuard(issuer *Issuer, transport http.RoundTripper) (*Guard, error) {
	return newGuard(jwks.Config{Issuer: issuer.Issuer(), Audiences: []string{Audience}, Transport: transport})
}

func newGuard(config jwks.Config) (*Guard, error) { return newGuardWith(config, nil) }

// newGuardWith returns a guard that also takes tokens with proofs, unless they are nil.
func newGuardWith(config jwks.Config, proofs binding.ProofVerifier) (*Guard, error) {
	tokens, err := jwks.New(config)
	if err != nil {
		return nil, err
	}
	guard, err := binding.New(binding.Config{Tokens: tokens, Proofs: proofs})
	if err != nil {
		return nil, errors.Join(err, tokens.Close())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for tokens.Ready() != nil {
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("subject: no keys: %w", tokens.Ready()), tokens.Close())
		case <-time.After(100 * time.Microsecond):
		}
	}
	return &Guard{Guard: guard, tokens: tokens}, nil
}

// Close stops what the guard's verifier does in the background.
func (g *Guard) Close() error { return g.tokens.Close() }
