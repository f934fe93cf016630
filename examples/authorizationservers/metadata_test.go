package authorizationservers_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// What the servers say of themselves, where they differ. A new version of one
// that says something else shows here first.
func testMetadata(t *testing.T, w *world) {
	found := discover(t, w.pki, w.issuer)
	require.True(t, found.CertificateBoundAccessTokens)
	require.ElementsMatch(t, w.methods, found.TokenEndpointAuthMethods)
	for _, name := range []string{"token_endpoint", "introspection_endpoint", "revocation_endpoint"} {
		require.Contains(t, found.MTLSEndpointAliases, name)
		require.NotEmpty(t, found.MTLSEndpoint(name), name)
	}
	require.NotEqual(t, found.TokenEndpoint, found.MTLSEndpoint("token_endpoint"))
	require.NotEqual(t, found.IntrospectionEndpoint, found.MTLSEndpoint("introspection_endpoint"))

	oauth, err := w.pki.HTTPClient().Get(w.issuer + "/.well-known/oauth-authorization-server")
	require.NoError(t, err)
	require.NoError(t, oauth.Body.Close())
	const par = "pushed_authorization_request_endpoint"
	require.NotContains(t, found.MTLSEndpointAliases, par)
	switch w.name {
	case "go-oidc":
		require.Equal(t, http.StatusNotFound, oauth.StatusCode, "OpenID Connect Discovery alone")
		require.Empty(t, found.MTLSEndpoint(par), "not enabled")
	case "oidc-provider":
		require.Equal(t, http.StatusOK, oauth.StatusCode)
		// RFC 8705 §5: an endpoint without an alias is used itself.
		require.Equal(t, w.issuer+"/request", found.MTLSEndpoint(par))
	}
}

// What their tokens look like.
func testTokenProfile(t *testing.T, w *world) {
	endpoint := discover(t, w.pki, w.issuer).MTLSEndpoint("token_endpoint")
	for _, method := range w.methods {
		r := w.clients["ES256."+method]
		got := requestToken(t, newClient(t, w.pki, r), r, w.issuer, endpoint, w.forResource(audience))
		require.Equal(t, "Bearer", got.TokenType)
		require.Equal(t, scope, got.Scope)
		require.Equal(t, map[string]any{"alg": "ES256", "kid": "ES256", "typ": "at+jwt"}, headerOf(t, got.AccessToken))
		claims := claimsOf(t, got.AccessToken)
		require.Equal(t, w.issuer, claims["iss"])
		require.Equal(t, r.id, claims["sub"], "the client, where there is no user")
		require.Equal(t, r.id, claims["client_id"])
		require.Equal(t, audience, claims["aud"], "a string, not an array of one")
		require.Equal(t, scope, claims["scope"], "a string, not an array")
		require.Equal(t, map[string]any{"x5t#S256": bindingtest.Thumbprint(r.certificate.Leaf)}, claims["cnf"])
	}
}

// What comes of a request without scope, or without resource.
func testRequestsThatAskForLess(t *testing.T, w *world) {
	a := startAPI(t, w.pki, w.issuer, "nethttp")
	r := w.clients["ES256."+tlsClientAuth]
	client := newClient(t, w.pki, r)

	scopeless := getToken(t, w, r, url.Values{"resource": {audience}})
	switch w.name {
	case "go-oidc":
		require.Empty(t, claimsOf(t, scopeless)["scope"])
		require.Contains(t, claimsOf(t, scopeless), "scope", "an empty string, which RFC 6749 §3.3 does not know")
	case "oidc-provider":
		require.NotContains(t, claimsOf(t, scopeless), "scope")
	}
	got := a.whoami(t, client, scopeless)
	require.Equal(t, http.StatusOK, got.status, "%v", got.body)
	require.Empty(t, got.body["scope"])

	// Without a resource go-oidc issues a JWT without aud, which RFC 9068 §2.2
	// requires, and oidc-provider an opaque token.
	nowhere := getToken(t, w, r, url.Values{"scope": {scope}})
	if w.name == "go-oidc" {
		require.NotContains(t, claimsOf(t, nowhere), "aud")
	} else {
		require.NotContains(t, nowhere, ".")
	}
	requireRefused(t, a.whoami(t, client, nowhere))
}
