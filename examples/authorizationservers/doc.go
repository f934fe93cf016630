// Package authorizationservers holds tests of Certbound with real authorization
// servers: go-oidc (github.com/luikyv/go-oidc), in this process, and
// oidc-provider (npm), as a process of Node's. With DPoP (RFC 9449) there are
// clients of others besides: oauth4webapi and dpop (npm). It is a module of its
// own, so that no user of the library gets to see what it requires.
//
//	(cd examples/authorizationservers/oidc-provider && npm ci --ignore-scripts)
//	(cd examples/authorizationservers && go test -race ./...)
//
// The tests fail without the npm modules; they never skip. The protected API is
// the program examples/server, in each framework, or, where tokens are opaque, a
// guard in this process. All that it and the clients are told of the
// authorization server is the issuer, from where they find the rest.
package authorizationservers
