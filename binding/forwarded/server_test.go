package forwarded_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
)

// A server is a resource server with a guard, over TLS, on a real socket.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	event binding.Event // of the last request
	saw   http.Header   // what the handler saw, nil if it did not run
}

// setup changes the server before it starts.
type setup func(s *httptest.Server, handler http.Handler)

// serve starts a server that trusts its peers' address, unless the
// configuration has other rules.
func serve(t *testing.T, config forwarded.Config, setups ...setup) *server {
	t.Helper()
	if config.Trust == nil {
		config.Trust = []forwarded.Trust{forwarded.TrustPeers(netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))}
	}
	return serveSource(t, newSource(t, config), setups...)
}

func serveSource(t *testing.T, source binding.CertificateSource, setups ...setup) *server {
	t.Helper()
	s := &server{}
	guard, err := binding.New(binding.Config{
		Tokens: tokens{}, Certificates: source, Policy: binding.DangerouslyAcceptUnbound,
		Observe: func(_ context.Context, event binding.Event) { s.event = event },
	})
	require.NoError(t, err)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.saw = nil
		admitted, err := guard.Admit(r)
		if err != nil {
			binding.AsError(err).Write(w, r)
			return
		}
		s.saw = admitted.Header
	}))
	s.TLS = binding.TLSConfig(nil)
	s.Config.ConnContext = forwarded.ConnContext
	for _, change := range setups {
		change(s.Server, s.Config.Handler)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// clientCAs makes the server verify its peers' certificates.
func clientCAs(ca identity) setup {
	return func(s *httptest.Server, _ http.Handler) {
		pool := x509.NewCertPool()
		pool.AddCert(ca.cert)
		s.TLS = binding.TLSConfig(&tls.Config{ClientCAs: pool})
	}
}

// peer is a client of the server that presents a certificate.
func (s *server) peer(t *testing.T, certificates ...tls.Certificate) *http.Client {
	t.Helper()
	transport := s.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.Certificates = certificates
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// An outcome is how one request ended.
type outcome struct {
	status int
	event  binding.Event
	saw    http.Header
}

// send sends one request with a token bound to the thumbprint.
func (s *server) send(t *testing.T, client *http.Client, bound string, header http.Header) outcome {
	t.Helper()
	return s.sendTo(t, s.URL, client, bound, header)
}

func (s *server) sendTo(t *testing.T, url string, client *http.Client, bound string, header http.Header) outcome {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("Authorization", "Bearer "+bound)
	response, err := client.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)

	s.mu.Lock()
	defer s.mu.Unlock()
	o := outcome{response.StatusCode, s.event, s.saw}
	if o.status != http.StatusOK {
		require.Nil(t, s.saw, "the handler ran")
		require.Equal(t, http.StatusUnauthorized, o.status)
		require.Contains(t, response.Header.Get("WWW-Authenticate"), `error="invalid_token"`)
		requireNoLeak(t, string(body)+strings.Join(response.Header["Www-Authenticate"], "")+errorTexts(o.event.Err), header)
	}
	return o
}

// requireNoLeak sees to it that a text tells nothing of what came.
func requireNoLeak(t *testing.T, text string, header http.Header) {
	t.Helper()
	for _, values := range header {
		for _, value := range values {
			for i := 0; i+12 <= len(value); i += 12 {
				require.NotContains(t, text, value[i:i+12])
			}
		}
	}
}

func (o outcome) requireAccepted(t *testing.T) {
	t.Helper()
	require.Equal(t, http.StatusOK, o.status, "refused: %s", o.event.Reason())
}

func (o outcome) requireRefused(t *testing.T, reason binding.Reason) {
	t.Helper()
	require.Equal(t, http.StatusUnauthorized, o.status)
	require.Equal(t, reason, o.event.Reason())
}
