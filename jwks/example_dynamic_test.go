package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// Keys from a file, or a secret store: nothing is fetched.
func ExampleConfig_keys() {
	_, err := jwks.New(jwks.Config{
		Issuer:    "https://auth.bank.example",
		Audiences: []string{"https://api.bank.example"},
		Keys:      []byte(`{"keys":[{"kid":"2026-11","kty":"oct","k":"AAAA"}]}`), // os.ReadFile("keys.json")
	})
	fmt.Println(err)
	// Output:
	// jwks: the Config is wrong: Keys: number 1, kid "2026-11", cannot be used: the key is symmetric
}

// Tenants that come and go: a table of yours says whose tokens are accepted.
func ExampleByIssuerFunc() {
	tenants := map[string]string{ // issuer, and the tenant's audience
		"https://auth.bank.example": "https://api.example/bank",
		"https://auth.shop.example": "https://api.example/shop",
	}
	tokens, err := jwks.ByIssuerFunc(jwks.IssuersConfig{
		Config: func(_ context.Context, issuer string) (jwks.Config, error) {
			audience, known := tenants[issuer]
			if !known {
				return jwks.Config{}, &binding.Error{Reason: binding.ReasonTokenIssuer, Cause: errors.New("no such tenant")}
			}
			return jwks.Config{Issuer: issuer, Audiences: []string{audience}}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = tokens.Close() }()
	_, err = binding.New(binding.Config{Tokens: tokens})
	fmt.Println(err)

	tokens.Forget("https://auth.shop.example") // when the tenant leaves
	// Output: <nil>
}
