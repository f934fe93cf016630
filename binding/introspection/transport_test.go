package introspection_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/introspection"
	"github.com/certbound/certbound/binding/metadata"
)

// A tlsServer is an authorization server that answers every token as active and
// keeps what it saw: of each request its protocol and the certificate of its
// connection, "" for none.
type tlsServer struct {
	*httptest.Server
	roots *x509.CertPool

	mu          sync.Mutex
	connections int
	calls       []seenCall // POST
	others      []seenCall // by anybody else
	held        int        // calls that are still awaited before any is answered
	released    chan struct{}
}

// hold has calls wait until there are so many.
func (s *tlsServer) hold(calls int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held, s.released = calls, make(chan struct{})
}

type seenCall struct{ protocol, certificate, connection, clientID string }

func newTLSServer(t *testing.T, http2 bool) *tlsServer {
	t.Helper()
	s := &tlsServer{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := seenCall{protocol: r.Proto, connection: r.RemoteAddr}
		if len(r.TLS.PeerCertificates) > 0 {
			seen.certificate = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.Method != http.MethodPost {
			s.others = append(s.others, seen)
			return
		}
		seen.clientID = r.PostFormValue("client_id")
		if released := s.released; released != nil {
			if s.held--; s.held == 0 {
				close(released)
			}
			s.mu.Unlock()
			<-released
			s.mu.Lock()
		}
		s.calls = append(s.calls, seen)
		_, _ = io.WriteString(w, text(good(nil)))
	}))
	s.EnableHTTP2 = http2
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.mu.Lock()
			s.connections++
			s.mu.Unlock()
		}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	s.roots = x509.NewCertPool()
	s.roots.AddCert(s.Certificate())
	return s
}

func (s *tlsServer) tlsConfig() *tls.Config {
	return &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12}
}

func (s *tlsServer) config() introspection.Config {
	return introspection.Config{
		Issuer: issuer, Audiences: []string{audience}, URL: s.URL + "/introspect",
		ClientID: "api", AuthMethod: introspection.ClientSecretBasic, ClientSecret: secret,
		Timeout: time.Minute,
	}
}

// M/402: whatever the Transport, our certificate is on our connections alone.
func TestTransports(t *testing.T) {
	needsProcessRoots(t) // a Transport that knows no roots is the point of half of these
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		server := newTLSServer(t, protocol == "HTTP/2.0")
		for name, test := range map[string]struct {
			transport func(t *testing.T) http.RoundTripper
			http1     bool // spoken with every server
		}{
			"nil":  {transport: func(*testing.T) http.RoundTripper { return nil }},
			"zero": {transport: func(*testing.T) http.RoundTripper { return &http.Transport{} }},
			"Proxy only": {transport: func(*testing.T) http.RoundTripper {
				return &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }}
			}},
			"used before": {transport: func(t *testing.T) http.RoundTripper {
				transport := &http.Transport{}
				get(t, transport, server.URL)
				return transport
			}},
			"used before, with roots": {transport: func(t *testing.T) http.RoundTripper {
				transport := &http.Transport{TLSClientConfig: server.tlsConfig()}
				get(t, transport, server.URL)
				return transport
			}},
			"a clone of http.DefaultTransport": {transport: func(*testing.T) http.RoundTripper {
				return http.DefaultTransport.(*http.Transport).Clone()
			}},
			"configured by x/net/http2": {transport: func(t *testing.T) http.RoundTripper {
				transport := &http.Transport{TLSClientConfig: server.tlsConfig()}
				_, err := http2.ConfigureTransports(transport)
				require.NoError(t, err)
				get(t, transport, server.URL)
				return transport
			}},
			"HTTP/2 off, by TLSNextProto": {http1: true, transport: func(t *testing.T) http.RoundTripper {
				transport := &http.Transport{TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
				get(t, transport, server.URL)
				return transport
			}},
			"HTTP/2 off, by Protocols": {http1: true, transport: func(*testing.T) http.RoundTripper {
				transport := &http.Transport{Protocols: new(http.Protocols)}
				transport.Protocols.SetHTTP1(true)
				return transport
			}},
			"HTTP/2 off, by NextProtos": {http1: true, transport: func(*testing.T) http.RoundTripper {
				config := server.tlsConfig()
				config.NextProtos = []string{"http/1.1"}
				return &http.Transport{TLSClientConfig: config}
			}},
			"NewTransport with roots": {transport: func(*testing.T) http.RoundTripper {
				transport := metadata.NewTransport()
				transport.TLSClientConfig.RootCAs = server.roots
				return transport
			}},
		} {
			for _, certificate := range []string{"", "api"} {
				t.Run(fmt.Sprintf("M/402 %s, server %s, certificate %q", name, protocol, certificate), func(t *testing.T) {
					given := test.transport(t)
					config := server.config()
					config.Transport = given
					if certificate != "" {
						config.AuthMethod, config.ClientSecret = introspection.SelfSignedTLSClientAuth, ""
						config.ClientCertificate = selfSigned(t, certificate)
					}
					server.mu.Lock()
					server.calls, server.others = nil, nil
					server.mu.Unlock()
					v := newVerifier(t, config)
					var stranger *http.Transport // who has the same Transport
					if transport, ok := given.(*http.Transport); ok {
						stranger = transport
						t.Cleanup(stranger.CloseIdleConnections)
					}
					for n := range 3 {
						_, err := v.VerifyToken(t.Context(), fmt.Sprint("token-", n))
						require.NoError(t, err, "%v", binding.AsError(err))
						if stranger != nil {
							get(t, stranger, server.URL)
						}
					}
					server.mu.Lock()
					defer server.mu.Unlock()
					require.Len(t, server.calls, 3)
					want := protocol
					if test.http1 {
						want = "HTTP/1.1"
					}
					ours := make(map[string]bool)
					for _, call := range server.calls {
						require.Equal(t, certificate, call.certificate)
						require.Equal(t, want, call.protocol)
						ours[call.connection] = true
					}
					for _, other := range server.others {
						require.Empty(t, other.certificate)
						require.False(t, ours[other.connection], "a connection is shared")
					}
				})
			}
		}
	}
}

// Two verifiers with a certificate each, and a stranger, on one Transport.
func TestTwoIdentitiesOnOneTransport(t *testing.T) {
	t.Parallel()
	server := newTLSServer(t, true)
	transport := &http.Transport{TLSClientConfig: server.tlsConfig()}
	_, err := http2.ConfigureTransports(transport)
	require.NoError(t, err)
	t.Cleanup(transport.CloseIdleConnections)
	for _, tenant := range []string{"tenant-a", "tenant-b"} {
		config := server.config()
		config.AuthMethod, config.ClientSecret, config.Transport = introspection.TLSClientAuth, "", transport
		config.ClientCertificate = selfSigned(t, tenant)
		_, err := newVerifier(t, config).VerifyToken(t.Context(), tenant)
		require.NoError(t, err)
		require.Equal(t, tenant, server.calls[len(server.calls)-1].certificate)
	}
	get(t, transport, server.URL)
	require.Empty(t, server.others[0].certificate)
}

// A resumed TLS session would present the certificate of its first handshake.
func TestSessionsAreNotResumed(t *testing.T) {
	t.Parallel()
	server := newTLSServer(t, false)
	server.Config.SetKeepAlivesEnabled(false) // each call is a handshake
	transport := &http.Transport{TLSClientConfig: server.tlsConfig()}
	transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	certificate := selfSigned(t, "old")
	config := server.config()
	config.AuthMethod, config.ClientSecret, config.Transport = introspection.SelfSignedTLSClientAuth, "", transport
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
	v := newVerifier(t, config)
	for n, name := range []string{"old", "renewed"} {
		certificate = selfSigned(t, name)
		_, err := v.VerifyToken(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, name, server.calls[n].certificate)
	}
}

// A silent HTTP/2 connection is pinged, as its Transport says, or else as ours
// does, and ended long before the call would end: which is made anew on another.
func TestSilentConnectionsArePinged(t *testing.T) {
	t.Parallel()
	server := newTLSServer(t, true)
	for name, test := range map[string]struct {
		given *http.HTTP2Config
		most  time.Duration
	}{
		"as ours, after 5 seconds":    {nil, 30 * time.Second},
		"as configured, after 200 ms": {&http.HTTP2Config{SendPingTimeout: time.Second / 10, PingTimeout: time.Second / 10}, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			frozen := make(chan struct{}) // the first
			var connections atomic.Int32
			config := server.config()
			config.Transport = &http.Transport{
				TLSClientConfig: server.tlsConfig(), HTTP2: test.given,
				DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
					connection, err := (&net.Dialer{}).DialContext(ctx, network, address)
					if err != nil || connections.Add(1) > 1 {
						return connection, err
					}
					return &freezable{Conn: connection, frozen: frozen, closed: make(chan struct{})}, nil
				},
			}
			v := newVerifier(t, config)
			_, err := v.VerifyToken(t.Context(), "one")
			require.NoError(t, err, "%v", binding.AsError(err))
			close(frozen)
			start := time.Now()
			_, err = v.VerifyToken(t.Context(), "another")
			require.NoError(t, err, "%v", binding.AsError(err))
			require.Less(t, time.Since(start), test.most)
			require.EqualValues(t, 2, connections.Load())
		})
	}
}

// B33: a Transport with roots of one's own costs no more connections than none.
func TestConnectionsForManyCalls(t *testing.T) {
	needsProcessRoots(t)
	server := newTLSServer(t, false)
	withRoots := metadata.NewTransport()
	withRoots.TLSClientConfig.RootCAs = server.roots
	for name, test := range map[string]struct {
		transport http.RoundTripper
		atOnce    int
	}{
		"nil":                         {nil, 16},
		"NewTransport":                {withRoots, 16},
		"zero":                        {&http.Transport{}, 16},
		"nil, for more calls than 64": {nil, 80},
	} {
		t.Run(name, func(t *testing.T) {
			config := server.config()
			config.Transport, config.MaxInFlight = test.transport, 2*test.atOnce
			v := newVerifier(t, config)
			server.mu.Lock()
			server.connections = 0
			server.mu.Unlock()
			for round := range 20 {
				server.hold(test.atOnce) // so that no call finds a connection of this round's
				var calling sync.WaitGroup
				for caller := range test.atOnce {
					calling.Go(func() {
						if _, err := v.VerifyToken(t.Context(), fmt.Sprint("token-", round, "-", caller)); err != nil {
							t.Error(err)
						}
					})
				}
				calling.Wait()
			}
			server.mu.Lock()
			defer server.mu.Unlock()
			require.LessOrEqual(t, server.connections, test.atOnce+2)
		})
	}
}

func TestIdleConnectionsAreKeptAsConfigured(t *testing.T) {
	t.Parallel()
	server := newTLSServer(t, false)
	config := server.config()
	config.Transport = &http.Transport{TLSClientConfig: server.tlsConfig(), MaxIdleConnsPerHost: 1}
	v := newVerifier(t, config)
	for round := range 2 {
		server.hold(2) // at once
		var calling sync.WaitGroup
		for caller := range 2 {
			calling.Go(func() {
				if _, err := v.VerifyToken(t.Context(), fmt.Sprint("token-", round, "-", caller)); err != nil {
					t.Error(err)
				}
			})
		}
		calling.Wait()
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	require.Greater(t, server.connections, 2, "one was not kept")
}

// A connection ends when it was idle for half a minute, or sooner if its
// Transport says so: it keeps the certificate that it began with.
func TestIdleConnectionsEnd(t *testing.T) {
	t.Parallel()
	for given, want := range map[time.Duration]time.Duration{0: 30 * time.Second, 10 * time.Second: 10 * time.Second, time.Hour: 30 * time.Second} {
		t.Run(given.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				c := config(nil)
				c.Issuer, c.URL, c.DangerouslyAllowHTTP = "http://auth.example", "http://auth.example/introspect", true
				c.Transport = &http.Transport{
					IdleConnTimeout: given,
					DialContext:     func(context.Context, string, string) (net.Conn, error) { return near, nil },
				}
				ended := make(chan time.Time, 1)
				go func() {
					defer far.Close()
					reader := bufio.NewReader(far)
					for r, err := http.ReadRequest(reader); err == nil; r, err = http.ReadRequest(reader) {
						_, _ = io.Copy(io.Discard, r.Body)
						body := text(good(members{"iss": "http://auth.example"}))
						_, _ = fmt.Fprintf(far, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
					}
					ended <- time.Now()
				}()
				_, err := newVerifier(t, c).VerifyToken(t.Context(), canary)
				require.NoError(t, err, "%v", binding.AsError(err))
				start := time.Now()
				require.Equal(t, want, (<-ended).Sub(start))
			})
		})
	}
}

// needsProcessRoots: see TestMain.
func needsProcessRoots(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		t.Skip("the roots of a process cannot be set here")
	}
}

func get(t *testing.T, transport http.RoundTripper, address string) {
	t.Helper()
	response, err := (&http.Client{Transport: transport}).Get(address)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, response.Body)
	require.NoError(t, response.Body.Close())
}
