// Package bindingtest is a test kit for APIs that take access tokens bound to a
// certificate (RFC 8705), to a key (RFC 9449), or to both: an authorization
// server, client certificates, keys, tokens and proofs, all in the process of
// the test.
//
// [NewAuthorizationServer] listens on the loopback interface with real TLS, on
// two sockets as RFC 8705 §5 has it: one that asks for no client certificate
// (issuer metadata, key set, token endpoint), and one for mutual TLS that
// mtls_endpoint_aliases names. [AuthorizationServer.Serve] starts the API under
// test, and one line makes a client of it with a certificate and a bound token,
// [AuthorizationServer.BoundClient], or a thief,
// [AuthorizationServer.WronglyBoundClient]:
//
//	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
//	// ...
//	defer as.Close()
//	api := as.Serve(newAPI(as.Issuer(), as.Audience(), as.Transport()))
//	defer api.Close()
//	response, err := as.BoundClient("alice", "accounts").Get(api.URL + "/accounts")
//
// With a key and DPoP proofs in place of the certificate these are
// [AuthorizationServer.DPoPClient] and
// [AuthorizationServer.WronglyProvenClient]. [NewProof] signs a single proof,
// good or bad in one stated way. Tokens and proofs are signed by another
// implementation than the one in this module that verifies them. For gRPC there
// is package bindgrpctest, below adapters/bindgrpc.
//
// Each authorization server has its own CAs. Where an API takes the tokens of two,
// one of them serves it and makes its clients, and the other one only signs: send
// its [AuthorizationServer.Token] by the first one's
// [AuthorizationServer.HTTPClient], with a certificate of the first.
//
// A test of a handler seldom needs the token endpoint:
// [AuthorizationServer.Token] signs a token directly, good or bad in one stated
// way. Package conformance, below this one, sends every kind of bad input that
// can be sent from outside.
//
// Nothing here takes a testing.TB and no state is kept outside of a server, so
// it serves examples and demonstrations as well as parallel tests. It is not an
// authorization server for production: it keeps its keys and clients in memory,
// lets web pages of every origin ask, and signs whatever it is told to. Its
// certificates are valid for a year by the machine's clock, whatever
// [Config].Clock says.
package bindingtest
