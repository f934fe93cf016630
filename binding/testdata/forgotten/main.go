// This program does not compile: its verifier reads claims and judges nothing,
// and what is not judged is no *binding.Token.
package main

import (
	"context"

	"github.com/certbound/certbound/binding"
)

func main() {
	verify := func(_ context.Context, token string) (*binding.Token, error) {
		return binding.ParseClaims([]byte(token))
	}
	_, _ = binding.New(binding.Config{Tokens: binding.TokenVerifierFunc(verify)})
}
