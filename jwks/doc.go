// Package jwks verifies JWT access tokens (RFC 9068) with the key set that
// their issuer publishes (RFC 7517).
//
// A [Verifier] is a [binding.TokenVerifier] for one issuer; [ByIssuer] joins
// several. It keeps the issuer's keys by itself: it fetches them in the
// background, learns new ones at their first use, forgets removed ones, and
// serves the last good ones while the issuer is away. Close it when done.
//
//	tokens, err := jwks.New(jwks.Config{
//		Issuer:    "https://auth.bank.example",
//		Audiences: []string{"https://api.bank.example"},
//	})
//	// ...
//	defer tokens.Close()
//
// The defaults are RFC 9068's. What real issuers need beside them is an option
// each, in [Config].
//
// Signatures are checked with the standard library. The module
// github.com/lestrrat-go/jwx/v2 reads public keys, one by one; nothing of it
// sees a token.
package jwks
