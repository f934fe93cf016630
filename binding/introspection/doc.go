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
// Answers are remembered for seconds: a token that was revoked is still
// accepted for up to Config.ActiveFor (RFC 7662 §4). The guard checks the
// binding at every use.
//
// [ByForm] combines a Verifier with one for JWTs, for an API that gets both
// kinds of token.
//
// # Floods of made-up tokens
//
// A quarter of Config.MaxInFlight is kept for tokens that were active before and
// for clients that have presented one, each known by the certificate or by the
// DPoP key that it was bound to and that a guard has seen proven. Those are
// served as if there were no flood. A client that comes for the first time during
// one has to share what is left with it, and may be answered 503 once or twice.
//
// # What an answer tells
//
// A client gets the same answer for every refused token, whether it is inactive
// or bound to another certificate (see Opaque in [binding.Error]). How long an
// answer takes is not hidden: a remembered one comes sooner.
package introspection
