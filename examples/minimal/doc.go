// Package minimal holds, below it, each adapter in its smallest form: one file
// each, to copy. A test runs every one of them against an authorization server.
//
//	nethttp   net/http
//	echo      echo
//	gin       gin
//	check     no adapter: Guard.Check and Guard.Admit
//	issuers   the tokens of two issuers
//	tenants   tenants, each with an issuer
//	group     groups of routes, each with its own policy and scopes
//	stream    a stream that ends when its token does
//
// chi and connect-go are in examples/frameworks, which is a module of its own. All
// take their settings from the environment: ISSUER, AUDIENCE, ADDRESS, TLS_CERT
// and TLS_KEY.
package minimal
