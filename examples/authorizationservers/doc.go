// Package authorizationservers holds tests of Certbound with real authorization
// servers: go-oidc (github.com/luikyv/go-oidc), in this process, oidc-provider
// (npm), as a process of Node's, and Keycloak and Spring Authorization Server, each
// in a JVM, one at a time. With DPoP (RFC 9449) there are clients of others
// besides: oauth4webapi and dpop (npm). It is a module of its own, so that no user
// of the library gets to see what it requires.
//
//	(cd examples/authorizationservers/oidc-provider && npm ci --ignore-scripts)
//	examples/authorizationservers/install
//	(cd examples/authorizationservers && go test -race ./...)
//
// The tests fail without the npm modules. Without what install puts into the
// user's cache they say that they skip the servers in Java, or fail if
// CERTBOUND_JAVA is set. The protected API is the program examples/server, in each
// framework, or, where tokens are opaque, a guard in this process. All that it and
// the clients are told of the authorization server is the issuer, from where they
// find the rest.
package authorizationservers
