// Package jwks verifies JWT access tokens (RFC 9068) with the key set that
// their issuer publishes (RFC 7517).
//
// A [Verifier] is a [binding.TokenVerifier] for one issuer; [ByIssuer] combines
// several, and [ByIssuerFunc] serves issuers that come and go. A Verifier keeps
// the issuer's keys by itself: it fetches them in the background, learns new
// ones at their first use, forgets removed ones, and uses the last good ones
// while the issuer cannot be reached. Close it when done.
//
//	tokens, err := jwks.New(jwks.Config{
//		Issuer:    "https://auth.bank.example",
//		Audiences: []string{"https://api.bank.example"},
//	})
//	// ...
//	defer tokens.Close()
//
// The defaults are those of RFC 9068. Where real issuers differ, there is an
// option for each difference in [Config].
//
// Signatures are checked with the standard library. The module
// github.com/lestrrat-go/jwx/v2 only reads public keys, one by one; no token is
// given to it.
package jwks
