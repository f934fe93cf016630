package introspection_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/introspection"
)

// A load sends tokens that were never sent before.
type load struct {
	v    *introspection.Verifier
	sent int
}

func (l *load) next(t *testing.T) error {
	t.Helper()
	l.sent++
	_, err := l.v.VerifyToken(t.Context(), fmt.Sprint("token-", l.sent))
	return err
}

// inBubble runs a test with a server, its events and a verifier, in bubble time.
func inBubble(t *testing.T, test func(t *testing.T, s *server, told *events, l *load)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, told := &server{answer: always(http.StatusOK, text(good(members{"cnf": nil})))}, &events{}
		c := config(s)
		c.Observe = told.observe
		test(t, s, told, &load{v: newVerifier(t, c)})
	})
}

func TestServerThatIsAwayOpensTheBreaker(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*server){
		"no connection":    func(s *server) { s.refuse = true },
		"no answer at all": func(s *server) { s.answer = slow(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, s *server, told *events, l *load) {
				require.NoError(t, l.next(t)) // remembered from now on
				s.set(fail)
				for range 5 {
					require.NoError(t, l.v.Ready())
					require.NotErrorIs(t, l.next(t), introspection.ErrBreakerOpen)
				}
				synctest.Wait()
				require.Equal(t, 1, told.count(introspection.BreakerOpened))
				opened := told.all()[slices.Index(told.kinds(), introspection.BreakerOpened)]
				require.Error(t, opened.Err)

				calls, start := s.calls(), time.Now()
				err := l.next(t)
				refusal := requireReason(t, err, binding.ReasonUnavailable)
				require.ErrorIs(t, err, introspection.ErrBreakerOpen)
				require.Equal(t, opened.RetryAfter+time.Second, refusal.RetryAfter, "a token that was active before is preferred")
				require.GreaterOrEqual(t, opened.RetryAfter, time.Second/2)
				require.LessOrEqual(t, opened.RetryAfter, time.Second)
				header := make(http.Header)
				refusal.SetHeader(header)
				require.Equal(t, "2", header.Get("Retry-After"))
				require.ErrorIs(t, l.v.Ready(), introspection.ErrBreakerOpen)
				require.Equal(t, calls, s.calls())
				require.Equal(t, start, time.Now(), "at once")
			})
		})
	}
}

func TestTokensThatAreRememberedAreGoodWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, s *server, _ *events, l *load) {
		_, err := l.v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		s.set(func(s *server) { s.refuse = true })
		for range 6 {
			require.Error(t, l.next(t))
		}
		require.ErrorIs(t, l.next(t), introspection.ErrBreakerOpen)
		_, err = l.v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		_, err = l.v.VerifyToken(t.Context(), canary)
		requireReason(t, err, binding.ReasonUnavailable)
	})
}

func TestOneTokenOpensTheBreakerForNobodyElse(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(*http.Request, string) (*http.Response, error){
		"500":              always(500, ""),
		"403":              always(403, ""),
		"no answer at all": slow(time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, s *server, told *events, l *load) {
				s.set(func(s *server) { s.answer = answer })
				for range 20 {
					_, err := l.v.VerifyToken(t.Context(), canary)
					requireReason(t, err, binding.ReasonUnavailable)
					require.NotErrorIs(t, err, introspection.ErrBreakerOpen)
				}
				require.Equal(t, 20, s.calls())
				s.set(func(s *server) { s.answer = always(http.StatusOK, text(good(nil))) })
				require.NoError(t, l.next(t))
				synctest.Wait()
				require.Zero(t, told.count(introspection.BreakerOpened))
			})
		})
	}
}

func TestOneTokenWithoutAConnectionOpensTheBreaker(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, s *server, _ *events, l *load) {
		s.set(func(s *server) { s.refuse = true })
		for range 5 {
			_, err := l.v.VerifyToken(t.Context(), canary)
			require.NotErrorIs(t, err, introspection.ErrBreakerOpen)
		}
		require.ErrorIs(t, l.next(t), introspection.ErrBreakerOpen)
	})
}

func TestOnlyFailuresInARowOpenTheBreaker(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(*http.Request, string) (*http.Response, error){
		"active":             always(200, text(good(nil))),
		"inactive":           always(200, `{"active":false}`),
		"malformed":          always(200, `active`),
		"400":                always(400, ""),
		"refuses us":         always(401, ""),
		"500":                always(500, ""),
		"a broken cnf":       always(200, text(good(members{"cnf": 1}))),
		"an answer too long": always(200, string(make([]byte, 600<<10))),
		"a signed answer": func(*http.Request, string) (*http.Response, error) {
			answer := reply(200, "e30.e30.c2ln")
			answer.Header.Set("Content-Type", "application/token-introspection+jwt")
			return answer, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, s *server, told *events, l *load) {
				for range 5 {
					s.set(func(s *server) { s.answer = slow(time.Hour) })
					for range 4 {
						require.Error(t, l.next(t))
					}
					s.set(func(s *server) { s.answer = answer })
					_ = l.next(t)
				}
				synctest.Wait()
				require.Zero(t, told.count(introspection.BreakerOpened))
			})
		})
	}
}

func TestBreakerIsHalfOpenForOneCall(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, s *server, told *events, l *load) {
		s.set(func(s *server) { s.refuse = true })
		for range 5 {
			require.Error(t, l.next(t))
		}
		time.Sleep(time.Second)
		require.NoError(t, l.v.Ready(), "somebody may try")
		s.set(func(s *server) { s.refuse, s.answer = false, slow(2*time.Second) })
		calls := s.calls()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := l.v.VerifyToken(t.Context(), canary); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		require.ErrorIs(t, l.next(t), introspection.ErrBreakerOpen)
		require.ErrorIs(t, l.v.Ready(), introspection.ErrBreakerOpen)
		all.Wait()
		synctest.Wait()
		require.Equal(t, calls+1, s.calls())
		require.NoError(t, l.next(t))
		require.NoError(t, l.v.Ready())
		require.Equal(t, 1, told.count(introspection.BreakerClosed))
	})
}

func TestBreakerStaysOpenForLongerAndLonger(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, s *server, told *events, l *load) {
		s.set(func(s *server) { s.refuse = true })
		for range 5 {
			require.Error(t, l.next(t))
		}
		for _, limit := range []time.Duration{1, 2, 4, 8, 15, 15, 15} {
			limit *= time.Second
			err := l.next(t)
			require.ErrorIs(t, err, introspection.ErrBreakerOpen)
			wait := binding.AsError(err).RetryAfter
			require.GreaterOrEqual(t, wait, limit/2)
			require.LessOrEqual(t, wait, limit)
			time.Sleep(wait - 1)
			require.ErrorIs(t, l.next(t), introspection.ErrBreakerOpen)
			time.Sleep(time.Nanosecond)
			require.NotErrorIs(t, l.next(t), introspection.ErrBreakerOpen, "the probe")
		}
		synctest.Wait()
		require.Equal(t, 8, told.count(introspection.BreakerOpened))
		time.Sleep(15 * time.Second)
		s.set(func(s *server) { s.refuse = false })
		require.NoError(t, l.next(t))
		s.set(func(s *server) { s.refuse = true })
		for range 5 {
			require.NotErrorIs(t, l.next(t), introspection.ErrBreakerOpen, "it begins anew")
		}
		require.LessOrEqual(t, binding.AsError(l.next(t)).RetryAfter, 2*time.Second, "one more for a token that was not active before")
	})
}

func TestProbeThatIsNotMadeTriesAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, s *server, _ *events, l *load) {
		s.set(func(s *server) { s.refuse = true })
		for range 5 {
			require.Error(t, l.next(t))
		}
		time.Sleep(time.Second)
		s.set(func(s *server) {
			s.refuse, s.answer = false, func(*http.Request, string) (*http.Response, error) { panic("a fault of ours") }
		})
		require.NotErrorIs(t, l.next(t), introspection.ErrBreakerOpen)
		s.set(func(s *server) { s.answer = always(http.StatusOK, text(good(nil))) })
		require.NoError(t, l.next(t))
	})
}

func TestStragglersDoNotKeepTheBreakerOpen(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, s *server, told *events, l *load) {
		s.set(func(s *server) { s.answer = slow(time.Hour) }) // 5 seconds
		var all sync.WaitGroup
		for n := range 20 {
			all.Go(func() {
				time.Sleep(time.Duration(n) * 10 * time.Millisecond)
				_, _ = l.v.VerifyToken(t.Context(), fmt.Sprint("straggler-", n))
			})
		}
		all.Wait()
		synctest.Wait()
		require.Equal(t, 1, told.count(introspection.BreakerOpened))
		time.Sleep(time.Second)
		s.set(func(s *server) { s.answer = always(http.StatusOK, text(good(nil))) })
		require.NoError(t, l.next(t))
	})
}

// What was asked before the breaker opened decides nothing about the probe that
// is under way.
func TestStragglersLetNoSecondProbeThrough(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, s *server, _ *events, l *load) {
		s.set(func(s *server) { s.answer = slow(time.Hour) }) // 5 seconds
		var all sync.WaitGroup
		all.Go(func() { _, _ = l.v.VerifyToken(t.Context(), "straggler") })
		synctest.Wait()
		s.set(func(s *server) { s.refuse = true })
		for range 5 {
			require.Error(t, l.next(t))
		}
		time.Sleep(2 * time.Second)
		s.set(func(s *server) { s.refuse = false })
		all.Go(func() { _, _ = l.v.VerifyToken(t.Context(), "probe") }) // until 7 seconds
		synctest.Wait()
		time.Sleep(4 * time.Second)
		calls := s.calls()
		require.ErrorIs(t, l.next(t), introspection.ErrBreakerOpen)
		require.Equal(t, calls, s.calls())
		all.Wait()
	})
}

// A probe that hangs because of its token would keep the breaker open, for as
// long as somebody sends such tokens.
func TestProbeIsOfATokenThatWasActiveBefore(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, s *server, told *events, l *load) {
		_, err := l.v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		s.set(func(s *server) { s.refuse = true })
		for range 5 {
			require.Error(t, l.next(t))
		}
		synctest.Wait()
		opened := told.all()[len(told.all())-1]
		require.Equal(t, introspection.BreakerOpened, opened.Kind)
		s.set(func(s *server) { s.refuse = false })
		time.Sleep(opened.RetryAfter)
		require.ErrorIs(t, l.next(t), introspection.ErrBreakerOpen)
		require.NoError(t, l.v.Ready())
		_, err = l.v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		synctest.Wait()
		closed := told.all()[len(told.all())-1]
		require.Equal(t, introspection.BreakerClosed, closed.Kind)
		require.Equal(t, opened.RetryAfter, closed.Duration, "how long the server was away")
		require.NoError(t, l.next(t))
	})
}
