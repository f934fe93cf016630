// Package forwarded reads the client certificate from the header field in which
// a proxy that terminates TLS forwards it. Its [Source] is a
// [binding.CertificateSource].
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
// [ConnContext] tells a Source who is at the other end of a connection: without
// it, [TrustPeers] and [TrustUnixSocket] trust nobody.
//
// A header field says whatever its sender wrote. Two things make it
// trustworthy: nobody but the proxy can send it here ([Trust], required), and
// the proxy replaces or drops what its own clients send under that name. No
// server can check the second, because a well-formed forged certificate looks
// like any other. So set the proxy up as the comment of its [Format] says; then
// send a certificate header of your own through it, without a client
// certificate, and expect 401.
//
// The format is configured, never detected, and the header is the only source:
// the TLS connection is then the proxy's. It can show that the proxy is
// trusted, but its certificate is never taken for the client's. A bound token
// is refused if the certificate is missing, untrusted, ambiguous or malformed;
// it is never treated as unbound.
//
// # What is not in here
//
//   - Chains. The binding needs none (RFC 8705 §6.2): a thumbprint is compared,
//     and the proof of possession is the client's handshake with the proxy.
//   - Revocation and expiry. They are for the proxy to check, or for Authorize
//     in [binding.Config].
//   - Upgrades. Do not serve h2c or hijack connections behind such a proxy:
//     requests inside an upgraded connection arrive over the trusted socket,
//     and the proxy does not touch their headers.
//
// The package depends only on the standard library and package binding.
package forwarded
