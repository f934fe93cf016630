package metadata_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/metadata"
)

func TestAuthorizationServerOverTLS(t *testing.T) {
	t.Parallel()
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Path: "/tenant1/"})
	require.NoError(t, err)
	t.Cleanup(as.Close)
	client := metadata.Client{Transport: as.Transport()}
	server, err := client.AuthorizationServer(t.Context(), as.Issuer())
	require.NoError(t, err)
	require.Equal(t, as.Issuer(), server.Issuer)
	require.Equal(t, as.JWKSURL(), server.JWKSURI)
	require.Equal(t, as.TokenEndpoint(), server.TokenEndpoint)
	require.Equal(t, as.MTLSTokenEndpoint(), server.MTLSEndpoint("token_endpoint"))
	require.Contains(t, server.TokenEndpointAuthMethods, bindingtest.TLSClientAuth)
	require.True(t, server.CertificateBoundAccessTokens)
	require.Equal(t, 1, as.MetadataRequests())
	_, err = client.AuthorizationServer(t.Context(), strings.TrimSuffix(as.Issuer(), "/"))
	require.ErrorIs(t, err, metadata.ErrIssuer) // J/258
}

func TestMembers(t *testing.T) {
	t.Parallel()
	server := requireRead(t, document(map[string]any{
		"introspection_endpoint":                     "https://auth.example/introspect",
		"revocation_endpoint":                        "https://auth.example/revoke",
		"token_endpoint_auth_methods_supported":      []string{"tls_client_auth", "private_key_jwt"},
		"tls_client_certificate_bound_access_tokens": true,
		"mtls_endpoint_aliases": map[string]any{
			"token_endpoint": "https://mtls.auth.example/token", "introspection_endpoint": "http://auth.example/x", "revocation_endpoint": nil,
		},
		"service_documentation": "https://auth.example/doc",
		"signed_metadata":       "a.b.c", // J/264
		"odd":                   map[string]any{"a": []int{1}},
	}))
	require.Equal(t, "https://auth.example/revoke", requireRead(t, document(map[string]any{
		"revocation_endpoint": "https://auth.example/revoke",
	})).MTLSEndpoint("revocation_endpoint"))
	require.Empty(t, server.MTLSEndpoint("service_documentation"), "which is no endpoint")
	require.Equal(t, "https://auth.example/jwks", server.JWKSURI)
	require.Equal(t, "https://auth.example/token", server.TokenEndpoint)
	require.Equal(t, "https://auth.example/introspect", server.IntrospectionEndpoint)
	require.Equal(t, []string{"tls_client_auth", "private_key_jwt"}, server.TokenEndpointAuthMethods)
	require.True(t, server.CertificateBoundAccessTokens)
	require.Equal(t, map[string]string{
		"token_endpoint": "https://mtls.auth.example/token", "introspection_endpoint": "", "revocation_endpoint": "",
	}, server.MTLSEndpointAliases)

	bare := requireRead(t, `{"issuer":"https://auth.example"}`)
	require.Equal(t, issuer, bare.Issuer)
	require.Empty(t, bare.JWKSURI)
	require.Empty(t, bare.TokenEndpoint)
	require.Nil(t, bare.TokenEndpointAuthMethods)
	require.False(t, bare.CertificateBoundAccessTokens)
	require.Empty(t, bare.MTLSEndpoint("token_endpoint"))
}

func TestMTLSEndpoint(t *testing.T) {
	t.Parallel()
	const plain, alias = "https://auth.example/token", "https://mtls.auth.example/token"
	for name, test := range map[string]struct {
		aliases any
		want    string
	}{
		"no aliases: the endpoint":         {nil, plain},
		"no such alias: the endpoint":      {map[string]any{"introspection_endpoint": alias}, plain},
		"the alias":                        {map[string]any{"token_endpoint": alias}, alias},
		"an alias by http: none":           {map[string]any{"token_endpoint": "http://mtls.auth.example/token"}, ""},
		"a local alias: none":              {map[string]any{"token_endpoint": "https://10.0.0.1/token"}, ""},
		"an empty alias: none":             {map[string]any{"token_endpoint": ""}, ""},
		"a relative alias: none":           {map[string]any{"token_endpoint": "/token"}, ""},
		"an alias that is null: none":      {map[string]any{"token_endpoint": nil}, ""},
		"an alias that is a number: none":  {map[string]any{"token_endpoint": 1}, ""},
		"an alias that is an object: none": {map[string]any{"token_endpoint": map[string]any{}}, ""},
		"of another case: the endpoint":    {map[string]any{"Token_Endpoint": alias}, plain},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := requireRead(t, document(map[string]any{"mtls_endpoint_aliases": test.aliases}))
			require.Equal(t, test.want, server.MTLSEndpoint("token_endpoint"))
			require.Empty(t, server.MTLSEndpoint("nothing_endpoint"))
			require.Empty(t, server.MTLSEndpoint("jwks_uri"))
			require.Empty(t, server.MTLSEndpoint("issuer"))
		})
	}
}

func TestEndpointsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, value := range []any{"http://auth.example/token", "", "/token", 1, []string{"https://auth.example/token"}, "https://u@auth.example/token"} {
		server := requireRead(t, document(map[string]any{"token_endpoint": value, "introspection_endpoint": value}))
		require.Empty(t, server.TokenEndpoint)
		require.Empty(t, server.IntrospectionEndpoint)
	}
}

func TestMalformedDocuments(t *testing.T) {
	t.Parallel()
	good := document(nil)
	requireRead(t, good)
	changed := func(name string, value any) string { return document(map[string]any{name: value}) }
	for name, text := range map[string]string{
		"J/262 HTML":              "<html></html>",
		"J/262 empty":             "",
		"an array":                "[" + good + "]",
		"null":                    "null",
		"trailing bytes":          good + "x",
		"two objects":             good + good,
		"a BOM":                   "\ufeff" + good,
		"invalid UTF-8":           "{\"odd\":\"\xff\"," + good[1:],
		"issuer twice":            `{"issuer":"https://evil.example",` + good[1:],
		"a name twice, inside":    `{"odd":{"a":1,"a":1},` + good[1:],
		"nested too deep":         `{"odd":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "," + good[1:],
		"issuer a number":         changed("issuer", 1),
		"issuer an array":         changed("issuer", []string{issuer}),
		"jwks_uri by http":        changed("jwks_uri", "http://auth.example/jwks"),
		"jwks_uri empty":          changed("jwks_uri", ""),
		"jwks_uri an array":       changed("jwks_uri", []string{"https://auth.example/jwks"}),
		"auth methods a string":   changed("token_endpoint_auth_methods_supported", "tls_client_auth"),
		"auth methods of numbers": changed("token_endpoint_auth_methods_supported", []int{1}),
		"bound tokens, a string":  changed("tls_client_certificate_bound_access_tokens", "true"),
		"bound tokens, a number":  changed("tls_client_certificate_bound_access_tokens", 1),
		"aliases a string":        changed("mtls_endpoint_aliases", "https://auth.example"),
		"aliases an array":        changed("mtls_endpoint_aliases", []string{}),
		"an alias twice":          `{"mtls_endpoint_aliases":{"token_endpoint":"https://a.example","token_endpoint":""},` + good[1:],
		"bound tokens null":       `{"tls_client_certificate_bound_access_tokens":null,` + good[1:],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, err := read(t.Context(), text)
			require.Nil(t, server)
			require.ErrorIs(t, err, metadata.ErrMalformed)
			require.ErrorContains(t, err, address)
		})
	}
}

func TestIssuerIsComparedExactly(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]any{
		"J/258 a slash":       issuer + "/",
		"J/258 another case":  "https://AUTH.example",
		"J/258 another host":  "https://evil.example",
		"J/258 a port":        issuer + ":443",
		"J/258 a path":        issuer + "/tenant1",
		"J/258 another case ": "HTTPS://auth.example",
		"J/258 empty":         "",
		"J/258 absent":        nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, err := read(t.Context(), document(map[string]any{"issuer": other}))
			require.Nil(t, server)
			require.ErrorIs(t, err, metadata.ErrIssuer)
		})
	}
}

// J/259: the second path is asked only after a 404 of the first.
func TestWhichPathsAreAsked(t *testing.T) {
	t.Parallel()
	const second = "https://auth.example/.well-known/openid-configuration"
	for name, test := range map[string]struct {
		documents map[string]string
		asked     []string
		err       error
	}{
		"the first":                         {map[string]string{address: document(nil), second: "x"}, []string{address}, nil},
		"the second after 404":              {map[string]string{second: document(nil)}, []string{address, second}, nil},
		"J/258 the first of another issuer": {map[string]string{address: document(map[string]any{"issuer": "https://x.example"}), second: document(nil)}, []string{address}, metadata.ErrIssuer},
		"the first malformed":               {map[string]string{address: "x", second: document(nil)}, []string{address}, metadata.ErrMalformed},
		"the second of another issuer":      {map[string]string{second: document(map[string]any{"issuer": "https://x.example"})}, []string{address, second}, metadata.ErrIssuer},
		"neither":                           {nil, []string{address, second}, metadata.ErrStatus},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			transport := &fixture{documents: test.documents}
			client := metadata.Client{Transport: transport}
			server, err := client.AuthorizationServer(t.Context(), issuer)
			require.Equal(t, test.asked, transport.asked)
			if test.err != nil {
				require.Nil(t, server)
				require.ErrorIs(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, issuer, server.Issuer)
		})
	}
	for _, status := range []int{204, 301, 400, 401, 403, 410, 500, 503} {
		var asked []string
		client := metadata.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			asked = append(asked, r.URL.String())
			return &http.Response{StatusCode: status, Body: http.NoBody, Request: r}, nil
		})}
		_, err := client.AuthorizationServer(t.Context(), issuer)
		require.ErrorIs(t, err, metadata.ErrStatus)
		require.Equal(t, []string{address}, asked, status)
	}
	t.Run("a URL that is given is the only one", func(t *testing.T) {
		t.Parallel()
		transport := &fixture{documents: map[string]string{address: document(nil)}}
		client := metadata.Client{Transport: transport}
		_, err := client.AuthorizationServerAt(t.Context(), issuer, "https://auth.example/m")
		require.ErrorIs(t, err, metadata.ErrStatus)
		require.Equal(t, []string{"https://auth.example/m"}, transport.asked)
		server, err := client.AuthorizationServerAt(t.Context(), issuer, address)
		require.NoError(t, err)
		require.Equal(t, issuer, server.Issuer)
	})
}
