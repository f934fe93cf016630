// Package forwarded finds the client certificate where a proxy that ends TLS
// forwards it in a header field, as a [binding.CertificateSource].
//
//	source, err := forwarded.New(forwarded.Config{
//		Format: forwarded.Nginx,
//		Trust:  []forwarded.Trust{forwarded.TrustPeers(netip.MustParsePrefix("192.0.2.0/24"))},
//	})
//	// ...
//	guard, err := binding.New(binding.Config{Tokens: tokens, Certificates: source})
//	// ...
//	server := &http.Server{Handler: handler, ConnContext: forwarded.ConnContext}
//
// A header field is what its sender says. Two things make it the truth: that
// nobody but the proxy can send it here ([Trust], required), and that the proxy
// replaces or drops what its own client sends under that name. The second no
// server can check, for a forged certificate that is well formed looks like any
// other: set the proxy up as the comment of its [Format] says, then send a
// certificate header of your own through it, without a client certificate, and
// expect 401.
//
// The format is named, never detected, and the header is the one source: with a
// Source in use the TLS connection is the proxy's, serves trust alone, and is
// never taken for the client's. No certificate, or one that is untrusted,
// ambiguous or malformed, never makes a bound token an unbound one.
//
// # What is not in here
//
//   - Chains. The binding needs none (RFC 8705 §6.2): a thumbprint is compared,
//     and the proxy's handshake is the proof of possession.
//   - Revocation and expiry: the proxy's, or [binding.Config] Authorize's.
//   - Upgrades. Do not serve h2c or take over connections behind such a proxy:
//     requests within an upgraded connection come over the trusted socket
//     without the proxy touching their headers.
//
// The package needs the standard library and package binding alone.
package forwarded
