package main_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// What a new certificate needs, shown with what a client of x/oauth2 has in its
// hands: transports and tokens.
func TestANewCertificateNeedsANewConnectionAndANewToken(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{Clients: byItsSubject()})
	a := newAPI(t, as, binding.Config{})
	oldCertificate := newCertificate(t, as)
	newerCertificate, err := as.RenewClientCertificate(oldCertificate) // for the same key pair
	require.NoError(t, err)

	// The present certificate is asked for in every handshake, as in a client
	// that changes it in place and leaves its transport as it is.
	present := oldCertificate
	newTransport := func(sessions tls.ClientSessionCache) *http.Transport {
		transport := as.Transport()
		transport.TLSClientConfig.ClientSessionCache = sessions
		transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			certificate := present
			return &certificate, nil
		}
		return transport
	}
	request := func(transport *http.Transport) string {
		ctx := context.WithValue(t.Context(), oauth2.HTTPClient, &http.Client{Transport: transport})
		config := clientcredentials.Config{ClientID: clientID, TokenURL: as.MTLSURL(bindingtest.TokenPath), AuthStyle: oauth2.AuthStyleInParams}
		token, err := config.Token(ctx)
		require.NoError(t, err)
		return token.AccessToken
	}

	sessions := tls.NewLRUClientSessionCache(0)
	kept := newTransport(sessions)
	oldToken := request(newTransport(nil))
	first := callAPI(t, kept, a, oldToken)
	require.Equal(t, http.StatusOK, first.status)

	present = newerCertificate
	newToken := request(newTransport(nil))

	reused := callAPI(t, kept, a, newToken)
	require.True(t, reused.reused, "the connection was kept alive")
	require.Equal(t, http.StatusUnauthorized, reused.status, "a new token over an old connection")
	require.Contains(t, reused.challenge, `error="invalid_token"`)

	resumed := callAPI(t, newTransport(sessions), a, newToken)
	require.False(t, resumed.reused)
	require.True(t, resumed.resumed, "the session was resumed")
	require.Equal(t, http.StatusUnauthorized, resumed.status, "a new token over a new connection with a resumed session")
	require.Contains(t, resumed.challenge, `error="invalid_token"`)

	fresh := newTransport(tls.NewLRUClientSessionCache(0))
	stale := callAPI(t, fresh, a, oldToken)
	require.False(t, stale.reused)
	require.False(t, stale.resumed)
	require.Equal(t, http.StatusUnauthorized, stale.status, "an old token with the new certificate")
	require.Contains(t, stale.challenge, `error="invalid_token"`)

	require.Equal(t, http.StatusOK, callAPI(t, fresh, a, newToken).status, "a new token over a new connection")
	// Until its token expires, the old pair is as good as it was.
	require.Equal(t, http.StatusOK, callAPI(t, kept, a, oldToken).status)
}

// An answer is what the API said, and over which connection.
type answer struct {
	status    int
	challenge string
	reused    bool // the connection
	resumed   bool // the TLS session
}

func callAPI(t *testing.T, transport *http.Transport, a *api, token string) answer {
	t.Helper()
	var got answer
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { got.reused = info.Reused }}
	request, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, a.url, nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body) // so that the connection is kept alive
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	got.status = response.StatusCode
	got.challenge = response.Header.Get("WWW-Authenticate")
	got.resumed = response.TLS.DidResume
	return got
}

// The program itself, with another key pair put into its files while it runs.
func TestTheProgramTakesUpARenewedCertificate(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{Clients: byItsSubject()})
	a := newAPI(t, as, binding.Config{})
	first, second := newCertificate(t, as), newCertificate(t, as)
	f := newFiles(t, as, first)
	p := startClient(t, f.flags(as, a, "-every", "1ms")...)
	seen := func(what func() bool) {
		t.Helper()
		require.Eventually(t, what, time.Minute, time.Millisecond, p.stderr.String())
	}
	seen(func() bool { return len(a.accepted()) >= 2 })

	// Half of the pair changes nothing but the log.
	f.writeKey(t, second)
	seen(func() bool { return strings.Contains(p.stderr.String(), "the certificate in use stays") })
	before := len(a.accepted())
	seen(func() bool { return len(a.accepted()) > before })
	f.writeCertificate(t, second)
	seen(func() bool {
		calls := a.accepted()
		return calls[len(calls)-1].thumbprint == bindingtest.Thumbprint(second.Leaf)
	})
	done := p.stop(t)
	require.Zero(t, done.status)
	require.NotContains(t, done.stdout, "-> 401")
	require.Equal(t, 2, strings.Count(done.stdout, "\ncertificate "))

	// Each certificate came with one connection and one token of its own.
	connections, tokens := make(map[string]string), make(map[string]string)
	for _, call := range a.accepted() {
		require.False(t, call.resumed)
		connections[call.from], tokens[call.token] = call.thumbprint, call.thumbprint
	}
	require.Len(t, connections, 2)
	require.Len(t, tokens, 2)
}

func respondJSON(t *testing.T, document map[string]any) http.Handler {
	t.Helper()
	text, err := json.Marshal(document)
	require.NoError(t, err)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(text) })
}
