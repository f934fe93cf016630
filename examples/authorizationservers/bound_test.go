package authorizationservers_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// Each JWT from its client to the API, and from others, in each framework.
func testBoundTokens(t *testing.T, w *world) {
	apis := make(map[string]*api)
	for _, framework := range frameworks {
		apis[framework] = startAPI(t, w.pki, w.issuer, framework)
	}
	for _, algorithm := range w.algorithms {
		for _, method := range w.methods {
			t.Run(algorithm+"/"+method, func(t *testing.T) {
				t.Parallel()
				r := w.clients[algorithm+"."+method]
				require.NotEmpty(t, r.id)
				token := getToken(t, w, r, w.forResource(audience))
				require.Equal(t, algorithm, headerOf(t, token)["alg"])
				for _, framework := range frameworks {
					t.Run(framework, func(t *testing.T) { w.requireBound(t, apis[framework], r, token) })
				}
			})
		}
	}
	for _, framework := range frameworks {
		t.Run("other tokens/"+framework, func(t *testing.T) {
			t.Parallel()
			w.requireOthersRefused(t, apis[framework])
		})
	}
}

// requireBound: the API accepts a token from the client that it was issued to,
// and from nobody else.
func (w *world) requireBound(t *testing.T, a *api, r registration, token string) {
	t.Helper()
	client := newClient(t, w.pki, r)
	accepted := a.whoami(t, client, token)
	require.Equal(t, http.StatusOK, accepted.status, "%v", accepted.body)
	w.requireWho(t, r, map[string]any{"scope": scope, "x5t#S256": bindingtest.Thumbprint(r.certificate.Leaf)}, accepted.body)

	thief := newClient(t, w.pki, w.thief)
	requireRefused(t, a.whoami(t, thief, token))
	requireRefused(t, a.whoami(t, w.pki.HTTPClient(), token))
	// A certificate of the same subject and key pair is another certificate.
	renewed := r
	var err error
	renewed.certificate, err = w.pki.RenewClientCertificate(r.certificate)
	require.NoError(t, err)
	requireRefused(t, a.whoami(t, newClient(t, w.pki, renewed), token))
	// Bound anew to the thief's certificate, under the old signature.
	requireRefused(t, a.whoami(t, thief, rebound(t, token, w.thief)))
	requireRefused(t, a.whoami(t, client, withAnotherSignature(t, token)))
	// And it has not been used up.
	require.Equal(t, http.StatusOK, a.whoami(t, client, token).status)
}

// requireWho: the API has told a client what it knows of it, from the token.
func (w *world) requireWho(t *testing.T, r registration, want, got map[string]any) {
	t.Helper()
	want["iss"], want["client_id"], want["sub"] = w.issuer, r.id, r.id
	if w.name == "keycloak" { // whose clients have accounts
		require.NotEmpty(t, got["sub"])
		want["sub"] = got["sub"]
	}
	if w.resourceScopes != nil { // it orders scopes itself, and names the API's
		others := slices.DeleteFunc(strings.Fields(got["scope"].(string)), func(s string) bool { return s == w.resourceScopes[audience] })
		require.ElementsMatch(t, strings.Fields(want["scope"].(string)), others)
		want["scope"] = got["scope"]
	}
	if _, known := got["sub"]; !known && w.name == "oidc-provider" && r.format() == opaque {
		delete(want, "sub") // its answer names a user, and here is none
	}
	require.Equal(t, want, got)
}

// requireOthersRefused: genuine tokens of the same issuer are refused that have
// no binding, have expired, or are for another API.
func (w *world) requireOthersRefused(t *testing.T, a *api) {
	t.Helper()
	unbound := w.clients["ES256.unbound"]
	// go-oidc binds whenever it sees a certificate, so that it must not see one.
	plain := discover(t, w.pki, w.issuer).TokenEndpoint
	got := requestToken(t, w.pki.HTTPClient(), unbound, w.issuer, plain, w.forResource(audience))
	require.Equal(t, http.StatusOK, got.status, got.Error)
	require.NotContains(t, claimsOf(t, got.AccessToken), "cnf")
	requireRefused(t, a.whoami(t, newClient(t, w.pki, unbound), got.AccessToken))
	requireRefused(t, a.whoami(t, w.pki.HTTPClient(), got.AccessToken))

	if expired, has := w.clients["ES256.expired"]; has {
		requireRefused(t, a.whoami(t, newClient(t, w.pki, expired), getToken(t, w, expired, w.forResource(audience))))
	}

	client := w.clients["ES256."+tlsClientAuth]
	foreign := getToken(t, w, client, w.forResource(another))
	require.NotContains(t, claimsOf(t, foreign)["aud"], audience)
	requireRefused(t, a.whoami(t, newClient(t, w.pki, client), foreign))
}

// Tokens expire, also where no server issues one that has.
func testExpired(t *testing.T, w *world) {
	r := w.clients["ES256."+tlsClientAuth]
	token := getToken(t, w, r, w.forResource(audience))
	a := watch(t, w, binding.Config{Tokens: newJWTs(t, w, func(c *jwks.Config) {
		c.Clock = func() time.Time { return time.Now().Add(time.Hour) }
	})})
	a.requireReason(t, binding.ReasonTokenExpired, newClient(t, w.pki, r), token)
}

// The authorization servers themselves give a bound token to no other
// certificate: if they did, all of the above would show little.
func testTheServersAuthenticateTheirClients(t *testing.T, w *world) {
	endpoint := discover(t, w.pki, w.issuer).MTLSEndpoint("token_endpoint")
	for _, method := range []string{tlsClientAuth, selfSignedTLSClientAuth} {
		r, has := w.clients["ES256."+method]
		if !has {
			continue
		}
		impostor, err := bindingtest.NewSelfSignedCertificate(r.id) // the same subject
		require.NoError(t, err)
		for name, client := range map[string]*http.Client{
			"no certificate":                           w.pki.HTTPClient(),
			"another client's":                         newClient(t, w.pki, w.thief),
			"another certificate for the same subject": w.pki.HTTPClient(impostor),
		} {
			if w.verifies && strings.HasPrefix(name, "another certificate") {
				_, err := client.Get(endpoint)
				require.Error(t, err, "%s, %s", method, name)
				continue
			}
			form := w.forResource(audience)
			form.Set("grant_type", "client_credentials")
			status, body := post(t, client, r, w.issuer, endpoint, form)
			require.NotEqual(t, http.StatusOK, status, "%s, %s", method, name)
			if len(body) == 0 { // Spring's to a client that shows nothing
				require.Equal(t, http.StatusUnauthorized, status, "%s, %s", method, name)
				continue
			}
			var got tokenAnswer
			require.NoError(t, json.Unmarshal(body, &got), string(body))
			require.Equal(t, "invalid_client", got.Error, "%s, %s", method, name)
		}
	}
}

func headerOf(t *testing.T, token string) map[string]any {
	t.Helper()
	return decode(t, strings.Split(token, ".")[0])
}

func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	segments := strings.Split(token, ".")
	require.Len(t, segments, 3)
	return decode(t, segments[1])
}

func decode(t *testing.T, segment string) map[string]any {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(segment)
	require.NoError(t, err)
	var members map[string]any
	require.NoError(t, json.Unmarshal(text, &members))
	return members
}

// rebound binds a token to another certificate without signing it anew.
func rebound(t *testing.T, token string, to registration) string {
	t.Helper()
	claims := claimsOf(t, token)
	claims["cnf"] = map[string]any{"x5t#S256": bindingtest.Thumbprint(to.certificate.Leaf)}
	payload, err := json.Marshal(claims)
	require.NoError(t, err)
	segments := strings.Split(token, ".")
	segments[1] = base64.RawURLEncoding.EncodeToString(payload)
	return strings.Join(segments, ".")
}

// withAnotherSignature changes one bit of the signature.
func withAnotherSignature(t *testing.T, token string) string {
	t.Helper()
	segments := strings.Split(token, ".")
	signature, err := base64.RawURLEncoding.DecodeString(segments[2])
	require.NoError(t, err)
	signature[len(signature)/2] ^= 1
	segments[2] = base64.RawURLEncoding.EncodeToString(signature)
	return strings.Join(segments, ".")
}
