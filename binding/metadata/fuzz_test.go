package metadata_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/metadata"
)

// FuzzMetadata reads documents: no input may panic, and what is accepted is the
// issuer's, and names nothing but URLs that Get would ask.
func FuzzMetadata(f *testing.F) {
	for _, text := range []string{
		document(nil), "", "{}", "null", "[]", `{"issuer":"https://auth.example"}`, `{"issuer":"https://auth.example","issuer":"x"}`,
		`{"ISSUER":"https://auth.example"}`, `{"\u0069ssuer":"https://auth.example"}`, "{\"issuer\":\"https://auth.example\",\"a\":\"\xff\"}",
		document(map[string]any{"mtls_endpoint_aliases": map[string]any{"token_endpoint": "http://x", "a_endpoint": nil, "b": 1}}),
		document(map[string]any{"jwks_uri": "http://a"}), document(map[string]any{"jwks_uri": nil}), document(map[string]any{"a_endpoint": 1}),
		document(map[string]any{"token_endpoint_auth_methods_supported": []any{"a", "\u2028"}}),
		document(map[string]any{"tls_client_certificate_bound_access_tokens": true}),
	} {
		f.Add(text)
	}
	for _, host := range localHosts {
		f.Add(document(map[string]any{"jwks_uri": "https://" + host + "/jwks", "token_endpoint": "https://" + host + "/token"}))
	}
	client := metadata.Client{}
	f.Fuzz(func(t *testing.T, text string) {
		server, err := read(t.Context(), text)
		if err != nil {
			require.Nil(t, server)
			return
		}
		require.Equal(t, issuer, server.Issuer)
		var members map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &members))
		require.Equal(t, issuer, members["issuer"])
		for name, endpoint := range map[string]string{
			"jwks_uri": server.JWKSURI, "token_endpoint": server.TokenEndpoint, "introspection_endpoint": server.IntrospectionEndpoint,
		} {
			if endpoint != "" {
				require.NoError(t, client.CheckURL(endpoint))
				require.Equal(t, members[name], endpoint)
			}
		}
		for name, endpoint := range server.MTLSEndpointAliases {
			require.Equal(t, endpoint, server.MTLSEndpoint(name))
			if endpoint != "" {
				require.NoError(t, client.CheckURL(endpoint))
			}
		}
	})
}
