// Package bindingtest is a test kit for APIs that take certificate-bound access tokens (RFC 8705): an authorization
// server, client certificates and tokens, all in the process of the test.
//
// [NewAuthorizationServer] listens on the loopback interface with real TLS, on two sockets as RFC 8705 §5 has it: one that
// asks for no client certificate (issuer metadata, key set, token endpoint), and one for mutual TLS that
// mtls_endpoint_aliases names. [AuthorizationServer.Serve] starts the API under test, and one line makes a client of it
// with a certificate and a bound token, [AuthorizationServer.BoundClient], or a thief,
// [AuthorizationServer.WronglyBoundClient]:
//
//	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
//	// ...
//	defer as.Close()
//	api := as.Serve(newAPI(as.Issuer(), as.Audience(), as.Transport()))
//	defer api.Close()
//	response, err := as.BoundClient("alice", "accounts").Get(api.URL + "/accounts")
//
// A test of a handler seldom needs the token endpoint: [AuthorizationServer.BoundToken] and its companions sign a token
// directly, good or bad in one stated way. Package conformance, below this one, sends every kind of bad input that can be
// sent from outside.
//
// Nothing here takes a testing.TB and no state is kept outside of a server, so it serves examples and demonstrations as
// well as parallel tests. It is not an authorization server for production: it keeps its keys and clients in memory, and it
// signs whatever it is told to. Its certificates are valid for a year by the machine's clock, whatever [Config].Clock says.
package bindingtest
