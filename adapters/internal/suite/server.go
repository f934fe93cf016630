package suite

import (
	"bufio"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
)

// A Server is a handler behind a TLS socket that asks for client certificates.
type Server struct {
	URL     string
	Handler http.Handler

	fixture *Fixture
	http    *httptest.Server
}

// Serve starts a server for the handler, for HTTP/1.1 and HTTP/2. It ends with
// the test.
func (f *Fixture) Serve(t *testing.T, handler http.Handler) *Server {
	t.Helper()
	return f.serveTLS(t, handler, nil)
}

func (f *Fixture) serveTLS(t *testing.T, handler http.Handler, base *tls.Config) *Server {
	t.Helper()
	return f.serveWatched(t, handler, base, nil)
}

// serveWatched has net/http tell of every change in the life of a connection.
func (f *Fixture) serveWatched(t *testing.T, handler http.Handler, base *tls.Config, watch func(net.Conn, http.ConnState)) *Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ConnState = watch
	server.Config.ConnContext = forwarded.ConnContext
	server.EnableHTTP2 = true
	server.TLS = binding.TLSConfig(base)
	server.TLS.Certificates = []tls.Certificate{f.AS.ServerCertificate()}
	server.Config.ErrorLog = log.New(f.Log, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return &Server{URL: server.URL, Handler: handler, fixture: f, http: server}
}

// servePlain starts a server without TLS.
func (f *Fixture) servePlain(t *testing.T, handler http.Handler) *Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ConnContext = forwarded.ConnContext
	server.Config.ErrorLog = log.New(f.Log, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	return &Server{URL: server.URL, Handler: handler, fixture: f, http: server}
}

// A Client presents one certificate, or none, and speaks both versions of HTTP.
type Client struct {
	Certificate *tls.Certificate

	one, two *http.Client // HTTP/1.1 and HTTP/2
}

func (f *Fixture) newClient(certificate *tls.Certificate) *Client {
	return &Client{
		Certificate: certificate,
		one:         &http.Client{Transport: f.transport(certificate, false), Timeout: patience},
		two:         &http.Client{Transport: f.transport(certificate, true), Timeout: patience},
	}
}

// patience is how long a test waits for what does not come. A machine that is
// busy with other tests needs a lot.
const patience = 2 * time.Minute

func (f *Fixture) transport(certificate *tls.Certificate, http2 bool) *http.Transport {
	transport := f.AS.Transport()
	transport.DialContext = f.dialed.by(transport.DialContext)
	transport.ForceAttemptHTTP2 = http2
	transport.TLSHandshakeTimeout = patience
	if certificate != nil {
		transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return certificate, nil
		}
	}
	return transport
}

// HTTP returns the client that speaks the version.
func (c *Client) HTTP(version int) *http.Client {
	if version == 2 {
		return c.two
	}
	return c.one
}

// A conn is a connection of HTTP/1.1 on which a test writes what no client of
// net/http would.
type conn struct {
	*tls.Conn

	reader *bufio.Reader
}

// dial connects as the client. A connection on which nothing comes for long
// fails its test.
func (s *Server) dial(t *testing.T, client *Client) conn {
	t.Helper()
	config := &tls.Config{RootCAs: s.fixture.AS.RootCAs(), MinVersion: tls.VersionTLS12}
	if client.Certificate != nil {
		config.Certificates = []tls.Certificate{*client.Certificate}
	}
	dialed, err := tls.Dial("tcp", s.http.Listener.Addr().String(), config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = dialed.Close() })
	require.NoError(t, dialed.SetDeadline(time.Now().Add(patience)))
	return conn{Conn: dialed, reader: bufio.NewReader(dialed)}
}

// response reads the next answer, with its body. method is that of the request.
func (c conn) response(t *testing.T, method string) (*http.Response, []byte) {
	t.Helper()
	response, err := http.ReadResponse(c.reader, &http.Request{Method: method})
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, body
}
