package bindingtest_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/certbound/certbound/binding/bindingtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newServer(t *testing.T, config bindingtest.Config) *bindingtest.AuthorizationServer {
	t.Helper()
	as, err := bindingtest.NewAuthorizationServer(config)
	require.NoError(t, err)
	t.Cleanup(as.Close)
	return as
}

func clientCertificate(t *testing.T, as *bindingtest.AuthorizationServer, commonName string) tls.Certificate {
	t.Helper()
	certificate, err := as.NewClientCertificate(commonName)
	require.NoError(t, err)
	return certificate
}

func selfSigned(t *testing.T, commonName string) tls.Certificate {
	t.Helper()
	certificate, err := bindingtest.NewSelfSignedCertificate(commonName)
	require.NoError(t, err)
	return certificate
}

// answer is an HTTP answer that has been read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) members(t *testing.T) map[string]any {
	t.Helper()
	var members map[string]any
	require.NoError(t, json.Unmarshal(a.body, &members))
	return members
}

func do(t *testing.T, client *http.Client, request *http.Request) answer {
	t.Helper()
	response, err := client.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{status: response.StatusCode, header: response.Header, body: body}
}

func get(t *testing.T, client *http.Client, address string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	return do(t, client, request)
}

func tokenRequest(ctx context.Context, t *testing.T, address string, form url.Values) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return request
}

// published returns the key set as it comes over the wire.
func published(t *testing.T, as *bindingtest.AuthorizationServer) jwk.Set {
	t.Helper()
	set, err := jwk.Parse(get(t, as.HTTPClient(), as.URL(bindingtest.JWKSPath)).body)
	require.NoError(t, err)
	return set
}

// decode returns header and claims without a look at the signature.
func decode(t *testing.T, token string) (header, claims map[string]any) {
	t.Helper()
	message, err := jws.ParseString(token)
	require.NoError(t, err)
	encoded, err := json.Marshal(message.Signatures()[0].ProtectedHeaders())
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(encoded, &header))
	require.NoError(t, json.Unmarshal(message.Payload(), &claims))
	return header, claims
}

// verify checks the signature with the published keys and returns the claims.
func verify(t *testing.T, as *bindingtest.AuthorizationServer, token string) map[string]any {
	t.Helper()
	payload, err := jws.Verify([]byte(token), jws.WithKeySet(published(t, as)))
	require.NoError(t, err)
	var claims map[string]any
	require.NoError(t, json.Unmarshal(payload, &claims))
	return claims
}

func confirmation(certificate tls.Certificate) map[string]any {
	return map[string]any{"x5t#S256": bindingtest.Thumbprint(certificate.Leaf)}
}
