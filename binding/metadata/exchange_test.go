package metadata_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/metadata"
)

const (
	postToken = "b64/token+0123456789=="
	postBasic = "YXBpOnMzY3IzdC1wYXNzd29yZA==" // api:s3cr3t-password
)

// post sends a token and a credential, with time enough for a busy machine.
func post(client *metadata.Client, address string) error {
	if client.Timeout == 0 {
		client.Timeout = time.Minute
	}
	_, err := client.PostForm(context.Background(), address, url.Values{"token": {postToken}}, http.Header{"Authorization": {"Basic " + postBasic}})
	return err
}

// requireNothingSent looks through all that an error holds.
func requireNothingSent(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	for e := err; e != nil; e = errors.Unwrap(e) {
		for _, part := range []string{postToken, url.QueryEscape(postToken), "b64", "token=", postBasic, "YXBp", "s3cr3t"} {
			require.NotContains(t, fmt.Sprintf("%v %+v", e, e), part)
		}
	}
}

// hijacked answers with what respond makes of what was sent, and hangs up.
func hijacked(respond func(sent string) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		form, _ := io.ReadAll(r.Body)
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer connection.Close()
		_, _ = io.WriteString(connection, respond(r.Header.Get("Authorization")+";"+string(form)))
	}
}

func TestNoErrorOfPostFormRepeatsWhatWasSent(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, respond := range map[string]func(sent string) string{
		"instead of an answer": func(sent string) string { return sent + "\r\n\r\n" },
		"in the version":       func(sent string) string { return "HTTP/" + strings.ReplaceAll(sent, " ", "") + " 200 OK\r\n\r\n" },
		"in the status":        func(sent string) string { return "HTTP/1.1 " + sent + "\r\n\r\n" },
		"in the status, in base64": func(sent string) string {
			return "HTTP/1.1 " + base64.StdEncoding.EncodeToString([]byte(sent)) + "\r\n\r\n"
		},
		"as a header":               func(sent string) string { return ok + sent + "\r\n\r\n" },
		"in a length":               func(sent string) string { return ok + "Content-Length: " + sent + "\r\n\r\n" },
		"in two lengths":            func(sent string) string { return ok + "Content-Length: 1\r\nContent-Length: " + sent + "\r\n\r\n" },
		"in a transfer encoding":    func(sent string) string { return ok + "Transfer-Encoding: " + sent + "\r\n\r\n" },
		"in a redirect":             func(sent string) string { return "HTTP/1.1 302 Found\r\nLocation: https://" + sent + "/%zz\r\n\r\n" },
		"in the length of a chunk":  func(sent string) string { return ok + "Transfer-Encoding: chunked\r\n\r\n" + sent + "\r\n" },
		"in a trailer":              func(sent string) string { return ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + sent + "\r\n\r\n" },
		"in what is not compressed": func(sent string) string { return ok + "Content-Encoding: gzip\r\nContent-Length: 999\r\n\r\n" + sent },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewTLSServer(hijacked(respond))
			t.Cleanup(server.Close)
			err := post(&metadata.Client{Transport: server.Client().Transport}, server.URL)
			requireNothingSent(t, err)
			require.Contains(t, err.Error(), "POST "+server.URL+": no answer that can be read")
		})
	}
	t.Run("by a transport of the user's", func(t *testing.T) {
		t.Parallel()
		err := post(&metadata.Client{Transport: repeating{}}, "https://auth.example")
		requireNothingSent(t, err)
		require.Contains(t, err.Error(), "a metadata_test.repeated, whose text may repeat what was sent")
	})
}

type repeating struct{}

func (repeating) RoundTrip(r *http.Request) (*http.Response, error) {
	form, _ := io.ReadAll(r.Body)
	return nil, fmt.Errorf("failed: %w", repeated(r.Header.Get("Authorization")+string(form)))
}

type failing struct{ err error }

func (f failing) RoundTrip(r *http.Request) (*http.Response, error) {
	_ = r.Body.Close()
	return nil, fmt.Errorf("not net/http's: %w", f.err)
}

type repeated string

func (r repeated) Error() string { return string(r) }

// With HTTP/2 it is the reason to go away (RFC 9113 §6.8) that net/http quotes.
func TestNoErrorOfPostFormRepeatsWhatWasSentOverHTTP2(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil)
	server.EnableHTTP2 = true
	server.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
		"h2": func(_ *http.Server, connection *tls.Conn, _ http.Handler) { goAway(connection) },
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	err := post(&metadata.Client{Transport: server.Client().Transport}, server.URL)
	requireNothingSent(t, err)
	require.Contains(t, err.Error(), "GoAwayError, whose text may repeat what was sent")
}

// goAway answers a request's last frame with GOAWAY and its content, and goes.
func goAway(connection net.Conn) {
	defer connection.Close()
	const data, settings, goAway, endStream = 0, 4, 7, 1
	frame := func(kind byte, content []byte) {
		header := binary.BigEndian.AppendUint32(nil, uint32(len(content))<<8|uint32(kind))
		_, _ = connection.Write(append(append(header, 0, 0, 0, 0, 0), content...))
	}
	if _, err := io.ReadFull(connection, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return
	}
	frame(settings, nil)
	for {
		var header [9]byte
		if _, err := io.ReadFull(connection, header[:]); err != nil {
			return
		}
		content := make([]byte, binary.BigEndian.Uint32(header[:4])>>8)
		if _, err := io.ReadFull(connection, content); err != nil {
			return
		}
		if header[3] == data && header[4]&endStream != 0 {
			reason := append([]byte{0, 0, 0, 1, 0, 0, 0, 1}, content...) // the last stream, PROTOCOL_ERROR
			frame(goAway, reason)
			return
		}
	}
}

func TestErrorsOfPostFormSayWhatAnOperatorNeeds(t *testing.T) {
	t.Parallel()
	untilTheEnd := func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body); <-r.Context().Done() }
	noFile := errors.New("open client.crt: no such file")
	for name, test := range map[string]struct {
		handler http.HandlerFunc // nil: 200
		server  func(*httptest.Server)
		client  func(*metadata.Client, *http.Transport)
		is      error
		text    string
	}{
		"refused": {client: func(_ *metadata.Client, transport *http.Transport) {
			transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, unused(t))
			}
		}, is: syscall.ECONNREFUSED, text: "connection refused"},
		"an unknown authority": {client: func(_ *metadata.Client, transport *http.Transport) {
			transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		}, text: "certificate signed by unknown authority"},
		"another name": {client: func(_ *metadata.Client, transport *http.Transport) {
			transport.TLSClientConfig.ServerName = "other.test"
		}, text: "certificate is valid for"},
		"a client certificate is required, TLS 1.3": {server: func(server *httptest.Server) {
			server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}
		}, text: "tls: certificate required"},
		"a client certificate is required, TLS 1.2": {server: func(server *httptest.Server) {
			server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}
		}, text: "tls: handshake failure"},
		"no client certificate to present": {server: func(server *httptest.Server) {
			server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
		}, client: func(_ *metadata.Client, transport *http.Transport) {
			transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return nil, noFile }
		}, is: noFile, text: noFile.Error()},
		"no answer in time": {handler: untilTheEnd, client: func(client *metadata.Client, _ *http.Transport) {
			client.Timeout = time.Second
		}, is: context.DeadlineExceeded, text: "no answer in time: context deadline exceeded"},
		"no answer in the transport's time": {handler: untilTheEnd, client: func(_ *metadata.Client, transport *http.Transport) {
			transport.ResponseHeaderTimeout = time.Second / 10
		}, is: context.DeadlineExceeded, text: "no answer in time: context deadline exceeded"},
		"no answer in the transport's time, HTTP/2": {handler: untilTheEnd, server: func(server *httptest.Server) {
			server.EnableHTTP2 = true
		}, client: func(_ *metadata.Client, transport *http.Transport) {
			transport.ResponseHeaderTimeout = time.Second / 10
		}, is: os.ErrDeadlineExceeded, text: "i/o timeout"},
		"no connection in the transport's time": {client: func(_ *metadata.Client, transport *http.Transport) {
			transport.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, os.ErrDeadlineExceeded }
		}, is: os.ErrDeadlineExceeded, text: "i/o timeout"},
		"hung up": {handler: hijacked(func(string) string { return "" }), is: io.EOF, text: "EOF"},
		"hung up within the body": {handler: hijacked(func(string) string {
			return "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"
		}), is: io.ErrUnexpectedEOF, text: "unexpected EOF"},
		"reset": {handler: func(w http.ResponseWriter, _ *http.Request) {
			connection, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			below := connection.(*tls.Conn).NetConn().(*net.TCPConn)
			_ = below.SetLinger(0)
			_ = below.Close()
		}, is: syscall.ECONNRESET, text: "connection reset by peer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(test.handler)
			server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail
			if test.server != nil {
				test.server(server)
			}
			server.StartTLS()
			t.Cleanup(server.Close)
			transport := server.Client().Transport.(*http.Transport).Clone()
			t.Cleanup(transport.CloseIdleConnections)
			client := &metadata.Client{Transport: transport}
			if test.client != nil {
				test.client(client, transport)
			}
			err := post(client, server.URL)
			requireNothingSent(t, err)
			require.Contains(t, err.Error(), "POST "+server.URL+": ")
			require.Contains(t, err.Error(), test.text)
			require.Equal(t, 1, strings.Count(err.Error(), server.URL), err)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
		})
	}
	t.Run("given up", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			cancel()
			<-r.Context().Done()
		}))
		t.Cleanup(server.Close)
		client := metadata.Client{Transport: server.Client().Transport}
		_, err := client.PostForm(ctx, server.URL, url.Values{"token": {postToken}}, nil)
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("a certificate that another transport refuses", func(t *testing.T) {
		t.Parallel()
		refused := &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
		err := post(&metadata.Client{Transport: failing{refused}}, "https://auth.example")
		require.ErrorAs(t, err, new(x509.UnknownAuthorityError))
		require.EqualError(t, err, "POST https://auth.example: "+refused.Error())
	})
	t.Run("no TLS", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(nil)
		t.Cleanup(server.Close)
		err := post(&metadata.Client{}, strings.Replace(server.URL, "http:", "https:", 1))
		require.ErrorIs(t, err, http.ErrSchemeMismatch)
	})
}

// hint is what a failed request says that may have lacked a certificate.
const hint = "; a server that wants a client certificate, or another one, may end a new connection so"

// A TLS 1.3 server refuses a client's certificate when the client has begun to
// write: what is not the alert itself leads to it.
func TestErrorsOfAServerThatWantsACertificate(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(nil)
			server.EnableHTTP2 = http2
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}
			server.StartTLS()
			t.Cleanup(server.Close)
			for range 20 {
				transport := server.Client().Transport.(*http.Transport).Clone()
				t.Cleanup(transport.CloseIdleConnections)
				client := &metadata.Client{Transport: transport, Timeout: time.Minute}
				err := post(client, server.URL)
				requireNothingSent(t, err)
				_, getErr := client.Get(t.Context(), server.URL)
				for _, err := range []error{err, getErr} {
					require.Error(t, err)
					alert := strings.HasSuffix(err.Error(), "remote error: tls: certificate required")
					require.NotEqual(t, alert, strings.HasSuffix(err.Error(), hint), err)
				}
			}
		})
	}
}

// How far a request got, as the transport reports it, decides what its error is.
func TestErrorsByHowFarARequestGot(t *testing.T) {
	t.Parallel()
	const (
		ended = "the connection ended: "
		ca    = "; add its CA to the RootCAs of the option Transport (see metadata.NewTransport)"
	)
	broken := &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
	reading := &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	late := &net.OpError{Op: "write", Net: "tcp", Err: os.ErrDeadlineExceeded}
	early := errors.New("http2: client conn could not be established")
	unknown := &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
	for name, test := range map[string]struct {
		transport traced
		want      string
	}{
		"writing":                   {traced{err: broken}, broken.Error() + hint},
		"before HTTP/2":             {traced{err: early}, early.Error() + hint},
		"reading":                   {traced{err: reading}, reading.Error()},
		"an answer has begun":       {traced{err: broken, answered: true}, broken.Error()},
		"too late":                  {traced{err: late}, "no answer in time: " + late.Error()},
		"reused":                    {traced{err: broken, reused: true}, ended + broken.Error()},
		"reused, before HTTP/2":     {traced{err: early, reused: true}, ended + early.Error()},
		"reused, an answer begun":   {traced{err: reading, reused: true, answered: true}, reading.Error()},
		"reused, too late":          {traced{err: late, reused: true}, "no answer in time: " + late.Error()},
		"reused, given up":          {traced{err: context.Canceled, reused: true}, "context canceled"},
		"no connection":             {traced{err: reading, none: true}, "no connection: " + reading.Error()},
		"no connection, unknown CA": {traced{err: unknown, none: true}, "no connection: " + unknown.Error() + ca},
		"not reported":              {traced{err: broken, silent: true}, broken.Error()},
		"not reported, unknown CA":  {traced{err: unknown, silent: true}, unknown.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := &metadata.Client{Transport: test.transport}
			require.EqualError(t, post(client, "https://auth.example"), "POST https://auth.example: "+test.want)
			_, err := client.Get(t.Context(), "https://auth.example")
			require.EqualError(t, err, "GET https://auth.example: "+test.want)
		})
	}
}

// traced is a transport that got a connection, or none, and then an error. A
// silent one does not say so.
type traced struct {
	err                            error
	silent, none, reused, answered bool
}

func (d traced) RoundTrip(r *http.Request) (*http.Response, error) {
	if d.silent {
		return nil, d.err
	}
	trace := httptrace.ContextClientTrace(r.Context())
	trace.GetConn(r.URL.Host)
	if d.none {
		return nil, d.err
	}
	trace.GotConn(httptrace.GotConnInfo{Reused: d.reused})
	if d.answered {
		trace.GotFirstResponseByte()
	}
	return nil, d.err
}

// unused is an address where nobody listens.
func unused(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}
