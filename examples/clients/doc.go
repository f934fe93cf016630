// Package clients holds tests of Certbound with clients that other people
// wrote: oauth4webapi and openid-client (Node), requests and httpx with Authlib
// (Python), Nimbus's SDK (Java), curl, and golang.org/x/oauth2. It is a module
// of its own, so that no user of the library gets to see what it requires.
//
//	(cd examples/clients/node && npm ci --ignore-scripts)
//	(cd examples/clients/python && python3 -m venv .venv &&
//		.venv/bin/pip install --require-hashes --no-deps -r requirements.txt)
//	(cd examples/clients/java && mvn dependency:copy-dependencies)
//	(cd examples/clients && go test -race ./...)
//
// The tests fail without these programs, but for Java: without a JDK they skip
// Nimbus, and fail only if CERTBOUND_JAVA is set. Each client is told where the
// API is, and nothing of the authorization server, which it finds by the API's
// challenge (RFC 9728). It gets data with a token that is bound to its
// certificate (RFC 8705) or, if it can make proofs, to its key (RFC 9449), and
// reads every kind of refusal as it comes to its own user.
package clients
