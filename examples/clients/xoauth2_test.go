package clients_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// byXOAuth2 gets tokens by golang.org/x/oauth2, whose client sends them.
func byXOAuth2(t *testing.T, told task) report {
	t.Helper()
	own, thief := httpClient(t, told.CA, told.Own), httpClient(t, told.CA, told.Thief)
	// What x/oauth2 makes of a client that has a token.
	with := func(client *http.Client, token *oauth2.Token) *http.Client {
		return oauth2.NewClient(context.WithValue(t.Context(), oauth2.HTTPClient, client), oauth2.StaticTokenSource(token))
	}
	var got report
	expired := get(t, with(own, &oauth2.Token{AccessToken: told.Expired}), told.API+"/whoami")
	var resource struct {
		Resource string
		Servers  []string `json:"authorization_servers"`
	}
	get(t, own, challengeOf(t, expired.header).parameters["resource_metadata"]).requireJSON(t, &resource)
	var server struct {
		Aliases struct {
			TokenEndpoint string `json:"token_endpoint"`
		} `json:"mtls_endpoint_aliases"`
	}
	get(t, own, resource.Servers[0]+"/.well-known/oauth-authorization-server").requireJSON(t, &server)
	token := func(scopes ...string) *oauth2.Token {
		config := clientcredentials.Config{
			ClientID: told.ID, TokenURL: server.Aliases.TokenEndpoint, Scopes: scopes, AuthStyle: oauth2.AuthStyleInParams,
		}
		token, err := config.Token(context.WithValue(t.Context(), oauth2.HTTPClient, own))
		require.NoError(t, err)
		return token
	}
	weak := token("accounts")
	forbidden := get(t, with(own, weak), told.API+"/payments")
	strong := token("accounts", challengeOf(t, forbidden.header).parameters["scope"])

	got.Resource, got.Servers = resource.Resource, resource.Servers
	get(t, with(own, weak), told.API+"/whoami").requireJSON(t, &got.Who)
	get(t, with(own, strong), told.API+"/payments").requireJSON(t, &got.Paid)
	got.Expired, got.Forbidden = expired.refusal(t), forbidden.refusal(t)
	got.Stolen = get(t, with(thief, weak), told.API+"/whoami").refusal(t)
	got.Unavailable = get(t, with(own, weak), told.API+"/later").refusal(t)
	return got
}

func httpClient(t *testing.T, ca string, own identity) *http.Client {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(own.Certificate, own.Key)
	require.NoError(t, err)
	pem, err := os.ReadFile(ca)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

type goAnswer struct {
	kind   string
	status int
	header http.Header
	body   json.RawMessage
}

func get(t *testing.T, client *http.Client, url string) goAnswer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	answer := goAnswer{kind: fmt.Sprintf("%T", response), status: response.StatusCode, header: response.Header}
	require.NoError(t, json.NewDecoder(response.Body).Decode(&answer.body))
	return answer
}

func (a goAnswer) requireJSON(t *testing.T, value any) {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status, string(a.body))
	require.NoError(t, json.Unmarshal(a.body, value))
}

func (a goAnswer) refusal(t *testing.T) refusal {
	t.Helper()
	return refusalOf(t, a.kind, a.status, a.header)
}
