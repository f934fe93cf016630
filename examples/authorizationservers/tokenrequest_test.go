package authorizationservers_test

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/metadata"
)

// discover reads the authorization server's metadata as any client does.
func discover(t *testing.T, pki pki, issuer string) *metadata.AuthorizationServer {
	t.Helper()
	transport := pki.Transport()
	defer transport.CloseIdleConnections()
	client := metadata.Client{Transport: transport}
	found, err := client.AuthorizationServer(t.Context(), issuer)
	require.NoError(t, err)
	return found
}

// newClient returns an HTTP client with a registration's certificate.
func newClient(t *testing.T, pki pki, r registration) *http.Client {
	t.Helper()
	client := pki.HTTPClient(r.certificate)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// A tokenAnswer is what the token endpoint said.
type tokenAnswer struct {
	status      int
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	Scope       string `json:"scope"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// post sends a form to an endpoint, as a client that authenticates itself.
func post(t *testing.T, client *http.Client, r registration, issuer, endpoint string, form url.Values) (status int, body []byte) {
	t.Helper()
	return postProven(t, client, r, issuer, endpoint, form, "")
}

// postProven is post with a DPoP proof, if there is one.
func postProven(t *testing.T, client *http.Client, r registration, issuer, endpoint string, form url.Values, proof string) (status int, body []byte) {
	t.Helper()
	switch r.method {
	case tlsClientAuth, selfSignedTLSClientAuth:
		form.Set("client_id", r.id)
	case privateKeyJWT:
		form.Set("client_id", r.id) // not everybody takes it from the assertion
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", r.assertion(t, issuer))
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json") // and no page for a browser
	if proof != "" {
		request.Header.Set("DPoP", proof)
	}
	if r.method == clientSecretBasic {
		request.SetBasicAuth(url.QueryEscape(r.id), url.QueryEscape(r.secret))
	}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, body
}

// forResource are the parameters of a request for all scopes at one API.
func (w *world) forResource(resource string) url.Values { return w.forScope(scope, resource) }

// forScope are those for a scope: with RFC 8707's resource, or a scope that
// stands for it.
func (w *world) forScope(scope, resource string) url.Values {
	if w.resourceScopes != nil {
		return url.Values{"scope": {strings.TrimSpace(scope + " " + w.resourceScopes[resource])}}
	}
	return url.Values{"scope": {scope}, "resource": {resource}}
}

// requestToken asks an endpoint for a client's token (RFC 6749 §4.4).
func requestToken(t *testing.T, client *http.Client, r registration, issuer, endpoint string, form url.Values) tokenAnswer {
	t.Helper()
	form.Set("grant_type", "client_credentials")
	status, body := post(t, client, r, issuer, endpoint, form)
	got := tokenAnswer{status: status}
	require.NoError(t, json.Unmarshal(body, &got), string(body))
	return got
}

// getToken takes the way of a client that knows the issuer and itself: metadata,
// mTLS alias, token.
func getToken(t *testing.T, w *world, r registration, form url.Values) string {
	t.Helper()
	endpoint := discover(t, w.pki, w.issuer).MTLSEndpoint("token_endpoint")
	got := requestToken(t, newClient(t, w.pki, r), r, w.issuer, endpoint, form)
	require.Equal(t, http.StatusOK, got.status, got.Error)
	require.NotEmpty(t, got.AccessToken)
	return got.AccessToken
}

// assertion signs a client assertion (RFC 7523 §3).
func (r registration) assertion(t *testing.T, issuer string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: r.key}, nil)
	require.NoError(t, err)
	now := time.Now()
	signed, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: r.id, Subject: r.id, Audience: jwt.Audience{issuer},
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Minute)), ID: rand.Text(),
	}).Serialize()
	require.NoError(t, err)
	return signed
}
