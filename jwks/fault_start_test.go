package jwks_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks"
)

// The time before the first good fetch.

func TestColdStart(t *testing.T) {
	key := newFaultKey("1")

	t.Run("3.1 a thousand requests, one fetch: I/249", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			release := make(chan struct{})
			issuer.answer(held(release, body(jwkSetOf(key))))
			v := newFaultVerifier(t, issuer, network.transport(t))
			errs := verifyAtOnce(t.Context(), v, 1_000, key.token(issuer.url))
			require.Equal(t, 1, issuer.fetches())
			close(release)
			for range 1_000 {
				require.NoError(t, <-errs)
			}
			require.Equal(t, 1, issuer.fetches())
			require.Equal(t, 1, issuer.metadataReads())
		})
	})

	t.Run("3.20 the thousand-and-first waiter is answered at once", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			release := make(chan struct{})
			issuer.answer(held(release, body(jwkSetOf(key))))
			v := newFaultVerifier(t, issuer, network.transport(t))
			errs := verifyAtOnce(t.Context(), v, 1_005, key.token(issuer.url))
			require.Len(t, errs, 5, "answered while the fetch hangs")
			for range 5 {
				refusal := requireUnavailable(t, <-errs)
				require.Equal(t, time.Second, refusal.RetryAfter)
			}
			close(release)
			for range 1_000 {
				require.NoError(t, <-errs)
			}
			// Who waited has left: there is room again.
			v.accepts(t, key.token(issuer.url))
			again := make(chan struct{})
			defer close(again)
			issuer.answer(held(again, body(jwkSetOf(key))))
			errs = verifyAtOnce(t.Context(), v, 1_001, newFaultKey("2").token(issuer.url))
			require.Len(t, errs, 1)
			refusal := requireUnavailable(t, <-errs)
			require.Equal(t, time.Second, refusal.RetryAfter, "not the time of the next scheduled fetch")
		})
	})

	t.Run("3.20 in a back-off as well", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t), func(c *jwks.Config) { c.MaxWaiters = 1 })
			v.accepts(t, key.token(issuer.url))
			for range 10 {
				network.fail(true)
				time.Sleep(time.Hour)
				network.fail(false)
				issuer.answer(hang)
				unknown := newFaultKey("2").token(issuer.url)
				first := verifyAtOnce(t.Context(), v, 1, unknown)
				require.Equal(t, time.Second, v.lacks(t, unknown).RetryAfter, "a fetch is under way")
				require.ErrorIs(t, <-first, context.DeadlineExceeded)
			}
		}, key)
	})

	t.Run("3.2 the endpoint hangs: 503 after 5 s: I/223", func(t *testing.T) {
		for name, hangs := range map[string]func(*faultIssuer){
			"key set":  func(i *faultIssuer) { i.answer(hang) },
			"metadata": func(i *faultIssuer) { i.answerMetadata(hang) },
			"3 s each, together over 5 s": func(i *faultIssuer) {
				i.answerMetadata(after(3*time.Second, i.goodMetadata))
				i.answer(after(3*time.Second, body(jwkSetOf(key))))
			},
			"3.3 one byte a second: I/222": func(i *faultIssuer) { i.answer(aByteASecond(jwkSetOf(key))) },
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
					hangs(issuer)
					start := time.Now()
					v := newFaultVerifier(t, issuer, network.transport(t))
					require.Zero(t, time.Since(start), "New waits for nobody")
					refusal := v.lacks(t, key.token(issuer.url))
					require.ErrorIs(t, refusal, jwks.ErrNotReady)
					require.ErrorIs(t, refusal, context.DeadlineExceeded)
					require.Equal(t, 5*time.Second, time.Since(start))
				})
			})
		}
	})

	t.Run("a body that takes 4 s is good", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			issuer.answer(after(4*time.Second, body(jwkSetOf(key))))
			v := newFaultVerifier(t, issuer, network.transport(t))
			v.accepts(t, key.token(issuer.url))
		})
	})

	t.Run("3.5 down for ten minutes: I/224, I/225", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			network.fail(true)
			start := time.Now()
			v := newFaultVerifier(t, issuer, network.transport(t))
			require.Error(t, v.Ready())
			require.Zero(t, time.Since(start), "New waits for nobody")
			synctest.Wait() // for the first attempt
			for time.Since(start) < 10*time.Minute {
				before, dialed := time.Now(), network.dialed("issuer.example")
				refusal := v.lacks(t, key.token(issuer.url))
				require.Zero(t, time.Since(before), "503 at once during back-off")
				require.Equal(t, dialed, network.dialed("issuer.example"), "no request causes an attempt")
				require.ErrorIs(t, v.Ready(), jwks.ErrNotReady)
				// Whoever comes back when told to finds the next attempt made.
				time.Sleep(refusal.RetryAfter + time.Millisecond)
				require.Greater(t, network.dialed("issuer.example"), dialed)
			}
			network.fail(false)
			refusal := v.lacks(t, key.token(issuer.url))
			time.Sleep(min(time.Minute, refusal.RetryAfter) + time.Millisecond)
			require.NoError(t, v.Ready())
			v.accepts(t, key.token(issuer.url))
		}, key)
	})

	t.Run("Ready", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			release := make(chan struct{})
			issuer.answer(held(release, body(jwkSetOf(key))))
			v := newFaultVerifier(t, issuer, network.transport(t))
			synctest.Wait()
			require.ErrorIs(t, v.Ready(), jwks.ErrNotReady)
			close(release)
			synctest.Wait()
			require.NoError(t, v.Ready())
			require.NoError(t, v.Close())
			require.ErrorIs(t, v.Ready(), jwks.ErrClosed)
		})
	})
}

// verifyAtOnce verifies from n goroutines and returns when all of them wait or
// have an answer.
func verifyAtOnce(ctx context.Context, v faultVerifier, n int, token string) chan error {
	errs := make(chan error, n)
	for range n {
		go func() {
			_, err := v.VerifyToken(ctx, token)
			errs <- err
		}()
	}
	synctest.Wait()
	return errs
}

func aByteASecond(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for n := range text {
			_, _ = w.Write([]byte(text[n : n+1]))
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(time.Second):
			case <-r.Context().Done():
				panic(http.ErrAbortHandler) // or the answer would end in good order
			}
		}
	}
}

// A fetch may land between a request's look at the keys and its question what
// to do about them: such a request has to look again, and causes no other.
func TestFetchThatLandsMeanwhileIsSeen(t *testing.T) {
	key := newFaultKey("1")
	for range 500 {
		synctest.Test(t, func(t *testing.T) {
			issuer := newFaultIssuer("https://issuer.example", key)
			token := key.token(issuer.url)
			v := newFaultVerifier(t, issuer, inMemory(issuer))
			var all sync.WaitGroup
			errs := make([]error, 8)
			for n := range errs {
				all.Go(func() { _, errs[n] = v.VerifyToken(t.Context(), token) })
			}
			all.Wait()
			for _, err := range errs {
				require.NoError(t, err, "cause: %v", errorCause(err))
			}
			synctest.Wait()
			require.Equal(t, 1, issuer.fetches())
		})
	}
}
