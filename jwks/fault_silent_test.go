package jwks_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// A freezer carries bytes between clients and a server, until it is told to carry
// no more of the connections that there are: they stay open and are silent, as
// those behind a NAT that has forgotten them.
type freezer struct {
	listener net.Listener
	server   string
	running  sync.WaitGroup

	mu     sync.Mutex
	frozen chan struct{} // of the connections since the last freeze
	conns  []net.Conn
}

func newFreezer(t *testing.T, server string) *freezer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f := &freezer{listener: listener, server: server, frozen: make(chan struct{})}
	f.running.Go(f.serve)
	t.Cleanup(func() {
		_ = listener.Close()
		f.mu.Lock()
		for _, conn := range f.conns {
			_ = conn.Close()
		}
		f.mu.Unlock()
		f.running.Wait()
	})
	return f
}

func (f *freezer) serve() {
	for {
		client, err := f.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", f.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		f.mu.Lock()
		frozen := f.frozen
		f.conns = append(f.conns, client, server)
		f.mu.Unlock()
		f.running.Go(func() { carry(server, client, frozen) })
		f.running.Go(func() { carry(client, server, frozen) })
	}
}

func carry(to, from net.Conn, frozen <-chan struct{}) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		select {
		case <-frozen: // read on, and tell nobody
			if err != nil {
				return
			}
			continue
		default:
		}
		_, _ = to.Write(buffer[:n])
		if err != nil {
			_ = to.Close()
			return
		}
	}
}

func (f *freezer) freeze() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.frozen)
	f.frozen = make(chan struct{})
}

// M/398: a connection to the key set that dies silently fails what it carried,
// and no more.
func TestConnectionThatGoesSilent(t *testing.T) {
	t.Parallel()
	ofDefault := func() *http.Transport { return http.DefaultTransport.(*http.Transport).Clone() }
	for name, transport := range map[string]func() *http.Transport{
		"our transport":               func() *http.Transport { return nil },
		"a clone of DefaultTransport": ofDefault,
		"a long idle timeout": func() *http.Transport {
			transport := ofDefault()
			transport.IdleConnTimeout = time.Hour
			return transport
		},
	} {
		for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run("M/398 "+name+", "+protocol, func(t *testing.T) {
				t.Parallel()
				older, newer, newest := newFaultKey("1"), newFaultKey("2"), newFaultKey("3")
				issuer := newFaultIssuer("", older)
				server := loopbackServer(t, issuer, func(s *httptest.Server) { s.EnableHTTP2 = protocol == "HTTP/2.0" })
				silent := newFreezer(t, server.Listener.Addr().String())
				issuer.url = "https://" + silent.listener.Addr().String()
				used := transport()
				v := newFaultVerifier(t, issuer, nil, func(c *jwks.Config) {
					c.FetchTimeout = 2 * time.Second
					if used != nil {
						used.TLSClientConfig = &tls.Config{RootCAs: faultRoots(), MinVersion: tls.VersionTLS12}
						c.Transport = used
						t.Cleanup(used.CloseIdleConnections)
					}
				})
				v.accepts(t, older.token(issuer.url))
				issuer.publish(older, newer)
				v.accepts(t, newer.token(issuer.url))
				issuer.publish(older, newer, newest)
				silent.freeze()
				frozen := time.Now()
				for {
					ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
					_, err := v.VerifyToken(ctx, newest.token(issuer.url))
					cancel()
					if err == nil {
						break
					}
					require.NoError(t, isAway(err))
					v.accepts(t, older.token(issuer.url))
					require.Less(t, time.Since(frozen), time.Minute, "for ever")
					time.Sleep(50 * time.Millisecond)
				}
				t.Logf("back after %v", time.Since(frozen))
				require.Less(t, time.Since(frozen), 10*time.Second)
			})
		}
	}
}

// isAway: nobody can say, for whatever reason.
func isAway(err error) error {
	if isLacking(err) == nil {
		return nil
	}
	return isLimited(err)
}

// A token is judged when it is accepted, not when it came.
func TestTokenThatEndsWhileItWaitsForKeys(t *testing.T) {
	key := newFaultKey("1")
	for name, row := range map[string]struct {
		leeway time.Duration
		want   binding.Reason
	}{
		"without leeway":    {-1, binding.ReasonTokenExpired},
		"within the leeway": {5 * time.Second, ""},
		"past the leeway":   {2 * time.Second, binding.ReasonTokenExpired},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
				issuer.answer(after(4*time.Second, body(jwkSetOf(key))))
				v := newFaultVerifier(t, issuer, network.transport(t), func(c *jwks.Config) { c.Clock, c.Leeway = nil, row.leeway })
				exp := time.Now().Add(time.Second)
				_, err := v.VerifyToken(t.Context(), key.token(issuer.url, "iat", time.Now().Unix(), "exp", exp.Unix()))
				if row.want == "" {
					require.NoError(t, err)
					return
				}
				require.Error(t, err)
				require.Equal(t, row.want, binding.AsError(err).Reason)
				require.Greater(t, time.Since(exp), 2*time.Second, "it has waited")
			}, key)
		})
	}
}
