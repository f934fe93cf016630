// Package binding decides whether a request proves that its access token was
// issued to the client that sends it: with the client's certificate (mutual
// TLS, RFC 8705), with its DPoP key (RFC 9449), or with both where the token
// names both.
//
// A [Guard] takes the token from the Authorization field, has a [TokenVerifier]
// verify it, finds the client's certificate through a [CertificateSource], and
// compares its SHA-256 [Thumbprint] with the token's confirmation claim, cnf
// x5t#S256. For a token that is bound to a DPoP key (cnf jkt), a
// [ProofVerifier] checks the request's proof. Only then does the guard look at
// scopes and at the application's own rule. A stolen token is worth nothing
// without the private key.
//
//	tokens, err := jwks.New(jwks.Config{
//		Issuer:    "https://auth.bank.example",
//		Audiences: []string{"https://api.bank.example"},
//	})
//	// ...
//	guard, err := binding.New(binding.Config{Tokens: tokens})
//	// ...
//	http.Handle("GET /accounts", bindhttp.Protect(guard)(accounts))
//
// The server must ask its clients for certificates: see [TLSConfig]. Adapters
// for net/http, echo and gin are in the folder adapters; elsewhere call
// [Guard.Admit] and [Error.Write] yourself.
//
// Everything fails closed. What is present but not understood is never taken
// for absent; the zero value of every option is the safe choice; what weakens a
// guard has a name that begins with Dangerously.
//
// # What a check does not do
//
// The binding is checked when a request comes in. A handler that keeps the
// connection open (WebSocket, server-sent events) must end it itself, at
// [Token.Expiry]. CORS preflights carry no credentials and belong to a CORS
// middleware in front of the guard.
//
// The package depends on the standard library alone.
package binding
