package jwks_test

import (
	"errors"
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
	"github.com/certbound/certbound/jwks"
)

// Tokens of keys that we do not have: of new keys beside a flood of made-up ones,
// of keys that are gone, and of keys that are published and not used.

// A token under a kid that nobody publishes may be of a key without one. Then
// there is nothing to ask.
func TestKeyWithoutAKidIsNotLookedForUnderTheTokens(t *testing.T) {
	key := newFaultKey("1")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		issuer.answer(body(jwkSet(strings.Replace(key.jwk(), `"kid":"1",`, "", 1))))
		v := newFaultVerifier(t, issuer, network.transport(t))
		for n := range 3 {
			v.accepts(t, key.token(issuer.url, "jti", fmt.Sprint(n)))
		}
		require.Equal(t, 1, issuer.fetches())
	})
}

// 3.8, I/248: the issuer rotates its keys in the middle of a flood that keeps
// using up the budget. Nobody is told that a token is bad which nobody has looked
// at, and the new key serves within 5 s.
func TestRotationInAFlood(t *testing.T) {
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		current := newFaultKey("0")
		issuer.publish(current)
		v := newFaultVerifier(t, issuer, network.transport(t))
		v.accepts(t, current.token(issuer.url))
		g := newGarbage(issuer.url)
		const tick, rotations = 100 * time.Millisecond, 10
		flood := 0
		var slowest time.Duration
		for rotation := range rotations {
			// Each at another moment of the 5 s.
			for range 60 + rotation*7 {
				g.flood(t, v, flood, 4, isNobodys)
				flood += 4
				time.Sleep(tick)
			}
			older := current
			current = newFaultKey(fmt.Sprint(rotation + 1))
			issuer.publish(older, current)
			rotated := time.Now()
			for {
				err := v.err(t, current.token(issuer.url))
				if err == nil {
					break
				}
				requireLimited(t, err)
				g.flood(t, v, flood, 4, isNobodys)
				flood += 4
				v.accepts(t, older.token(issuer.url))
				time.Sleep(tick)
			}
			slowest = max(slowest, time.Since(rotated))
		}
		t.Logf("the slowest of %d rotations served after %v", rotations, slowest)
		require.LessOrEqual(t, slowest, 5*time.Second)
		require.Greater(t, slowest, 3*time.Second, "the flood does use up the budget")
		elapsed := int(time.Since(issuer.times()[0]) / (5 * time.Second))
		require.LessOrEqual(t, issuer.fetches(), 1+2+elapsed+rotations)

		// The flood is over: a new key serves at its first use.
		time.Sleep(10 * time.Second)
		for n := range 5 {
			current = newFaultKey(fmt.Sprint("calm ", n))
			issuer.publish(current)
			v.accepts(t, current.token(issuer.url))
		}
	})
}

// N/427: a fetch that brought a key which no set before it had costs nothing.
func TestManyNewKeys(t *testing.T) {
	t.Run("N/427 five rotations in 15 s", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			first := newFaultKey("first")
			issuer.publish(first)
			v := newFaultVerifier(t, issuer, network.transport(t))
			v.accepts(t, first.token(issuer.url))
			for n := range 5 {
				key := newFaultKey(fmt.Sprint(n))
				issuer.publish(key)
				v.accepts(t, key.token(issuer.url))
				time.Sleep(3 * time.Second)
			}
			require.Equal(t, 6, issuer.fetches())
		})
	})

	t.Run("N/427 keys that are made at their first use", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			keys := []faultKey{newFaultKey("first")}
			issuer.publish(keys...)
			v := newFaultVerifier(t, issuer, network.transport(t))
			v.accepts(t, keys[0].token(issuer.url))
			for n := 1; n < 5; n++ {
				keys = append(keys, newFaultKey(fmt.Sprint(n)))
				issuer.publish(keys...)
				v.accepts(t, keys[n].token(issuer.url))
			}
			// What was given back can be used, and no more than that.
			g := newGarbage(issuer.url)
			v.refuses(t, g.token(0), binding.ReasonTokenKeyUnknown)
			v.refuses(t, g.token(1), binding.ReasonTokenKeyUnknown)
			requireLimited(t, v.err(t, g.token(2)))
		})
	})
}

// N/451: what was published before is not new, whatever it is called.
func TestKeysThatWerePublishedBefore(t *testing.T) {
	a, b := newFaultKey("a"), newFaultKey("b")
	for name, test := range map[string]struct {
		answer func(n int64) string
		tokens func(n int64) faultKey
	}{
		"N/451 two sets in turn": {
			func(n int64) string { return jwkSetOf([]faultKey{a, b}[n%2]) },
			func(n int64) faultKey { return []faultKey{a, b}[n%2] },
		},
		"N/451 one key, under a new kid in each answer": {
			func(n int64) string { return jwkSetOf(faultKey{id: fmt.Sprint(n), private: a.private}) },
			func(n int64) faultKey { return faultKey{id: fmt.Sprint(n), private: a.private} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
				var answers atomic.Int64
				issuer.answer(func(w http.ResponseWriter, r *http.Request) {
					body(test.answer(answers.Add(1)))(w, r)
				})
				v := newFaultVerifier(t, issuer, network.transport(t))
				g := newGarbage(issuer.url)
				synctest.Wait()
				for n := range 300 {
					for m := range int64(4) {
						if err := v.err(t, test.tokens(m).token(issuer.url)); err != nil {
							require.NoError(t, isNobodys(err))
						}
						require.NoError(t, isNobodys(v.err(t, g.token(n))))
					}
					time.Sleep(200 * time.Millisecond)
				}
				t.Logf("%d fetches", issuer.fetches())
				// The second set may be a new one, once.
				require.LessOrEqual(t, issuer.fetches(), 1+2+12+1)
				requireBudget(t, issuer.times()[2:])
			})
		})
	}

	t.Run("the last 1,000 keys", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			keys := make([]faultKey, 1_001)
			for n := range keys {
				keys[n] = newFaultKey(fmt.Sprint("key ", n))
			}
			issuer.publish(keys[0])
			v := newFaultVerifier(t, issuer, network.transport(t))
			v.accepts(t, keys[0].token(issuer.url))
			for n := 1; n < len(keys); n++ {
				issuer.publish(keys[n])
				v.accepts(t, keys[n].token(issuer.url))
			}
			require.Equal(t, 1_001, issuer.fetches())
			g := newGarbage(issuer.url)
			// The second is remembered: it costs one of the two. The first is not.
			issuer.publish(keys[1])
			v.accepts(t, keys[1].token(issuer.url))
			issuer.publish(keys[0])
			v.accepts(t, keys[0].token(issuer.url))
			v.refuses(t, g.token(0), binding.ReasonTokenKeyUnknown)
			requireLimited(t, v.err(t, g.token(1)))
		})
	})
}

// What the schedule fetches neither uses the budget nor fills it.
func TestScheduledFetchesAndTheBudget(t *testing.T) {
	first, second := newFaultKey("1"), newFaultKey("2")
	everySecond := func(c *jwks.Config) { c.Fresh = time.Second }

	t.Run("a new key gives nothing back", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t), everySecond)
			v.accepts(t, first.token(issuer.url))
			g := newGarbage(issuer.url)
			v.refuses(t, g.token(0), binding.ReasonTokenKeyUnknown)
			v.refuses(t, g.token(1), binding.ReasonTokenKeyUnknown)
			issuer.publish(first, second)
			time.Sleep(time.Second)
			v.accepts(t, second.token(issuer.url))
			requireLimited(t, v.err(t, g.token(2)))
		}, first)
	})

	t.Run("a key that is fetched often is remembered once", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t), everySecond)
			v.accepts(t, first.token(issuer.url))
			issuer.publish(second)
			time.Sleep(1_100 * time.Second)
			g := newGarbage(issuer.url)
			issuer.publish(first)
			v.accepts(t, first.token(issuer.url)) // not a new key
			v.refuses(t, g.token(0), binding.ReasonTokenKeyUnknown)
			requireLimited(t, v.err(t, g.token(1)))
		}, first)
	})
}

// byItsClock judges tokens by the clock of the bubble.
func byItsClock(c *jwks.Config) { c.Clock = nil }

// N/450: a key was withdrawn. A 503 would have its tokens sent for ever.
func TestWithdrawnKey(t *testing.T) {
	withdrawn, current := newFaultKey("withdrawn"), newFaultKey("current")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		now := time.Now()
		issued := func(key faultKey, at time.Time) string {
			return key.token(issuer.url, "iat", at.Unix(), "exp", at.Add(time.Hour).Unix(), "jti", fmt.Sprint(at))
		}
		running := newFaultVerifier(t, issuer, network.transport(t), byItsClock)
		running.accepts(t, issued(withdrawn, now))
		time.Sleep(5 * time.Minute)
		issuer.publish(current)
		time.Sleep(11 * time.Minute)
		started := newFaultVerifier(t, issuer, network.transport(t), byItsClock)
		started.accepts(t, issued(current, time.Now()))
		asked := time.Now()

		for name, v := range map[string]faultVerifier{"N/450 running": running, "N/450 started since": started} {
			t.Log(name)
			before := issuer.fetches()
			var all sync.WaitGroup
			errs := make(chan error, 10_000)
			for n := range cap(errs) {
				token := issued(withdrawn, now.Add(time.Duration(n%300)*time.Second))
				all.Go(func() {
					_, err := v.VerifyToken(t.Context(), token)
					errs <- isUnknown(err)
				})
			}
			all.Wait()
			for range cap(errs) {
				require.NoError(t, <-errs)
			}
			v.accepts(t, issued(current, asked))
			require.LessOrEqual(t, issuer.fetches(), before+2)

			// That which could be of a key newer than those in hand is not of a
			// withdrawn one: nobody can say.
			requireLimited(t, v.err(t, issued(newFaultKey("new"), asked.Add(-time.Minute))))
			requireLimited(t, v.err(t, newFaultKey("new").token(issuer.url, "iat", nil, "exp", asked.Add(time.Hour).Unix())))
			older := issued(newFaultKey("new"), asked.Add(-time.Minute-time.Second))
			v.refuses(t, older, binding.ReasonTokenKeyUnknown)
			require.ErrorContains(t, errors.Unwrap(v.err(t, older)), "the token is older than the keys that are known")
		}
	}, withdrawn)
}

// N/452: a kid that is published is known, whatever becomes of its key.
func TestPublishedAndIgnoredKeys(t *testing.T) {
	good, odd := newFaultKey("good"), newFaultKey("odd")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		issuer.answer(body(jwkSet(good.jwk(), `{"kty":"OKP","crv":"Ed448","kid":"odd","x":"AA"}`)))
		v := newFaultVerifier(t, issuer, network.transport(t))
		v.accepts(t, good.token(issuer.url))
		for n := range 1_000 {
			v.refuses(t, odd.token(issuer.url, "jti", fmt.Sprint("N/452 ", n)), binding.ReasonTokenKeyUnknown)
		}
		require.Equal(t, 1, issuer.fetches())
	})
}

// The operator is told when the budget is spent, and how many tokens that costs.
func TestKeyFetchLimitedIsTold(t *testing.T) {
	key := newFaultKey("1")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		v := newFaultVerifier(t, issuer, network.transport(t))
		v.accepts(t, key.token(issuer.url))
		g := newGarbage(issuer.url)
		told := func() (tokens []int) {
			synctest.Wait()
			for _, event := range v.log.all() {
				if event.Kind == jwks.KeyFetchLimited {
					require.True(t, event.Usable)
					require.Equal(t, issuer.url, event.Issuer)
					tokens = append(tokens, event.Tokens)
				}
			}
			return tokens
		}
		spend := func(first int) { // one after the other: two at once may share a fetch
			for n := range 2 {
				g.flood(t, v, first+n, 1, isUnknown)
			}
		}
		spend(0)
		require.Empty(t, told())
		g.flood(t, v, 2, 100, isLimited)
		require.Equal(t, []int{1}, told())
		time.Sleep(time.Minute)
		require.Equal(t, []int{1, 99}, told())
		time.Sleep(time.Minute) // in which there is none
		spend(102)
		g.flood(t, v, 104, 3, isLimited)
		require.Equal(t, []int{1, 99, 1}, told())
		require.EqualValues(t, 103, v.Stats().FetchLimited)
		require.NoError(t, v.Close())
		time.Sleep(time.Minute)
		require.Equal(t, []int{1, 99, 1}, told())
	}, key)
}
