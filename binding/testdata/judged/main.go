// This program is the one in ../forgotten with the line that it forgets.
package main

import (
	"context"
	"time"

	"github.com/certbound/certbound/binding"
)

func main() {
	verify := func(_ context.Context, token string) (*binding.Token, error) {
		claims, err := binding.ParseClaims([]byte(token))
		if err != nil {
			return nil, err
		}
		return claims.Validate(binding.Expect{
			Issuer: "https://auth.bank.example", Audiences: []string{"https://api.bank.example"}, Now: time.Now(),
		})
	}
	_, _ = binding.New(binding.Config{Tokens: binding.TokenVerifierFunc(verify)})
}
