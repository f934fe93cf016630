// Package introspection verifies opaque access tokens by asking their
// authorization server about them (RFC 7662).
//
// A [Verifier] is a [binding.TokenVerifier] for one authorization server. It
// finds the introspection endpoint in the server's metadata, authenticates as
// the resource server's own client, and checks the answer as package jwks checks
// a JWT's claims. Close it when done.
//
//	tokens, err := introspection.New(introspection.Config{
//		Issuer:            "https://auth.bank.example",
//		Audiences:         []string{"https://api.bank.example"},
//		ClientID:          "accounts-api",
//		AuthMethod:        introspection.TLSClientAuth,
//		ClientCertificate: certificate,
//	})
//	// ...
//	defer tokens.Close()
//
// Answers are remembered for seconds: a token that is revoked is accepted for
// Config.ActiveFor more, at most (RFC 7662 §4). The binding is checked at every
// use, by the guard.
//
// [ByForm] joins a Verifier with one for JWTs, for an API that gets both.
//
// # What an answer tells
//
// To a client, every token that is refused looks alike, whether it is inactive
// or bound to another certificate (see [binding.Error] at Opaque). How long an
// answer takes is not hidden: one that is remembered comes sooner.
package introspection
