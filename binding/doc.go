// Package binding decides whether a request proves that its access token was
// issued to the client that sends it: mutual-TLS certificate-bound access
// tokens, RFC 8705.
//
// A [Guard] takes the token from the Authorization field, has a [TokenVerifier]
// verify it, finds the client's certificate through a [CertificateSource], and
// compares its SHA-256 [Thumbprint] with the token's confirmation claim, cnf
// x5t#S256. Only then it looks at scopes and at the application's own rule. A
// stolen token is worth nothing without the private key.
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
// The certificate is checked when a request comes in. A connection that a
// handler keeps (WebSocket, server-sent events) is the handler's to end, at
// [Token.Expiry]. CORS preflights carry no credentials and belong to a CORS
// middleware in front of the guard.
//
// The package needs the standard library alone.
package binding
