// Package conformance sends bad input to a resource server for
// certificate-bound access tokens (RFC 8705), and for DPoP proofs (RFC 9449) if
// it takes them, every kind that is known and can be sent from outside, and
// says which of them it answers wrongly. The server
// may be a handler of the test's own process, whatever its framework, or any
// server that can be told who its authorization server is: in another language,
// or behind a gateway.
//
// In a test, a subtest for each input:
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, conformance.Config{Path: "/accounts"}, conformance.Handler(
//			func(as *bindingtest.AuthorizationServer) (http.Handler, error) {
//				return newAPI(as.Issuer(), as.Audience(), as.Transport())
//			}))
//	}
//
// Without a test, [New] and [Kit.Check], which returns a [Report].
// examples/conformance is a command around it.
//
// # Rows
//
// An input belongs to a row, which has a number and a section: A the
// Authorization field, B the compact serialization, C the JOSE header, D ECDSA
// signatures, E claims, F the confirmation, G TLS, H certificates in header
// fields, I the key set, J the issuer's metadata, K what all answers have in
// common, L DPoP proofs, M and N what honest issuers do that costs careless servers a request.
// A row is one or more cases. [Config.Cases] lists them.
//
// A case that ends the server violates, and the server is started anew for the
// next. A server that accepts stolen tokens as they are is not asked whether it
// believes header fields, and one without HTTP/2 nothing over it.
//
// # Must and should
//
// Each case has two expectations, so that a server is not blamed for a choice
// that it is free to make. Must is what the RFCs demand of every resource
// server that takes JWTs bound to certificates (RFC 6750, 7515, 7519, 7800,
// 8705, 8725, 9110), and what would undo the binding, such as to believe a
// certificate in a header field that the client wrote itself. Should is what
// this project's own guard does: what RFCs recommend, what RFC 9068 demands of
// those who follow it, and the stricter of two allowed answers. A case that
// misses Should deviates, one that misses Must violates.
//
// Section L is asked with [Config].DPoP alone. Its Must is RFC 9449, which
// leaves open whether a bad proof is answered with 400 or with 401: both are
// good. That a proof is good once is a Should, as it is there.
//
// # Control
//
// A server that refuses everything would answer most cases well. So a good
// request comes first and must be accepted, else nothing is judged; and it
// comes again after each section, so that a server which has stopped to work is
// noticed. Cases that build on something a server need not have (RS256, resumed
// TLS sessions) are preceded by a good request of that kind, and skipped with
// the reason where it is refused.
//
// No token, no certificate, no proof and no key is in a report.
//
// # Limits
//
// The tokens are JWTs, or with [Config].Opaque all opaque (RFC 7662); there is
// no run with both. The good request has a certificate: a server that takes
// tokens bound to a key alone cannot be asked. A proxy that the server trusts to forward certificates is
// not part of it: examples/proxycheck is. What no caller can see is not judged:
// logs, time, and what a server remembers.
package conformance
