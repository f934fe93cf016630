package metadata_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
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

// FuzzURL: a URL that would be asked is an https URL in ASCII whose host is what it seems to be, and so are those that are
// made of it.
func FuzzURL(f *testing.F) {
	for _, address := range []string{
		"https://a.example", "https://a.example/", "https://a.example:8443/b?c=d&e", "HTTPS://A.example/%20", "https://[::1]:1/", "https://[fe80::1%25eth0]/", "http://a.example",
		"https://u:p@a.example", "https://@a.example", "https://a.example#", "https://a.example/?", "https://a.example\\@b.example/", "https:a.example", "https:///a", "https://:443/", "//a.example",
		"https://a.example/a/../b", "https://a.example//b", "https://a.example/a%2Fb/", "https://a.example/%2e%2e/b", "https://a.example/;x", "https://a.example/\r\n", "https://\u24d0.example/", "https://caf%C3%A9.example/", "https://a.example:x/",
	} {
		f.Add(address)
	}
	for _, host := range localHosts {
		f.Add("https://" + host + "/")
	}
	var client metadata.Client
	hostOf := func(t *testing.T, address string) string {
		require.NoError(t, client.CheckURL(address))
		require.Regexp(t, `\A(?i:https)://[!-~]+\z`, address)
		require.NotContains(t, address, "#")
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		require.NoError(t, err)
		require.Nil(t, request.URL.User)
		// Whatever a reader takes for the end of the host, it is this one.
		authority := strings.SplitN(address, "/", 4)[2]
		// (net/http leaves out a colon without a port, RFC 3986 §6.2.3.)
		require.Equal(t, request.URL.Host, strings.TrimSuffix(unescapeZone(strings.SplitN(authority, "?", 2)[0]), ":"))
		return request.URL.Host
	}
	f.Fuzz(func(t *testing.T, address string) {
		made, err := metadata.WellKnown(address)
		if client.CheckURL(address) != nil {
			_, err := metadata.ResourceMetadataURL(address)
			require.Error(t, err)
			return
		}
		host := hostOf(t, address)
		if err != nil {
			made = nil
		}
		resource, err := metadata.ResourceMetadataURL(address)
		if err == nil {
			made = append(made, resource)
			require.NotContains(t, address, "?")
		}
		for _, address := range made {
			require.Equal(t, host, hostOf(t, address))
			require.Contains(t, address, "/.well-known/")
		}
	})
}

// unescapeZone: %25 before the zone of an address is all that a host may have escaped (RFC 6874).
func unescapeZone(host string) string {
	if strings.HasPrefix(host, "[") {
		if unescaped, err := url.PathUnescape(host); err == nil {
			return unescaped
		}
	}
	return host
}
