package clients_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/metadata"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

// startAPI starts an API and returns its origin, which is its resource
// identifier, too. Tokens must be bound to a certificate, or, if it takes
// proofs, to a key: then proofs need its nonces, and its challenges are two.
func startAPI(t *testing.T, as *bindingtest.AuthorizationServer, takesProofs bool) string {
	t.Helper()
	mux := http.NewServeMux()
	server := as.Serve(mux)
	t.Cleanup(server.Close)
	resourceMetadata, err := metadata.ResourceMetadataURL(server.URL)
	require.NoError(t, err)
	config := binding.Config{ResourceMetadata: resourceMetadata}
	if takesProofs {
		config.Proofs, err = dpop.New(dpop.Config{Origins: []string{server.URL}, RequireNonce: true})
		require.NoError(t, err)
	}
	guardWith := func(keys string) *binding.Guard {
		tokens, err := jwks.New(jwks.Config{
			Issuer: as.Issuer(), Audiences: []string{as.Audience()}, URL: as.URL(keys), Transport: as.Transport(),
		})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, tokens.Close()) })
		config.Tokens = tokens
		guard, err := binding.New(config)
		require.NoError(t, err)
		return guard
	}
	guard, keyless := guardWith(bindingtest.JWKSPath), guardWith(keysAway)
	resource, err := metadata.NewResource(metadata.ResourceConfig{
		Resource: server.URL, AuthorizationServers: []string{as.Issuer()}, Scopes: []string{"accounts", "payments"},
		Guards: []*binding.Guard{guard, keyless},
	})
	require.NoError(t, err)
	mux.Handle(resource.Path(), resource)
	protect := bindhttp.Protect(guard)
	mux.Handle("GET /whoami", protect(http.HandlerFunc(whoami)))
	mux.Handle("GET /payments", protect(bindhttp.RequireScopes("payments")(http.HandlerFunc(whoami))))
	mux.Handle("GET /later", bindhttp.Protect(keyless)(http.HandlerFunc(whoami)))
	return server.URL
}

// keysAway is where the authorization server has no keys.
const keysAway = "/keys-away"

// whoami says to which client it answers, and over which HTTP.
func whoami(w http.ResponseWriter, r *http.Request) {
	token, _ := binding.TokenFromContext(r.Context()) // it is there: the guard has admitted the request
	said := map[string]any{"client": token.ClientID(), "http": r.Proto}
	if thumbprint, bound := token.Thumbprint(); bound {
		said["x5t#S256"] = thumbprint.String()
	}
	if key, bound := token.KeyThumbprint(); bound {
		said["jkt"] = key.String()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(said) // the client may be gone
}
