package introspection_test

import (
	"context"
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/introspection"
)

// slow answers after a while, unless the call ends before.
func slow(d time.Duration) func(*http.Request, string) (*http.Response, error) {
	return func(r *http.Request, _ string) (*http.Response, error) {
		select {
		case <-time.After(d):
			return reply(http.StatusOK, text(good(nil))), nil
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

func TestOneCallHoweverManyAsk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: slow(time.Second)}
		v := newVerifier(t, config(s))
		var all sync.WaitGroup
		var tokens sync.Map
		for n := range 1000 {
			all.Go(func() {
				token, err := v.VerifyToken(t.Context(), canary)
				if err == nil {
					tokens.Store(n, token)
				}
			})
		}
		all.Wait()
		require.Equal(t, 1, s.calls())
		for n := range 1000 {
			_, ok := tokens.Load(n)
			require.True(t, ok)
		}
		for n := range 64 { // who joined a call has taken no place of another
			all.Go(func() {
				if _, err := v.VerifyToken(t.Context(), fmt.Sprint("another-", n)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})
}

func TestACallerThatLeavesEndsNoCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: slow(2 * time.Second)}
		v := newVerifier(t, config(s))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		done := make(chan error)
		go func() {
			_, err := v.VerifyToken(t.Context(), canary)
			done <- err
		}()
		_, err := v.VerifyToken(ctx, canary)
		requireReason(t, err, binding.ReasonCanceled)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, <-done, "nor anybody else's")
		require.Equal(t, 1, s.calls())
	})
}

func TestACallThatNobodyWaitsForIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: slow(2 * time.Second)}
		v := newVerifier(t, config(s))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := v.VerifyToken(ctx, canary)
		requireReason(t, err, binding.ReasonCanceled)
		time.Sleep(3 * time.Second)
		_, err = v.VerifyToken(ctx, canary)
		require.NoError(t, err)
		require.Equal(t, 1, s.calls())
	})
}

func TestMoreThan64InFlightAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: slow(3 * time.Second)}
		v := newVerifier(t, config(s))
		var all sync.WaitGroup
		for n := range 64 {
			all.Go(func() {
				_, err := v.VerifyToken(t.Context(), fmt.Sprint("token-", n))
				if err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		_, err := v.VerifyToken(t.Context(), "one-more")
		refusal := requireReason(t, err, binding.ReasonUnavailable)
		require.ErrorIs(t, err, introspection.ErrBusy)
		require.Equal(t, time.Second, refusal.RetryAfter)
		require.Equal(t, start, time.Now(), "at once")
		all.Go(func() { // one that shares a call is not one more
			_, err := v.VerifyToken(t.Context(), "token-0")
			if err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		synctest.Wait()
		_, err = v.VerifyToken(t.Context(), "one-more")
		require.NoError(t, err)
		require.Equal(t, 65, s.calls())
	})
}

// A quarter of the places is kept for tokens that were active before, bound or
// not.
func TestAQuarterIsKeptForTokensThatWereActive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: always(http.StatusOK, text(good(members{"cnf": nil})))}
		c := config(s)
		c.MaxInFlight = 4
		v := newVerifier(t, c)
		_, err := v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		time.Sleep(10 * time.Second) // it is not remembered
		s.set(func(s *server) { s.answer = slow(time.Second) })
		var all sync.WaitGroup
		for n := range 3 {
			all.Go(func() { _, _ = v.VerifyToken(t.Context(), fmt.Sprint("token-", n)) })
		}
		synctest.Wait()
		_, err = v.VerifyToken(t.Context(), "one-more")
		require.ErrorIs(t, err, introspection.ErrBusy)
		_, err = v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		all.Wait()
	})
}

// Who has presented a token that was active is known for an hour after it was
// asked about, and gets a place for others where strangers get none.
func TestClientsAreKnownForAnHour(t *testing.T) {
	t.Parallel()
	clients := certificates(t, 2)
	for after, want := range map[time.Duration]error{time.Hour - 1: nil, time.Hour: introspection.ErrBusy} {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := config(oddServer(map[string]*x509.Certificate{"a": clients[0], "b": clients[1]}, 0, slow(2*time.Second)))
				c.MaxInFlight = 4
				guard := newGuard(t, binding.Config{Tokens: newVerifier(t, c)})
				check := func(token string, client int) error {
					_, err := guard.Check(from(bearer(token), clients[client]))
					return err
				}
				require.NoError(t, check("good-a-1", 0))
				time.Sleep(after - time.Second)
				require.NoError(t, check("good-b-1", 1), "somebody to keep places for")
				var all sync.WaitGroup
				for n := range 3 {
					all.Go(func() { _, _ = guard.Check(from(bearer(fmt.Sprint("stranger-", n)), made(n))) })
				}
				time.Sleep(time.Second)
				synctest.Wait()
				require.ErrorIs(t, check("good-a-2", 0), want)
				require.NoError(t, check("good-b-2", 1))
				all.Wait()
			})
		})
	}
}

// A client that is alone may have all places for tokens that were active before,
// and half of them for others.
func TestPlacesOfOneClient(t *testing.T) {
	t.Parallel()
	client := certificates(t, 1)[0]
	synctest.Test(t, func(t *testing.T) {
		c := config(oddServer(map[string]*x509.Certificate{"a": client}, time.Second, nil))
		c.MaxInFlight = 4
		guard := newGuard(t, binding.Config{Tokens: newVerifier(t, c)})
		served := func(name string) int {
			var all sync.WaitGroup
			var served atomic.Int64
			for n := range 5 {
				all.Go(func() {
					if _, err := guard.Check(from(bearer(fmt.Sprint("good-a-", name, n)), client)); err == nil {
						served.Add(1)
					}
				})
			}
			all.Wait()
			return int(served.Load())
		}
		require.Equal(t, 2, served("one"))
		require.Equal(t, 4, served("one"), "two of them are remembered")
		require.Equal(t, 5, served("one"))
		time.Sleep(10 * time.Second) // none is
		require.Equal(t, 4, served("one"))
		require.Equal(t, 2, served("another"), "no place was lost, and none won")
		time.Sleep(10 * time.Second)
		var more sync.WaitGroup
		more.Go(func() { served("more") })
		synctest.Wait()
		_, err := guard.Check(from(bearer("good-a-one0"), client))
		require.NoError(t, err, "one that was active before, beside them")
		more.Wait()
	})
}

func TestACallEndsAfterFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := &events{}
		c := config(&server{answer: slow(time.Hour)})
		c.Observe = told.observe
		v := newVerifier(t, c)
		start := time.Now()
		_, err := v.VerifyToken(t.Context(), canary)
		requireReason(t, err, binding.ReasonUnavailable)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 5*time.Second, time.Since(start))
		synctest.Wait()
		require.Equal(t, []introspection.EventKind{introspection.CallFailed}, told.kinds())
		require.Equal(t, 5*time.Second, told.all()[0].Duration)
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := &events{}
		s := &server{answer: slow(time.Hour)}
		c := config(s)
		c.Observe = told.observe
		v := newVerifier(t, c)
		require.NoError(t, v.Ready())
		done := make(chan error)
		go func() {
			_, err := v.VerifyToken(t.Context(), "in-flight")
			done <- err
		}()
		synctest.Wait()
		start := time.Now()
		go func() { _ = v.Close() }()
		err := <-done
		requireReason(t, err, binding.ReasonUnavailable)
		require.ErrorIs(t, err, introspection.ErrClosed)
		require.Equal(t, start, time.Now())
		require.NoError(t, v.Close(), "again")
		_, err = v.VerifyToken(t.Context(), canary)
		requireReason(t, err, binding.ReasonUnavailable)
		require.ErrorIs(t, err, introspection.ErrClosed)
		require.ErrorIs(t, v.Ready(), introspection.ErrClosed)
		require.Equal(t, 1, s.calls())
		require.Empty(t, told.all(), "an end of our own making is no event")
	})
}

func TestClosedVerifierAnswersNoToken(t *testing.T) {
	t.Parallel()
	s := &server{}
	s.answer = func(_ *http.Request, token string) (*http.Response, error) {
		return reply(http.StatusOK, text(good(members{"active": token == canary}))), nil
	}
	v := newVerifier(t, config(s))
	_, err := v.VerifyToken(t.Context(), canary)
	require.NoError(t, err)
	_, err = v.VerifyToken(t.Context(), "inactive")
	requireReason(t, err, binding.ReasonTokenInactive)
	require.NoError(t, v.Close())
	for _, token := range []string{canary, "inactive", "unknown", "", "a b", "ä", strings.Repeat("a", 16<<10+1)} {
		_, err = v.VerifyToken(t.Context(), token)
		requireReason(t, err, binding.ReasonUnavailable)
		require.ErrorIs(t, err, introspection.ErrClosed)
	}
}

// A token that is on its way is not asked about when Close has returned.
func TestCloseBeforeATokenIsAskedAbout(t *testing.T) {
	t.Parallel()
	s := &server{answer: always(http.StatusOK, text(good(nil)))}
	c := config(s)
	var v *introspection.Verifier
	c.Clock = func() time.Time { // it is read before anything is asked
		if err := v.Close(); err != nil {
			t.Error(err)
		}
		return time.Now()
	}
	v = newVerifier(t, c)
	_, err := v.VerifyToken(t.Context(), canary)
	require.ErrorIs(t, err, introspection.ErrClosed)
	require.Zero(t, s.calls())
}

// Nothing of it runs when Close returns, not even a call whose Transport knows no
// end.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: func(*http.Request, string) (*http.Response, error) {
			time.Sleep(2 * time.Second)
			return reply(http.StatusOK, text(good(nil))), nil
		}}
		v := newVerifier(t, config(s))
		answer := make(chan error, 1)
		go func() {
			_, err := v.VerifyToken(t.Context(), canary)
			answer <- err
		}()
		time.Sleep(time.Second)
		start := time.Now()
		require.NoError(t, v.Close())
		require.Equal(t, time.Second, time.Since(start))
		require.ErrorIs(t, <-answer, introspection.ErrClosed)
	})
}

func TestPanicsAreFailures(t *testing.T) {
	t.Parallel()
	s := &server{answer: func(*http.Request, string) (*http.Response, error) { panic("transport") }}
	c := config(s)
	c.Observe = func(introspection.Event) { panic("observer") }
	v := newVerifier(t, c)
	_, err := v.VerifyToken(t.Context(), canary)
	requireReason(t, err, binding.ReasonUnavailable)
	s.set(func(s *server) { s.answer = always(http.StatusOK, text(good(nil))) })
	_, err = v.VerifyToken(t.Context(), canary)
	require.NoError(t, err)

	c = config(s)
	c.AuthMethod, c.ClientSecret = introspection.PrivateKeyJWT, ""
	c.SigningKey = brokenKey{hsm{ecdsaKey(t, elliptic.P256())}, func() ([]byte, error) { panic("HSM away") }}
	_, err = newVerifier(t, c).VerifyToken(t.Context(), canary)
	require.ErrorContains(t, requireReason(t, err, binding.ReasonUnavailable).Cause, "a call panicked with a string")
}

func TestEventsOfCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := &events{}
		s := &server{answer: slow(time.Second)}
		c := config(s)
		c.Observe = told.observe
		v := newVerifier(t, c)
		for range 3 {
			_, err := v.VerifyToken(t.Context(), canary)
			require.NoError(t, err)
		}
		synctest.Wait() // an answer does not wait for its event
		s.set(func(s *server) { s.answer = always(http.StatusOK, `{"active":false}`) })
		_, err := v.VerifyToken(t.Context(), "another")
		require.Error(t, err)
		synctest.Wait()
		require.Equal(t, []introspection.Event{
			{Kind: introspection.TokenActive, Issuer: issuer, Duration: time.Second},
			{Kind: introspection.TokenInactive, Issuer: issuer},
		}, told.all())
	})
}

// Nobody waits for an observer that is busy, and no call is kept from being made. What it misses is counted.
func TestObserverThatBlocksHurtsNoRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told, release := &events{}, make(chan struct{})
		c := config(&server{answer: always(http.StatusOK, text(good(nil)))})
		c.MaxInFlight, c.Observe = 2, func(event introspection.Event) {
			<-release
			told.observe(event)
		}
		v := newVerifier(t, c)
		start := time.Now()
		for n := range 20 {
			_, err := v.VerifyToken(t.Context(), fmt.Sprint("token-", n))
			require.NoError(t, err)
			synctest.Wait()
		}
		require.Equal(t, start, time.Now(), "at once")
		close(release)
		synctest.Wait()
		require.Len(t, told.all(), 1+2*c.MaxInFlight, "the one that it had, and those that waited")
		_, err := v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, 20-5, told.all()[5].Lost)
	})
}

// Close waits for the observer, and what waits for the observer then is not told.
func TestNoEventAfterClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told, release := &events{}, make(chan struct{})
		c := config(&server{answer: always(http.StatusOK, text(good(nil)))})
		c.Observe = func(event introspection.Event) {
			told.observe(event)
			<-release
		}
		v := newVerifier(t, c)
		for _, token := range []string{"one", "another"} {
			_, err := v.VerifyToken(t.Context(), token)
			require.NoError(t, err)
			synctest.Wait()
		}
		closed := make(chan error, 1)
		go func() { closed <- v.Close() }()
		synctest.Wait()
		require.Empty(t, closed)
		close(release)
		require.NoError(t, <-closed)
		require.Len(t, told.all(), 1)
	})
}

func TestManyTokensAtOnce(t *testing.T) {
	t.Parallel()
	s := &server{}
	s.answer = func(_ *http.Request, token string) (*http.Response, error) {
		return reply(http.StatusOK, text(good(members{"sub": token}))), nil
	}
	c := config(s)
	c.CachedTokens, c.MaxInFlight = 10, 10_000
	v := newVerifier(t, c)
	var all sync.WaitGroup
	for n := range 1000 {
		all.Go(func() {
			name := fmt.Sprint("token-", n%50)
			token, err := v.VerifyToken(t.Context(), name)
			if err != nil || token.Subject() != name {
				t.Error("wrong answer", err)
			}
		})
	}
	all.Wait()
}
