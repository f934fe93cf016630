package jwks_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// The authorization server is slow or away, for minutes or days.

func TestKnownKeysServeWhileTheIssuerHangs(t *testing.T) {
	key, unknown := newFaultKey("1"), newFaultKey("2")

	t.Run("3.2 a fetch that hangs: I/223", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t))
			v.accepts(t, key.token(issuer.url))
			issuer.answer(hang)
			start := time.Now()
			waiting := verifyAtOnce(t.Context(), v, 10, unknown.token(issuer.url))
			require.Equal(t, 2, issuer.fetches())
			v.accepts(t, key.token(issuer.url, "jti", "not seen before"))
			v.accepts(t, key.token(issuer.url))
			require.NoError(t, v.Ready())
			require.Zero(t, time.Since(start))
			require.Empty(t, waiting, "answered while the fetch still hangs")
			for range 10 {
				requireUnavailable(t, <-waiting)
			}
			require.Equal(t, 5*time.Second, time.Since(start))
		}, key)
	})

	t.Run("3.17 a refresh that takes 4 s", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t))
			v.accepts(t, key.token(issuer.url))
			issuer.answer(after(4*time.Second, body(jwkSetOf(key))))
			during, token := 0, key.token(issuer.url)
			for range 3_600 * 4 { // an hour
				time.Sleep(250 * time.Millisecond)
				start, times := time.Now(), issuer.times()
				if start.Sub(times[len(times)-1]) < 4*time.Second {
					during++
				}
				v.accepts(t, token)
				require.Zero(t, time.Since(start))
			}
			require.Greater(t, during, 50, "requests while a refresh was under way")
		}, key)
	})
}

func TestOutage(t *testing.T) {
	key := newFaultKey("1")
	// With MaxStale and without: how long keys serve after their last good fetch.
	for name, test := range map[string]struct {
		serves, ends time.Duration
		change       func(*jwks.Config)
	}{
		"3.6 a day: I/251, I/252": {23*time.Hour + 59*time.Minute, 24*time.Hour + time.Minute, func(*jwks.Config) {}},
		"three hours":             {179 * time.Minute, 181 * time.Minute, func(c *jwks.Config) { c.MaxStale = 3 * time.Hour }},
		"not at all":              {9*time.Minute - time.Second, 12*time.Minute + time.Second, func(c *jwks.Config) { c.MaxStale = -1 }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
				v := newFaultVerifier(t, issuer, network.transport(t), test.change)
				v.accepts(t, key.token(issuer.url))
				start := issuer.times()[0]
				network.fail(true)
				time.Sleep(time.Until(start.Add(test.serves)))
				v.accepts(t, key.token(issuer.url))
				v.accepts(t, key.token(issuer.url, "jti", "not seen before"))
				require.NoError(t, v.Ready())
				time.Sleep(time.Until(start.Add(test.ends)))
				before := time.Now()
				refusal := v.lacks(t, key.token(issuer.url))
				v.lacks(t, key.token(issuer.url, "jti", "another"))
				require.LessOrEqual(t, time.Since(before), time.Second, "503 at once during back-off")
				require.ErrorIs(t, v.Ready(), jwks.ErrNotReady)
				synctest.Wait()
				event := v.log.last(t)
				require.Equal(t, jwks.KeysFailed, event.Kind)
				require.False(t, event.Usable)
				network.fail(false)
				time.Sleep(refusal.RetryAfter + time.Minute)
				v.accepts(t, key.token(issuer.url))
				require.NoError(t, v.Ready())
			}, key)
		})
	}
}

// A fetch that takes longer than its keys are fresh serves those who waited for
// it, and holds nobody for ever.
func TestFetchSlowerThanFresh(t *testing.T) {
	key := newFaultKey("1")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		issuer.answer(after(4*time.Second, body(jwkSetOf(key))))
		v := newFaultVerifier(t, issuer, network.transport(t), func(c *jwks.Config) {
			c.Fresh, c.MaxStale = time.Second, -1
		})
		for range 20 {
			start := time.Now()
			v.accepts(t, key.token(issuer.url))
			require.LessOrEqual(t, time.Since(start), 8*time.Second)
			time.Sleep(700 * time.Millisecond)
		}
	})
}

// 3.14, I/254: a clock that jumps judges tokens, and does nothing to the keys.
func TestClockThatJumps(t *testing.T) {
	key := newFaultKey("1")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		var clock struct {
			sync.Mutex
			jump time.Duration
		}
		v := newFaultVerifier(t, issuer, network.transport(t), func(c *jwks.Config) {
			c.Clock = func() time.Time {
				clock.Lock()
				defer clock.Unlock()
				return faultNoon.Add(clock.jump)
			}
		})
		today := key.token(issuer.url)
		another := map[time.Duration]string{}
		for _, jump := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
			another[jump] = key.token(issuer.url, "iat", nil, "exp", faultNoon.Add(jump+time.Hour).Unix())
		}
		v.accepts(t, today)
		for minute := range 10 * 60 {
			clock.Lock()
			clock.jump = time.Duration(minute%3-1) * 24 * time.Hour
			jump := clock.jump
			clock.Unlock()
			switch {
			case jump == 0:
				v.accepts(t, today)
			case jump < 0:
				v.refuses(t, today, binding.ReasonTokenNotYetValid)
				v.accepts(t, another[jump])
			default:
				v.refuses(t, today, binding.ReasonTokenExpired)
				v.accepts(t, another[jump])
			}
			require.NoError(t, v.Ready())
			time.Sleep(time.Minute)
		}
		requireFreshIntervals(t, issuer.times(), 10*time.Minute)
		require.InDelta(t, 600/9, issuer.fetches(), 8)
	}, key)
}

// The observer of an outage learns why, since when, and what is left.
func TestStaleSince(t *testing.T) {
	key := newFaultKey("1")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		v := newFaultVerifier(t, issuer, network.transport(t))
		v.accepts(t, key.token(issuer.url))
		asked := issuer.times()[0]
		issuer.answer(status(http.StatusBadGateway, ""))
		time.Sleep(time.Hour)
		var early, late int
		for _, e := range v.log.all() {
			if e.Kind != jwks.KeysFailed {
				continue
			}
			require.ErrorContains(t, e.Err, "status 502")
			require.True(t, e.Usable)
			require.Equal(t, asked.Add(24*time.Hour).Round(time.Second), e.ServeUntil.Round(time.Second))
			if e.StaleSince.IsZero() {
				early++
				require.Zero(t, late)
				continue
			}
			late++
			require.InDelta(t, 10*time.Minute, e.StaleSince.Sub(asked), float64(time.Minute))
		}
		require.Positive(t, early, "the first failures find the keys fresh")
		require.Greater(t, late, 50)
		issuer.publish(key)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, jwks.KeysFetched, v.log.last(t).Kind)
		require.Zero(t, v.log.last(t).StaleSince)
		require.Zero(t, v.log.last(t).ServeUntil)
		var ended time.Duration
		for _, e := range v.log.all() {
			if e.Outage > 0 {
				require.Zero(t, ended, "told once")
				ended = e.Outage
			}
		}
		require.InDelta(t, time.Hour-9*time.Minute, ended, float64(3*time.Minute))
	}, key)
}

// A Transport that heeds no deadline holds a fetch until nobody can tell whether
// the keys are still good. When it fails at last it is an outage, and who waited
// is served as everybody is in one.
func TestOutageThatIsKnownLate(t *testing.T) {
	key := newFaultKey("1")
	for name, row := range map[string]struct {
		after  time.Duration
		served bool
	}{
		"within MaxStale": {12 * time.Hour, true},
		"after it":        {36 * time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := newFaultIssuer("https://issuer.example", key)
				transport := &switchable{}
				transport.use(inMemory(issuer))
				v := newFaultVerifier(t, issuer, transport)
				v.accepts(t, key.token(issuer.url, "jti", "before"))
				release := make(chan struct{})
				transport.use(roundTrip(func(*http.Request) (*http.Response, error) {
					<-release
					return nil, errors.New("away")
				}))
				time.Sleep(row.after)
				require.ErrorIs(t, v.Ready(), jwks.ErrNotReady)
				known := verifyAtOnce(t.Context(), v, 1, key.token(issuer.url))
				unknown := verifyAtOnce(t.Context(), v, 1, newFaultKey("2").token(issuer.url))
				require.Empty(t, known)
				close(release)
				if row.served {
					require.NoError(t, <-known)
				} else {
					requireUnavailable(t, <-known)
				}
				requireUnavailable(t, <-unknown)
			})
		})
	}
}

// A Transport that panics is a fault like any other.
func TestTransportThatPanics(t *testing.T) {
	key := newFaultKey("1")
	issuer := newFaultIssuer("https://issuer.example", key)
	synctest.Test(t, func(t *testing.T) {
		transport := &switchable{}
		transport.use(roundTrip(func(*http.Request) (*http.Response, error) { panic(errors.New("secret")) }))
		v := newFaultVerifier(t, issuer, transport)
		refusal := v.lacks(t, key.token(issuer.url))
		require.ErrorContains(t, refusal.Cause, "panicked")
		require.NotContains(t, refusal.Cause.Error(), "secret")
		synctest.Wait()
		require.ErrorContains(t, v.log.last(t).Err, "panicked")
		transport.use(inMemory(issuer))
		time.Sleep(time.Minute)
		v.accepts(t, key.token(issuer.url))
	})
}

// So is one that leaves nothing to recover, as old programs can have it. Not parallel: the setting is the whole process's.
func TestTransportThatPanicsWithNothingToRecover(t *testing.T) {
	t.Setenv("GODEBUG", "panicnil=1")
	key := newFaultKey("1")
	issuer := newFaultIssuer("https://issuer.example", key)
	for name, config := range map[string]func(*jwks.Config){
		"metadata": func(*jwks.Config) {},
		"keys":     func(c *jwks.Config) { c.URL = issuer.url + "/jwks" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newFaultVerifier(t, issuer, roundTrip(func(*http.Request) (*http.Response, error) { panic(nil) }), config)
				require.ErrorContains(t, v.lacks(t, key.token(issuer.url)).Cause, "did not return")
			})
		})
	}
}

// The caller's own time is up before the fetch's: that is no fault of the keys.
func TestCallerWithADeadline(t *testing.T) {
	key := newFaultKey("1")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		issuer.answer(hang)
		v := newFaultVerifier(t, issuer, network.transport(t))
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := v.VerifyToken(ctx, key.token(issuer.url))
		require.Equal(t, binding.ReasonCanceled, binding.AsError(err).Reason)
		require.Equal(t, time.Second, time.Since(start))
	})
}
