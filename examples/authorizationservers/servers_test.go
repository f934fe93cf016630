package authorizationservers_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// servers are the real authorization servers: how each is started, and the
// algorithms that it signs with.
var servers = []struct {
	name       string
	algorithms []string
	start      func(t *testing.T, pki pki, formats []string, clients map[string]registration) string
}{
	// go-oidc's JOSE library has no name but EdDSA for Ed25519.
	{"go-oidc", []string{"RS256", "ES256", "PS256", "EdDSA"}, startGoOIDC},
	{"oidc-provider", []string{"RS256", "ES256", "PS256", "EdDSA", "Ed25519"}, startOIDCProvider},
}

// A world is a running authorization server with its clients.
type world struct {
	name       string // the server's
	pki        pki
	issuer     string
	algorithms []string
	clients    map[string]registration
	thief      registration // of another certificate by the same authority
}

// tests run with each authorization server, which they share.
var tests = []struct {
	name string
	test func(t *testing.T, w *world)
}{
	{"metadata", testMetadata},
	{"token profile", testTokenProfile},
	{"requests that ask for less", testRequestsThatAskForLess},
	{"client authentication", testTheServersAuthenticateTheirClients},
	{"bound tokens", testBoundTokens},
	{"opaque bound tokens", testOpaqueBoundTokens},
	{"opaque bound tokens at examples/server", testOpaqueBoundTokensAtTheServer},
	{"the client program", testTheClientProgram},
	{"foreign clients with DPoP keys", testForeignClients},
	{"the client program with a DPoP key", testTheClientProgramProves},
}

func TestAuthorizationServers(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			formats := append([]string{opaque}, server.algorithms...)
			w := &world{name: server.name, pki: newPKI(t), algorithms: server.algorithms}
			w.clients = register(t, w.pki, formats)
			w.issuer = server.start(t, w.pki, formats, w.clients)
			certificate, err := w.pki.NewClientCertificate("thief")
			require.NoError(t, err)
			w.thief = registration{id: "thief", certificate: certificate}
			for _, test := range tests {
				t.Run(test.name, func(t *testing.T) {
					t.Parallel()
					test.test(t, w)
				})
			}
		})
	}
}
