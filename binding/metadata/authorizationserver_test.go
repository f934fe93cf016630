package metadata_test

import (
	"encoding/json"
	"io"
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
	require.Equal(t, as.URL(bindingtest.JWKSPath), server.JWKSURI)
	require.Equal(t, as.URL(bindingtest.TokenPath), server.TokenEndpoint)
	require.Equal(t, as.MTLSURL(bindingtest.TokenPath), server.MTLSEndpoint("token_endpoint"))
	require.Contains(t, server.TokenEndpointAuthMethods, bindingtest.TLSClientAuth)
	require.True(t, server.CertificateBoundAccessTokens)
	require.Equal(t, 1, as.Requests(bindingtest.MetadataPaths))
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
		"token_endpoint": "https://mtls.auth.example/token", "introspection_endpoint": "",
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
		"an alias that is null: absent":    {map[string]any{"token_endpoint": nil}, plain},
		"M/387 aliases null: absent":       {json.RawMessage("null"), plain},
		"M/387 aliases []: absent":         {[]string{}, plain},
		"M/387 aliases a string: none":     {alias, ""},
		"M/387 aliases an array: none":     {[]string{alias}, ""},
		"M/387 an alias twice: none":       {json.RawMessage(`{"token_endpoint":"https://mtls.auth.example/token","token_endpoint":""}`), ""},
		"an alias that is a number: none":  {map[string]any{"token_endpoint": 1}, ""},
		"an alias that is an object: none": {map[string]any{"token_endpoint": map[string]any{}}, ""},
		"of another case: the endpoint":    {map[string]any{"Token_Endpoint": alias}, plain},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := requireRead(t, document(map[string]any{"mtls_endpoint_aliases": test.aliases}))
			require.Equal(t, test.want, server.MTLSEndpoint("token_endpoint"))
			needed, err := server.NeedURL("token_endpoint", true)
			require.Equal(t, test.want, needed)
			require.Equal(t, test.want == "", err != nil)
			needed, err = server.NeedURL("token_endpoint", false)
			require.NoError(t, err)
			require.Equal(t, plain, needed)
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
		"J/262 HTML":        "<html></html>",
		"J/262 empty":       "",
		"an array":          "[" + good + "]",
		"null":              "null",
		"trailing bytes":    good + "x",
		"two objects":       good + good,
		"a BOM":             "\ufeff" + good,
		"invalid UTF-8":     "{\"odd\":\"\xff\"," + good[1:],
		"issuer twice":      `{"issuer":"https://evil.example",` + good[1:],
		"issuer a number":   changed("issuer", 1),
		"issuer an array":   changed("issuer", []string{issuer}),
		"issuer twice, odd": `{"issuer":1,` + good[1:],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, err := read(t.Context(), text)
			require.Nil(t, server)
			require.ErrorIs(t, err, metadata.ErrMalformed)
			require.ErrorContains(t, err, address)
			if !strings.Contains(name, "issuer") {
				require.ErrorIs(t, err, metadata.ErrNoJSON)
			}
		})
	}
}

// M/387: what is odd costs what it says, and nothing else.
func TestOddMembers(t *testing.T) {
	t.Parallel()
	raw := func(text string) any { return json.RawMessage(text) }
	for name, changes := range map[string]map[string]any{
		"M/387 auth methods a string":   {"token_endpoint_auth_methods_supported": "tls_client_auth"},
		"M/387 auth methods null":       {"token_endpoint_auth_methods_supported": raw("null")},
		"M/387 auth methods of numbers": {"token_endpoint_auth_methods_supported": []int{1}},
		"M/387 aliases null":            {"mtls_endpoint_aliases": raw("null")},
		"M/387 aliases []":              {"mtls_endpoint_aliases": []int{}},
		"M/387 aliases a string":        {"mtls_endpoint_aliases": "https://auth.example"},
		"M/387 an alias twice":          {"mtls_endpoint_aliases": raw(`{"a":"","a":""}`)},
		"M/387 bound tokens null":       {"tls_client_certificate_bound_access_tokens": raw("null")},
		"M/387 bound tokens a string":   {"tls_client_certificate_bound_access_tokens": "true"},
		"M/387 bound tokens a number":   {"tls_client_certificate_bound_access_tokens": 1},
		"M/387 a name twice, inside":    {"odd": raw(`{"a":1,"a":1}`)},
		"M/387 nested deeply":           {"odd": raw(strings.Repeat("[", 100) + strings.Repeat("]", 100))},
		"M/387 an endpoint a number":    {"revocation_endpoint": 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := requireRead(t, document(changes))
			address, err := server.NeedURL("jwks_uri", false)
			require.NoError(t, err)
			require.Equal(t, "https://auth.example/jwks", address)
			require.False(t, server.CertificateBoundAccessTokens)
			require.Empty(t, server.TokenEndpointAuthMethods)
		})
	}
	t.Run("M/387 an unrelated name twice", func(t *testing.T) {
		t.Parallel()
		server := requireRead(t, `{"odd":1,"odd":2,`+document(nil)[1:])
		require.Equal(t, "https://auth.example/jwks", server.JWKSURI)
	})
	for name, value := range map[string]string{
		"by http": `"http://auth.example/jwks"`, "empty": `""`, "relative": `"/jwks"`, "an array": `["https://auth.example/jwks"]`, "null": "null",
		"twice": `"https://auth.example/a","jwks_uri":"https://auth.example/a"`,
	} {
		t.Run("the keys' own URL "+name, func(t *testing.T) {
			t.Parallel()
			server := requireRead(t, `{"issuer":"https://auth.example","introspection_endpoint":"https://auth.example/introspect","jwks_uri":`+value+`}`)
			require.Empty(t, server.JWKSURI)
			_, err := server.NeedURL("jwks_uri", false)
			require.ErrorContains(t, err, "jwks_uri")
			_, err = server.NeedURL("introspection_endpoint", true)
			require.NoError(t, err)
			_, err = server.NeedURL("token_endpoint", true)
			require.ErrorContains(t, err, "has no token_endpoint")
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

// Who needs a URL is told which member is at fault, and not given another's in its place.
func TestURLThatIsNeeded(t *testing.T) {
	t.Parallel()
	const plain, alias = "https://auth.example/introspect", "https://mtls.auth.example/introspect"
	for name, test := range map[string]struct {
		endpoint, aliases any // of the introspection endpoint
		certificate       bool
		want, err         string
	}{
		"the endpoint":                          {plain, nil, false, plain, ""},
		"the alias":                             {plain, map[string]any{"introspection_endpoint": alias}, true, alias, ""},
		"the alias alone":                       {nil, map[string]any{"introspection_endpoint": alias}, true, alias, ""},
		"the endpoint, without an alias":        {plain, map[string]any{"token_endpoint": alias}, true, plain, ""},
		"none":                                  {nil, nil, false, "", "metadata: the document of https://auth.example has no introspection_endpoint"},
		"neither":                               {nil, map[string]any{}, true, "", "metadata: the document of https://auth.example has no introspection_endpoint"},
		"a number":                              {7, nil, false, "", "the metadata is malformed: introspection_endpoint is not a string, or is there twice"},
		"a number, and no alias":                {7, nil, true, "", "malformed: introspection_endpoint is not a string, or is there twice"},
		"over http":                             {"http://auth.example/introspect", nil, false, "", `introspection_endpoint is "http://auth.example/introspect": `},
		"aliases that are none":                 {plain, 7, true, "", "mtls_endpoint_aliases is not an object with distinct names"},
		"aliases that are none, not needed":     {plain, 7, false, plain, ""},
		"an alias that is a number":             {plain, map[string]any{"introspection_endpoint": 7}, true, "", "the metadata is malformed: mtls_endpoint_aliases.introspection_endpoint is not a string"},
		"an alias over http":                    {plain, map[string]any{"introspection_endpoint": "http://x.example"}, true, "", `mtls_endpoint_aliases.introspection_endpoint is "http://x.example": `},
		"a number, and the alias is as it must": {7, map[string]any{"introspection_endpoint": alias}, true, alias, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := requireRead(t, document(map[string]any{"introspection_endpoint": test.endpoint, "mtls_endpoint_aliases": test.aliases}))
			got, err := server.NeedURL("introspection_endpoint", test.certificate)
			require.Equal(t, test.want, got)
			if test.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.err)
		})
	}
}

// J/259: the second path is asked where the first plainly has nothing.
func TestWhichPathsAreAsked(t *testing.T) {
	t.Parallel()
	const second = "https://auth.example/.well-known/openid-configuration"
	other := document(map[string]any{"issuer": "https://x.example"})
	for name, test := range map[string]struct {
		first, second int // status
		body          string
		asked         []string
		err           error
	}{
		"the first": {200, 200, document(nil), []string{address}, nil},

		"the second after 404": {404, 200, "", []string{address, second}, nil},
		"M/385 after 400":      {400, 200, "", []string{address, second}, nil},
		"M/385 after 401":      {401, 200, "", []string{address, second}, nil},
		"M/385 after 403":      {403, 200, "", []string{address, second}, nil},
		"M/385 after 405":      {405, 200, "", []string{address, second}, nil},
		"M/385 after 406":      {406, 200, "", []string{address, second}, nil},
		"M/385 after 410":      {410, 200, "", []string{address, second}, nil},
		"after 300":            {300, 200, "", []string{address, second}, nil},
		"M/385 after 301":      {301, 200, "", []string{address, second}, nil},
		"M/385 after 307":      {307, 200, "", []string{address, second}, nil},
		"M/385 after HTML":     {200, 200, "<html></html>", []string{address, second}, nil},
		"M/385 after null":     {200, 200, "null", []string{address, second}, nil},
		"M/385 after a string": {200, 200, `"{}"`, []string{address, second}, nil},
		"M/385 after nothing":  {200, 200, "", []string{address, second}, nil},
		"M/385 after an array": {200, 200, "[{}]", []string{address, second}, nil},

		"M/386 not after 500":             {500, 200, "", []string{address}, metadata.ErrStatus},
		"M/386 not after 503":             {503, 200, "", []string{address}, metadata.ErrStatus},
		"M/386 not after 408":             {408, 200, "", []string{address}, metadata.ErrStatus},
		"M/386 not after 429":             {429, 200, "", []string{address}, metadata.ErrStatus},
		"M/386 not after 204":             {204, 200, "", []string{address}, metadata.ErrStatus},
		"M/386 not after no answer":       {0, 200, "", []string{address}, io.ErrUnexpectedEOF},
		"M/386 not after another issuer":  {200, 200, other, []string{address}, metadata.ErrIssuer},
		"M/386 not after an odd issuer":   {200, 200, `{"issuer":1}`, []string{address}, metadata.ErrMalformed},
		"M/386 not after an empty object": {200, 200, `{}`, []string{address}, metadata.ErrIssuer},

		"neither":                      {404, 404, "", []string{address, second}, metadata.ErrStatus},
		"neither, and not for a login": {200, 403, "<html>", []string{address, second}, metadata.ErrNoJSON},
		"the second is away":           {404, 503, "", []string{address, second}, metadata.ErrStatus},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked []string
			client := metadata.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				asked = append(asked, r.URL.String())
				status, body := test.first, test.body
				if r.URL.String() == second {
					status, body = test.second, document(nil)
				}
				if status == 0 {
					return nil, io.ErrUnexpectedEOF
				}
				return &http.Response{
					StatusCode: status, Header: http.Header{"Location": {"https://auth.example/elsewhere"}},
					Body: io.NopCloser(strings.NewReader(body)), Request: r,
				}, nil
			})}
			server, err := client.AuthorizationServer(t.Context(), issuer)
			require.Equal(t, test.asked, asked)
			if test.err != nil {
				require.Nil(t, server)
				require.ErrorIs(t, err, test.err)
				require.ErrorContains(t, err, test.asked[len(test.asked)-1])
				return
			}
			require.NoError(t, err)
			require.Equal(t, issuer, server.Issuer)
		})
	}
	t.Run("the second of another issuer", func(t *testing.T) {
		t.Parallel()
		client := metadata.Client{Transport: &fixture{documents: map[string]string{second: other}}}
		_, err := client.AuthorizationServer(t.Context(), issuer)
		require.ErrorIs(t, err, metadata.ErrIssuer)
		require.ErrorContains(t, err, "it names \"https://")
	})
	t.Run("the name of another issuer is cut and quoted", func(t *testing.T) {
		t.Parallel()
		long := `{"issuer":"\n` + strings.Repeat("a", 1000) + `"}`
		client := metadata.Client{Transport: &fixture{documents: map[string]string{address: long}}}
		_, err := client.AuthorizationServer(t.Context(), issuer)
		require.ErrorContains(t, err, `it names "\n`+strings.Repeat("a", 199)+`"`)
	})
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
