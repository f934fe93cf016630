package binding_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/certbound/certbound/binding"
)

// A verifier that asks a server about each token, as package introspection does: it asks nothing in vain, keeps apart who
// asks, and tells no thief what it remembers while the server cannot be asked.
func ExampleTokenVerifier_asking() {
	certificate, tokens := exampleClient()
	known := make(map[binding.KeyThumbprint]bool) // of good tokens
	calls := 0
	ask := func(ctx context.Context, token string) (*binding.Token, error) {
		if refusal := binding.RefusedUnasked(ctx); refusal != nil {
			return nil, refusal // no answer of the server's could make this a 200
		}
		if presented, ok := binding.PresentedCertificate(ctx); ok {
			fmt.Println("asked for", presented.Thumbprint == binding.ThumbprintOf(certificate))
		}
		if key, ok := binding.PresentedKey(ctx); ok && known[key] && binding.ProvesPresentedKey(ctx) {
			fmt.Println("asked for a client that is known by its key")
		}
		calls++
		away := &binding.Error{Reason: binding.ReasonUnavailable, Cause: errors.New("the server is away")}
		if token != "good" {
			return nil, away
		}
		binding.AnswerUnprovenWith(ctx, away) // "good" is remembered: whoever cannot prove it gets what all others get
		return tokens.VerifyToken(ctx, token)
	}
	guard, err := binding.New(binding.Config{Tokens: binding.TokenVerifierFunc(ask)})
	if err != nil {
		log.Fatal(err)
	}
	accounts := protect(guard, nil)

	fmt.Println(send(accounts, "good").Code, calls)
	fmt.Println(send(accounts, "other", certificate).Code, calls)
	// Output:
	// 401 0
	// asked for true
	// 503 1
}
