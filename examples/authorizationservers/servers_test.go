package authorizationservers_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A server is a real authorization server.
type server struct {
	name       string
	algorithms []string // that it signs access tokens with
	methods    []string // of client authentication
	start      func(t *testing.T, w *world)
	tests      []test // that it has alone
}

var servers = []server{
	// go-oidc's JOSE library has no name but EdDSA for Ed25519.
	{"go-oidc", []string{"RS256", "ES256", "PS256", "EdDSA"}, allMethods, startGoOIDC, profiles},
	{"oidc-provider", []string{"RS256", "ES256", "PS256", "EdDSA", "Ed25519"}, allMethods, startOIDCProvider, profiles},
}

// javaServers are each run by a JVM.
var javaServers = []server{
	{
		"keycloak", []string{"RS256", "ES256", "PS256", "EdDSA"},
		[]string{tlsClientAuth, privateKeyJWT, clientSecretBasic}, startKeycloak, keycloakTests,
	},
	{"spring", []string{"RS256", "ES256", "PS256"}, allMethods, startSpring, springTests},
}

// A world is a running authorization server with its clients.
type world struct {
	server
	pki     pki
	issuer  string
	clients map[string]registration
	thief   registration // of another certificate by the same authority

	// resourceScopes are the scopes that stand for an API, by its name, where the
	// server has no parameter resource (RFC 8707).
	resourceScopes map[string]string

	verifies bool // client certificates, in the handshake
	pushes   bool // authorization requests: its clients must

	// fapi returns a world whose clients are under the FAPI 2.0 profile.
	fapi func(t *testing.T) *world

	// rotating returns a world whose keys may change, and what changes them.
	rotating func(t *testing.T) (own *world, rotate func(t *testing.T))
}

// formats are those of the server's tokens.
func (w *world) formats() []string { return append([]string{opaque}, w.algorithms...) }

// A test is of an authorization server, which it shares with others.
type test struct {
	name string
	test func(t *testing.T, w *world)
}

// tests run with each authorization server.
var tests = []test{
	{"client authentication", testTheServersAuthenticateTheirClients},
	{"bound tokens", testBoundTokens},
	{"opaque bound tokens", testOpaqueBoundTokens},
	{"opaque bound tokens at examples/server", testOpaqueBoundTokensAtTheServer},
	{"the client program", testTheClientProgram},
	{"foreign clients with DPoP keys", testForeignClients},
	{"the client program with a DPoP key", testTheClientProgramProves},
}

// profiles are of servers that take the parameter resource.
var profiles = []test{
	{"metadata", testMetadata},
	{"token profile", testTokenProfile},
	{"requests that ask for less", testRequestsThatAskForLess},
}

func TestAuthorizationServers(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			server.run(t)
		})
	}
}

// One JVM at a time.
func TestAuthorizationServersInJava(t *testing.T) {
	t.Parallel()
	for _, server := range javaServers {
		t.Run(server.name, server.run)
	}
}

func (s server) run(t *testing.T) {
	w := &world{server: s, pki: newPKI(t)}
	w.clients = register(t, w.pki, w.formats(), w.methods)
	w.start(t, w)
	certificate, err := w.pki.NewClientCertificate("thief")
	require.NoError(t, err)
	w.thief = registration{id: "thief", certificate: certificate}
	for _, test := range slices.Concat(tests, s.tests) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.test(t, w)
		})
	}
}
