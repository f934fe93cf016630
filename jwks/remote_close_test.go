package jwks_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/metadata"
	"github.com/certbound/certbound/jwks"
)

// 3.13, I/256, I/257: Close. TestMain looks for goroutines at the end of all
// tests, and a bubble panics if one is left in it.

func TestClose(t *testing.T) {
	key := newFaultKey("1")

	t.Run("3.13 during a fetch, with waiters: I/256", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			issuer.answer(hang)
			v := newFaultVerifier(t, issuer, network.transport(t))
			waiting := verifyAtOnce(t.Context(), v, 100, key.token(issuer.url))
			require.Equal(t, 1, issuer.fetches())
			start := time.Now()
			require.NoError(t, v.Close())
			for range 100 {
				require.ErrorIs(t, requireUnavailable(t, <-waiting), jwks.ErrClosed)
			}
			require.NoError(t, v.Close(), "again")
			require.Zero(t, time.Since(start))
			require.Empty(t, v.log.all())
		})
	})

	t.Run("at any time, by many", func(t *testing.T) {
		issuer := newFaultIssuer("https://issuer.example", key)
		for range 200 {
			v := newFaultVerifier(t, issuer, inMemory(issuer))
			done := make(chan error)
			for range 3 {
				go func() { done <- v.Close() }()
				go func() {
					_, err := v.VerifyToken(t.Context(), key.token(issuer.url))
					if err == nil || binding.AsError(err).Reason == binding.ReasonKeysUnavailable {
						err = nil
					}
					done <- err
				}()
			}
			for range 6 {
				require.NoError(t, <-done)
			}
			v.lacks(t, key.token(issuer.url))
		}
	})

	t.Run("just when a token has opened a fetch", func(t *testing.T) {
		var keys []faultKey
		for n := range 1_000 { // so that it takes a moment to tell what the fetch before it brought
			keys = append(keys, newFaultKey(fmt.Sprint(n)))
		}
		issuer := newFaultIssuer("https://issuer.example", keys...)
		token := newFaultKey("nobody's").token(issuer.url)
		for range 10 {
			asked := make(chan struct{}, 10)
			v := newFaultVerifier(t, issuer, roundTrip(func(r *http.Request) (*http.Response, error) {
				asked <- struct{}{}
				return inMemory(issuer).RoundTrip(r)
			}), func(c *jwks.Config) { c.URL, c.MaxKeys = issuer.keySetURL(), len(keys) })
			<-asked
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // long after Close
			defer cancel()
			waiting := make(chan error, 1)
			go func() {
				_, err := v.VerifyToken(ctx, token)
				waiting <- err
			}()
			for v.Stats().Keys == 0 {
				runtime.Gosched()
			}
			require.NoError(t, v.Close())
			reason := binding.AsError(<-waiting).Reason
			require.Contains(t, []binding.Reason{binding.ReasonKeysUnavailable, binding.ReasonTokenKeyUnknown}, reason)
		}
	})

	t.Run("ends all fetching", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t))
			v.accepts(t, key.token(issuer.url))
			require.NoError(t, v.Close())
			require.ErrorIs(t, v.lacks(t, key.token(issuer.url)), jwks.ErrClosed)
			require.ErrorIs(t, v.lacks(t, newFaultKey("2").token(issuer.url)), jwks.ErrClosed)
			v.refuses(t, key.token("https://other.example"), binding.ReasonTokenIssuer)
			time.Sleep(24 * time.Hour)
			require.Equal(t, 1, issuer.fetches())
		}, key)
	})

	t.Run("an answer after it is discarded: I/257", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			issuer := newFaultIssuer("https://issuer.example", key)
			release := make(chan struct{})
			v := newFaultVerifier(t, issuer, roundTrip(func(r *http.Request) (*http.Response, error) {
				<-release // whatever becomes of its context
				return inMemory(issuer).RoundTrip(r)
			}))
			waiting := verifyAtOnce(t.Context(), v, 1, key.token(issuer.url))
			closed := make(chan error, 1)
			go func() { closed <- v.Close() }()
			synctest.Wait()
			require.Empty(t, closed, "Close waits for the goroutine")
			close(release)
			require.NoError(t, <-closed)
			require.ErrorIs(t, requireUnavailable(t, <-waiting), jwks.ErrClosed)
			require.ErrorIs(t, v.Ready(), jwks.ErrClosed)
			v.lacks(t, key.token(issuer.url))
			require.Empty(t, v.log.all())
		})
	})

	t.Run("a Transport that ends its goroutine", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			issuer := newFaultIssuer("https://issuer.example", key)
			release := make(chan struct{})
			v := newFaultVerifier(t, issuer, roundTrip(func(*http.Request) (*http.Response, error) {
				<-release
				runtime.Goexit()
				return nil, nil
			}))
			waiting := verifyAtOnce(t.Context(), v, 1, key.token(issuer.url))
			close(release)
			synctest.Wait()
			require.Len(t, waiting, 1)
			require.ErrorIs(t, requireUnavailable(t, <-waiting), metadata.ErrTransport)
			require.ErrorIs(t, v.Ready(), jwks.ErrNotReady)
			require.ErrorIs(t, v.lacks(t, key.token(issuer.url)), jwks.ErrNotReady, "it is asked again")
		})
	})
}

// withOwnTransport makes a verifier with the transport that New makes, which
// trusts the certificate of these tests: see TestMain.
func withOwnTransport(t *testing.T, issuer *faultIssuer, changes ...func(*jwks.Config)) faultVerifier {
	t.Helper()
	return newFaultVerifier(t, issuer, nil, changes...)
}

// The transport that New makes is nobody else's: nothing of it is left after
// Close, nor of HTTP/2, whose connections live longer than their requests.
func TestCloseLeavesNothingOfItsOwnTransport(t *testing.T) {
	key := newFaultKey("1")
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run("3.13 "+protocol, func(t *testing.T) {
			ignore := goleak.IgnoreCurrent()
			issuer := newFaultIssuer("", key)
			var open atomic.Int64
			server := loopbackServer(t, issuer, func(s *httptest.Server) {
				s.EnableHTTP2 = protocol == "HTTP/2.0"
				s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
					switch state {
					case http.StateNew:
						open.Add(1)
					case http.StateClosed:
						open.Add(-1)
					}
				}
			})
			issuer.url = server.URL
			for range 20 {
				var spoken atomic.Value
				issuer.answer(func(w http.ResponseWriter, r *http.Request) {
					spoken.Store(r.Proto)
					body(jwkSetOf(key))(w, r)
				})
				v := withOwnTransport(t, issuer)
				v.accepts(t, key.token(issuer.url))
				require.Equal(t, protocol, spoken.Load())
				// Kept for the next fetch, it would be there for 10 s.
				await(t, "no connection between fetches", func() bool { return open.Load() == 0 })

				before := issuer.fetches()
				issuer.answer(hang)
				go func() { _, _ = v.VerifyToken(t.Context(), newFaultKey("2").token(issuer.url)) }()
				await(t, "a fetch", func() bool { return issuer.fetches() > before })
				require.NoError(t, v.Close())
				await(t, "no connection after Close", func() bool { return open.Load() == 0 })
			}
			server.Close()
			goleak.VerifyNone(t, ignore)
		})
	}
}

// net/http goes on to connect for a request that was given up. A server that
// accepts and says nothing would have more and more of them.
func TestConnectionThatComesToNothingIsGivenUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var accepted atomic.Int64
	when := make(chan int64, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if accepted.Add(1) > 1 {
				defer func() { _ = conn.Close() }()
				continue
			}
			go func() {
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
				when <- accepted.Load()
			}()
		}
	}()
	issuer := newFaultIssuer("https://" + listener.Addr().String())
	v := withOwnTransport(t, issuer, func(c *jwks.Config) { c.FetchTimeout = 50 * time.Millisecond })
	// Left alone the first would end after 10 s, when the back-off has made at
	// least three more.
	require.Less(t, <-when, int64(4))
	require.NoError(t, v.Close())
	require.NoError(t, listener.Close())
	<-done
}
