package introspection_test

import (
	"bufio"
	"bytes"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/introspection"
	"github.com/certbound/certbound/binding/metadata"
)

// M/398: with the defaults, frozen connections are given up within 10 seconds.
func TestConnectionsThatDieSilently(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		server := newTLSServer(t, http2)
		for name, transport := range map[string]func() http.RoundTripper{
			"our transport, with roots": func() http.RoundTripper {
				transport := metadata.NewTransport()
				transport.TLSClientConfig.RootCAs = server.roots
				return transport
			},
			"a clone of http.DefaultTransport": func() http.RoundTripper {
				transport := http.DefaultTransport.(*http.Transport).Clone()
				transport.TLSClientConfig = server.tlsConfig()
				return transport
			},
			"one that is wrapped": func() http.RoundTripper {
				return wrapped{&http.Transport{TLSClientConfig: server.tlsConfig(), ForceAttemptHTTP2: true, IdleConnTimeout: time.Hour}}
			},
		} {
			t.Run(fmt.Sprintf("M/398 HTTP/2 %v, %s", http2, name), func(t *testing.T) {
				t.Parallel()
				given := transport()
				var mu sync.Mutex
				var frozen []*freezable
				dial := func(network, address string) (net.Conn, error) {
					connection, err := net.Dial(network, address)
					if err != nil {
						return nil, err
					}
					mu.Lock()
					defer mu.Unlock()
					f := &freezable{Conn: connection, frozen: make(chan struct{}), closed: make(chan struct{})}
					frozen = append(frozen, f)
					return f, nil
				}
				switch given := given.(type) {
				case *http.Transport:
					given.DialContext = nil
					//lint:ignore SA1019 it needs no context, and is still obeyed
					given.Dial = dial
				case wrapped:
					//lint:ignore SA1019 it needs no context, and is still obeyed
					given.Transport.Dial = dial
					t.Cleanup(given.CloseIdleConnections)
				}
				config := server.config()
				config.Transport, config.Timeout = given, 0
				v := newVerifier(t, config)
				n := 0
				ask := func() error {
					n++
					_, err := v.VerifyToken(t.Context(), fmt.Sprint("token-", n))
					return err
				}
				for ask() != nil { // a busy machine may be slow
				}
				mu.Lock()
				for _, f := range frozen {
					close(f.frozen)
				}
				mu.Unlock()
				start := time.Now()
				for ask() != nil {
					require.Less(t, time.Since(start), time.Minute)
					time.Sleep(100 * time.Millisecond)
				}
				t.Log("back after", time.Since(start).Round(10*time.Millisecond))
				require.Less(t, time.Since(start), 12*time.Second, "10 s, and what a busy machine takes")
			})
		}
	}
}

// A wrapped transport is no *http.Transport to us, as one that traces is not.
type wrapped struct{ *http.Transport }

// A freezable connection swallows everything once it is frozen, and says nothing.
type freezable struct {
	net.Conn
	frozen, closed chan struct{}
	once           sync.Once
}

func (f *freezable) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	select {
	case <-f.frozen:
		<-f.closed
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

func (f *freezable) Write(p []byte) (int, error) {
	select {
	case <-f.frozen:
		return len(p), nil
	default:
		return f.Conn.Write(p)
	}
}

func (f *freezable) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.Conn.Close()
}

// M/400: a server may close a connection that was kept, just when it is used.
func TestConnectionThatEndsUnderACall(t *testing.T) {
	t.Parallel()
	key := ecdsaKey(t, elliptic.P256())
	for _, method := range []introspection.AuthMethod{introspection.ClientSecretBasic, introspection.PrivateKeyJWT} {
		t.Run("M/400 "+string(method), func(t *testing.T) {
			t.Parallel()
			template := newTLSServer(t, false)
			listener, err := tls.Listen("tcp", "127.0.0.1:0", template.TLS)
			require.NoError(t, err)
			assertions := make(chan string, 100)
			var serving sync.WaitGroup
			t.Cleanup(serving.Wait)
			t.Cleanup(func() { _ = listener.Close() })
			serving.Go(func() {
				for {
					connection, err := listener.Accept()
					if err != nil {
						return
					}
					serving.Go(func() { answerOne(connection, assertions) })
				}
			})
			transport := metadata.NewTransport()
			transport.TLSClientConfig.RootCAs = template.roots
			config := template.config()
			config.URL, config.Transport = "https://"+listener.Addr().String()+"/introspect", transport
			if method == introspection.PrivateKeyJWT {
				config.AuthMethod, config.ClientSecret, config.SigningKey = method, "", key
			}
			v := newVerifier(t, config)
			for n := range 4 {
				_, err := v.VerifyToken(t.Context(), fmt.Sprint("token-", n))
				require.NoError(t, err, "%v", binding.AsError(err))
			}
			require.NoError(t, v.Close())
			close(assertions)
			seen := make(map[string]bool)
			for assertion := range assertions {
				if method == introspection.PrivateKeyJWT {
					require.NotEmpty(t, assertion)
					require.False(t, seen[assertion], "each is new")
					seen[assertion] = true
				}
			}
		})
	}
}

// A call is made anew, twice at most, if its connection had been used before and ended: net/http does not always.
func TestACallIsMadeAnewTwice(t *testing.T) {
	t.Parallel()
	for _, method := range []introspection.AuthMethod{introspection.ClientSecretBasic, introspection.PrivateKeyJWT} {
		made := 0
		c := config(nil)
		c.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			made++
			httptrace.ContextClientTrace(r.Context()).GotConn(httptrace.GotConnInfo{Reused: true})
			return nil, io.EOF
		})
		if method == introspection.PrivateKeyJWT {
			c.AuthMethod, c.ClientSecret, c.SigningKey = method, "", ecdsaKey(t, elliptic.P256())
		}
		_, err := newVerifier(t, c).VerifyToken(t.Context(), canary)
		require.ErrorIs(t, err, metadata.ErrConnectionEnded)
		require.Equal(t, 3, made, method)
	}
}

// answerOne answers a connection's first request, and hangs up at the second
// without a word.
func answerOne(connection net.Conn, assertions chan<- string) {
	defer connection.Close()
	reader := bufio.NewReader(connection)
	for n := range 2 {
		r, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		assertions <- form.Get("client_assertion")
		if n > 0 {
			return
		}
		answer := text(good(nil))
		fmt.Fprintf(connection, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
	}
}

// M/400: over HTTP/2 one connection has all calls. If it ends under them without a word, all are made anew, and nobody is told that
// the server is away.
func TestSharedConnectionThatEndsUnderCalls(t *testing.T) {
	t.Parallel()
	const calls = 6
	key, own := ecdsaKey(t, elliptic.P256()), selfSigned(t, "api")
	for method, with := range map[introspection.AuthMethod]func(*introspection.Config){
		introspection.ClientSecretBasic: func(*introspection.Config) {},
		introspection.TLSClientAuth:     func(c *introspection.Config) { c.ClientSecret, c.ClientCertificate = "", own },
		introspection.PrivateKeyJWT:     func(c *introspection.Config) { c.ClientSecret, c.SigningKey = "", key },
	} {
		t.Run("M/400 HTTP/2, "+string(method), func(t *testing.T) {
			t.Parallel()
			first := make(chan net.Conn, 1)
			var left atomic.Int32 // calls to hold
			held := make(chan struct{})
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if n := left.Add(-1); n >= 0 {
					if n == 0 {
						close(held)
					}
					<-r.Context().Done()
					return
				}
				_, _ = io.WriteString(w, text(good(nil)))
			}))
			s.EnableHTTP2 = true
			s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.Config.ConnState = func(c net.Conn, state http.ConnState) {
				if state == http.StateNew {
					select {
					case first <- c:
					default: // each call that is made anew may have its own
					}
				}
			}
			s.StartTLS()
			t.Cleanup(s.Close)
			transport := metadata.NewTransport()
			transport.TLSClientConfig.RootCAs = x509.NewCertPool()
			transport.TLSClientConfig.RootCAs.AddCert(s.Certificate())
			told := &events{}
			config := introspection.Config{
				Issuer: issuer, Audiences: []string{audience}, URL: s.URL + "/introspect", ClientID: "api", ClientSecret: secret,
				AuthMethod: method, Transport: transport, Observe: told.observe, Timeout: 30 * time.Second,
			}
			with(&config)
			v := newVerifier(t, config)
			_, err := v.VerifyToken(t.Context(), "the-first")
			require.NoError(t, err)

			left.Store(calls)
			var group sync.WaitGroup
			for n := range calls {
				group.Go(func() {
					_, err := v.VerifyToken(t.Context(), fmt.Sprint("token-", n))
					assert.NoError(t, err, "%+v", errors.Unwrap(err))
				})
			}
			<-held
			_ = (<-first).(*tls.Conn).NetConn().Close() // as a balancer does, or a process that is killed
			group.Wait()
			_, err = v.VerifyToken(t.Context(), "the-next")
			require.NoError(t, err)
			require.NoError(t, v.Close())
			require.Zero(t, told.count(introspection.CallFailed)+told.count(introspection.BreakerOpened))
		})
	}
}

// N/430: what the server is told of who asks.
func TestClientIDIsSentWhereNothingElseNamesUs(t *testing.T) {
	t.Parallel()
	own := selfSigned(t, "api")
	for name, test := range map[string]struct {
		with func(*introspection.Config)
		want string
	}{
		"N/430 private_key_jwt": {func(c *introspection.Config) {
			c.AuthMethod, c.ClientSecret, c.SigningKey = introspection.PrivateKeyJWT, "", ecdsaKey(t, elliptic.P256())
		}, "api"},
		"N/430 client_secret_basic": {func(*introspection.Config) {}, ""},
		"N/430 tls_client_auth": {func(c *introspection.Config) {
			c.AuthMethod, c.ClientSecret, c.ClientCertificate = introspection.TLSClientAuth, "", own
		}, "api"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newTLSServer(t, true)
			config := server.config()
			transport := metadata.NewTransport()
			transport.TLSClientConfig.RootCAs = server.roots
			config.Transport = transport
			test.with(&config)
			_, err := newVerifier(t, config).VerifyToken(t.Context(), canary)
			require.NoError(t, err)
			require.Equal(t, test.want, server.calls[0].clientID)
		})
	}
}

// B/26: how long a token may be is configured, for tokens that carry much.
func TestMaxTokenBytes(t *testing.T) {
	t.Parallel()
	for most, configured := range map[int]int{16 << 10: 0, 100: 100, 64 << 10: 64 << 10} {
		s := &server{answer: always(http.StatusOK, text(good(nil)))}
		c := config(s)
		c.MaxTokenBytes = configured
		v := newVerifier(t, c)
		_, err := v.VerifyToken(t.Context(), strings.Repeat("a", most))
		require.NoError(t, err)
		_, err = v.VerifyToken(t.Context(), strings.Repeat("a", most+1))
		requireReason(t, err, binding.ReasonTokenTooLong)
		require.Equal(t, 1, s.calls())
	}
	for _, wrong := range []int{-1, 64<<10 + 1} {
		c := config(&server{})
		c.MaxTokenBytes = wrong
		_, err := introspection.New(c)
		require.Equal(t, []string{"MaxTokenBytes"}, mistakes(err))
	}
}

func TestMaxBody(t *testing.T) {
	t.Parallel()
	body := text(good(nil))
	for name, test := range map[string]struct {
		most int
		want error
	}{"just long enough": {len(body), nil}, "a byte too short": {len(body) - 1, metadata.ErrTooBig}} {
		c := config(&server{answer: always(http.StatusOK, body)})
		c.MaxBody = test.most
		_, err := newVerifier(t, c).VerifyToken(t.Context(), canary)
		require.ErrorIs(t, err, test.want, name)
	}
}

// M/417: whatever prints it, a credential is not shown.
func TestPrintedCredentials(t *testing.T) {
	t.Parallel()
	key := ed25519Key(t)
	c := config(&server{answer: always(http.StatusOK, text(good(nil)))})
	c.ClientSecret, c.ClientID = canary, "api"
	c.ClientCertificate = tls.Certificate{PrivateKey: key}
	v := newVerifier(t, c)
	var logged bytes.Buffer
	for _, shown := range []any{c, &c, v, []any{c, v}, map[string]any{"config": c}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&logged, verb+"\n", shown)
		}
		slog.New(slog.NewTextHandler(&logged, nil)).Info("shown", "it", shown)
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("shown", "it", shown)
		encoded, _ := json.Marshal(shown)
		logged.Write(encoded)
	}
	for _, secret := range []string{canary, fmt.Sprintf("%x", canary), string(key), fmt.Sprint([]byte(key)), fmt.Sprintf("%x", []byte(key)), fmt.Sprint([]byte(canary))} {
		require.NotContains(t, logged.String(), secret)
	}
	require.Contains(t, logged.String(), issuer)
}
