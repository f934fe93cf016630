package authorizationservers_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// keycloakTests are of what Keycloak has alone.
var keycloakTests = []test{
	{"metadata", testKeycloakMetadata},
	{"token profile", testKeycloakProfile},
	{"a user's tokens", testUserTokens},
	{"a certificate that is renewed", testKeycloakRenewal},
	{"authentication again", testKeycloakStepUp},
	{"logout", testKeycloakLogout},
	{"the FAPI 2.0 profile", testKeycloakFAPI},
	{"a bound client's proof", testKeycloakBoundProof},
	{"JWTs that are asked about", testKeycloakIntrospection},
	{"tokens that have expired", testExpired},
	{"rotation", testRotation},
	{"outage", testOutage},
}

// keycloakClients are those beside register's.
func keycloakClients(t *testing.T, w *world) {
	t.Helper()
	for id, method := range map[string]string{
		webClient: tlsClientAuth, "ES256.plain": tlsClientAuth, "ES256.lower": tlsClientAuth, "ES256.secret": clientSecretBasic,
	} {
		r := registration{id: id, method: method, bound: true, secret: "a secret of the test"}
		var err error
		r.certificate, err = w.pki.NewClientCertificate(id)
		require.NoError(t, err)
		w.clients[id] = r
	}
}

func testKeycloakMetadata(t *testing.T, w *world) {
	found := discover(t, w.pki, w.issuer)
	require.True(t, found.CertificateBoundAccessTokens)
	require.Subset(t, found.TokenEndpointAuthMethods, w.methods)
	require.Equal(t, found.TokenEndpoint, found.MTLSEndpoint("token_endpoint"), "one port")
	require.Equal(t, found.IntrospectionEndpoint, found.MTLSEndpoint("introspection_endpoint"))
}

// What jwks/keycloak.md says of its tokens.
func testKeycloakProfile(t *testing.T, w *world) {
	endpoint := discover(t, w.pki, w.issuer).MTLSEndpoint("token_endpoint")
	both := watch(t, w, binding.Config{Tokens: newJWTs(t, w, func(c *jwks.Config) { c.TokenTypes = []string{"at+jwt", "JWT"} })})
	strict := watch(t, w, binding.Config{Tokens: newJWTs(t, w, nil)})
	for id, is := range map[string]struct{ header, claim string }{
		"ES256." + tlsClientAuth: {"at+jwt", "Bearer"},
		"ES256.plain":            {"JWT", "Bearer"}, // without access.token.header.type.rfc9068
		"ES256.lower":            {"at+jwt", "bearer"},
	} {
		t.Run(id, func(t *testing.T) {
			r := w.clients[id]
			client := newClient(t, w.pki, r)
			got := requestToken(t, client, r, w.issuer, endpoint, w.forResource(audience))
			require.Equal(t, is.claim, got.TokenType)
			require.Equal(t, is.header, headerOf(t, got.AccessToken)["typ"])
			claims := claimsOf(t, got.AccessToken)
			require.Equal(t, is.claim, claims["typ"])
			require.Equal(t, r.id, claims["azp"])
			require.NotEmpty(t, claims["realm_access"])
			require.Contains(t, claims["aud"], audience)
			require.Equal(t, map[string]any{"x5t#S256": bindingtest.Thumbprint(r.certificate.Leaf)}, claims["cnf"])
			require.Equal(t, http.StatusOK, both.whoami(t, client, got.AccessToken).status)
			both.requireReason(t, binding.ReasonThumbprintMismatch, newClient(t, w.pki, w.thief), got.AccessToken)
			if is.header == "JWT" {
				strict.requireReason(t, binding.ReasonTokenType, client, got.AccessToken)
			} else {
				require.Equal(t, http.StatusOK, strict.whoami(t, client, got.AccessToken).status)
			}
		})
	}

	// The switch makes Keycloak ask for a certificate, however the client
	// authenticates.
	r := w.clients["ES256.secret"]
	got := requestToken(t, w.pki.HTTPClient(), r, w.issuer, endpoint, w.forResource(audience))
	require.Equal(t, http.StatusBadRequest, got.status)
	require.Equal(t, "Client Certification missing for MTLS HoK Token Binding", got.Description)
}

// A refresh token is of no use with a renewed certificate.
func testKeycloakRenewal(t *testing.T, w *world) {
	r := w.clients[webClient]
	got := newBrowser(t, w).logIn(t, w, r, nil)
	require.Equal(t, http.StatusOK, got.status, got.Error)
	renewed := r
	var err error
	renewed.certificate, err = w.pki.RenewClientCertificate(r.certificate)
	require.NoError(t, err)
	refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.RefreshToken}}
	require.Equal(t, http.StatusUnauthorized, askTokens(t, w, renewed, refresh).status)
	require.Equal(t, http.StatusOK, askTokens(t, w, r, refresh).status)
}

// RFC 9470: single sign-on is acr 0, which is too little here; the challenge says
// what is asked for, and logging in again gives it.
func testKeycloakStepUp(t *testing.T, w *world) {
	r := w.clients[webClient]
	client := newClient(t, w.pki, r)
	a := watch(t, w, binding.Config{
		Tokens:         newJWTs(t, w, nil),
		Authentication: binding.Authentication{ACRValues: []string{"1"}, MaxAge: time.Hour},
	})
	alice := newBrowser(t, w)
	first := alice.logIn(t, w, r, nil)
	require.Equal(t, http.StatusOK, first.status, first.Error)
	require.Equal(t, "1", claimsOf(t, first.AccessToken)["acr"])
	require.Equal(t, http.StatusOK, a.whoami(t, client, first.AccessToken).status)

	single := alice.logIn(t, w, r, nil)
	require.Equal(t, "0", claimsOf(t, single.AccessToken)["acr"])
	refused := a.whoami(t, client, single.AccessToken)
	require.Equal(t, http.StatusUnauthorized, refused.status)
	require.Contains(t, refused.challenge, `error="insufficient_user_authentication"`)
	require.Contains(t, refused.challenge, `acr_values="1"`)
	a.requireReason(t, binding.ReasonThumbprintMismatch, newClient(t, w.pki, w.thief), single.AccessToken)

	again := alice.logIn(t, w, r, url.Values{"prompt": {"login"}, "acr_values": {"1"}})
	require.Equal(t, http.StatusOK, a.whoami(t, client, again.AccessToken).status)
}

// Under the FAPI 2.0 profile authorization requests are pushed, tokens are bound
// and signed with PS256, and there are no roles in them.
func testKeycloakFAPI(t *testing.T, w *world) {
	own := w.fapi(t)
	testUserTokens(t, own)
	r := own.clients[webClient]
	got := newBrowser(t, own).logIn(t, own, r, nil)
	require.Equal(t, http.StatusOK, got.status, got.Error)
	require.Equal(t, "PS256", headerOf(t, got.AccessToken)["alg"])
	require.NotContains(t, claimsOf(t, got.AccessToken), "realm_access")
}

// A token ends with the user's session, where the API asks about it.
func testKeycloakLogout(t *testing.T, w *world) {
	r := w.clients[webClient]
	client := newClient(t, w.pki, r)
	jwt := watch(t, w, binding.Config{Tokens: newJWTs(t, w, nil)})
	asking := watch(t, w, binding.Config{Tokens: newAsking(t, w, w.clients[asAPI(clientSecretBasic)])})
	got := newBrowser(t, w).logIn(t, w, r, nil)
	require.Equal(t, http.StatusOK, got.status, got.Error)
	require.Equal(t, http.StatusOK, asking.whoami(t, client, got.AccessToken).status, asking.last.Load())
	status, body := post(t, client, r, w.issuer, w.issuer+"/protocol/openid-connect/logout", url.Values{"refresh_token": {got.RefreshToken}})
	require.Equal(t, http.StatusNoContent, status, string(body))
	asking.requireReason(t, binding.ReasonTokenInactive, client, got.AccessToken)
	require.Equal(t, http.StatusOK, jwt.whoami(t, client, got.AccessToken).status, "nobody asks")
}

// L/369: a bound client that sends a proof as well: its tokens say DPoP, and are
// bound to the certificate alone.
func testKeycloakBoundProof(t *testing.T, w *world) {
	r := w.clients["ES256."+tlsClientAuth]
	client := newClient(t, w.pki, r)
	endpoint := discover(t, w.pki, w.issuer).MTLSEndpoint("token_endpoint")
	proof, err := bindingtest.NewProof(bindingtest.ProofSpec{Key: newKey(t), Method: http.MethodPost, URL: endpoint})
	require.NoError(t, err)
	form := w.forResource(audience)
	form.Set("grant_type", "client_credentials")
	status, body := postProven(t, client, r, w.issuer, endpoint, form, proof)
	require.Equal(t, http.StatusOK, status, string(body))
	var got tokenAnswer
	require.NoError(t, json.Unmarshal(body, &got))
	token := got.AccessToken
	claims := claimsOf(t, token)
	require.Equal(t, "DPoP", claims["typ"])
	require.Equal(t, map[string]any{"x5t#S256": bindingtest.Thumbprint(r.certificate.Leaf)}, claims["cnf"])
	for name, verifier := range map[string]binding.TokenVerifier{
		"as a JWT": newJWTs(t, w, nil), "asked about": newAsking(t, w, w.clients[asAPI(clientSecretBasic)]),
	} {
		a := watch(t, w, binding.Config{Tokens: verifier})
		require.Equal(t, http.StatusOK, a.whoami(t, client, token).status, "%s: %v", name, a.last.Load())
		requireRefused(t, a.whoami(t, newClient(t, w.pki, w.thief), token))
		requireRefused(t, a.whoami(t, w.pki.HTTPClient(), token))
	}
}

// Every token may be asked about, JWTs of each algorithm too, by a client that is
// an audience of it.
func testKeycloakIntrospection(t *testing.T, w *world) {
	stranger := w.clients["ES256."+clientSecretBasic]
	ignorant := watch(t, w, binding.Config{Tokens: newAsking(t, w, stranger)})
	for _, method := range w.methods {
		a := watch(t, w, binding.Config{Tokens: newAsking(t, w, w.clients[asAPI(method)])})
		ids := []string{"ES256.lower", "ES256.plain"}
		for _, format := range w.formats() {
			ids = append(ids, format+"."+tlsClientAuth)
		}
		for _, id := range ids {
			t.Run(method+"/"+id, func(t *testing.T) {
				r := w.clients[id]
				client := newClient(t, w.pki, r)
				token := getToken(t, w, r, w.forResource(audience))
				require.Equal(t, http.StatusOK, a.whoami(t, client, token).status, a.last.Load())
				requireRefused(t, a.whoami(t, newClient(t, w.pki, w.thief), token))
				requireRefused(t, a.whoami(t, w.pki.HTTPClient(), token))
				requireRefused(t, a.whoami(t, client, getToken(t, w, r, w.forResource(another))))
				ignorant.requireReason(t, binding.ReasonTokenInactive, client, token)
			})
		}
	}
}
