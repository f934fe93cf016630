package authorizationservers_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// Each JWT from its client to the API, and from others, in each framework.
func testBoundTokens(t *testing.T, w *world) {
	apis := make(map[string]*api)
	for _, framework := range frameworks {
		apis[framework] = startAPI(t, w.pki, w.issuer, framework)
	}
	for _, algorithm := range w.algorithms {
		for _, method := range methods {
			t.Run(algorithm+"/"+method, func(t *testing.T) {
				t.Parallel()
				r := w.clients[algorithm+"."+method]
				require.NotEmpty(t, r.id)
				token := getToken(t, w, r, forResource(audience))
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
	require.Equal(t, map[string]any{
		"iss": w.issuer, "sub": r.id, "client_id": r.id, "scope": scope,
		"x5t#S256": bindingtest.Thumbprint(r.certificate.Leaf),
	}, accepted.body)

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

// requireOthersRefused: genuine tokens of the same issuer are refused that have
// no binding, have expired, or are for another API.
func (w *world) requireOthersRefused(t *testing.T, a *api) {
	t.Helper()
	unbound := w.clients["ES256.unbound"]
	// go-oidc binds whenever it sees a certificate, so that it must not see one.
	plain := discover(t, w.pki, w.issuer).TokenEndpoint
	got := requestToken(t, w.pki.HTTPClient(), unbound, w.issuer, plain, forResource(audience))
	require.Equal(t, http.StatusOK, got.status, got.Error)
	require.NotContains(t, claimsOf(t, got.AccessToken), "cnf")
	requireRefused(t, a.whoami(t, newClient(t, w.pki, unbound), got.AccessToken))
	requireRefused(t, a.whoami(t, w.pki.HTTPClient(), got.AccessToken))

	expired := w.clients["ES256.expired"]
	requireRefused(t, a.whoami(t, newClient(t, w.pki, expired), getToken(t, w, expired, forResource(audience))))

	client := w.clients["ES256."+tlsClientAuth]
	foreign := getToken(t, w, client, forResource(another))
	require.Equal(t, another, claimsOf(t, foreign)["aud"])
	requireRefused(t, a.whoami(t, newClient(t, w.pki, client), foreign))
}

// The authorization servers themselves give a bound token to no other
// certificate: if they did, all of the above would show little.
func testTheServersAuthenticateTheirClients(t *testing.T, w *world) {
	endpoint := discover(t, w.pki, w.issuer).MTLSEndpoint("token_endpoint")
	for _, method := range []string{tlsClientAuth, selfSignedTLSClientAuth} {
		r := w.clients["ES256."+method]
		impostor, err := bindingtest.NewSelfSignedCertificate(r.id) // the same subject
		require.NoError(t, err)
		for name, client := range map[string]*http.Client{
			"no certificate":                           w.pki.HTTPClient(),
			"another client's":                         newClient(t, w.pki, w.thief),
			"another certificate for the same subject": w.pki.HTTPClient(impostor),
		} {
			got := requestToken(t, client, r, w.issuer, endpoint, forResource(audience))
			require.NotEqual(t, http.StatusOK, got.status, "%s, %s", method, name)
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
