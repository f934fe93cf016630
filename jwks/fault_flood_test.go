package jwks_test

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// Tokens that are nobody's: they may cost the issuer 2 fetches in 30 s.

// garbage makes tokens whose claims are good and whose kid and signature are
// not: what an attacker can make without an account.
type garbage struct{ payload, signature string }

func newGarbage(issuer string) garbage {
	parts := strings.Split(newFaultKey("").token(issuer), ".")
	return garbage{payload: parts[1], signature: parts[2]}
}

func (g garbage) token(n int) string {
	header := `{"alg":"EdDSA","typ":"at+jwt","kid":"random-` + strconv.Itoa(n) + `"}`
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + g.payload + "." + g.signature
}

// flood verifies tokens first to first+n at once, as far as a few callers can,
// and requires that each is refused as it should be.
func (g garbage) flood(t *testing.T, v faultVerifier, first, n int, refused func(error) error) {
	t.Helper()
	const callers = 8
	var all sync.WaitGroup
	var errs [callers]error
	for c := range callers {
		all.Go(func() {
			for i := first + c; i < first+n && errs[c] == nil; i += callers {
				_, err := v.VerifyToken(t.Context(), g.token(i))
				errs[c] = refused(err)
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

func isUnknown(err error) error { return isReason(err, binding.ReasonTokenKeyUnknown) }
func isLacking(err error) error { return isReason(err, binding.ReasonKeysUnavailable) }

func isReason(err error, reason binding.Reason) error {
	if err == nil || binding.AsError(err).Reason != reason {
		return fmt.Errorf("refused with %w, want %s", err, reason)
	}
	return nil
}

func TestFlood(t *testing.T) {
	key := newFaultKey("1")

	t.Run("3.7 random kids: I/247", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t))
			v.accepts(t, key.token(issuer.url))
			g := newGarbage(issuer.url)
			start := time.Now()
			for second := range 300 {
				g.flood(t, v, second*334, 334, isUnknown)
				v.accepts(t, key.token(issuer.url))
				time.Sleep(time.Until(start.Add(time.Duration(second+1) * time.Second)))
			}
			t.Logf("%d fetches for %d tokens", issuer.fetches(), 300*334)
			require.LessOrEqual(t, issuer.fetches(), 23)
			require.GreaterOrEqual(t, issuer.fetches(), 21, "the budget is there to be used")
			requireBudget(t, issuer.times()[1:])
		}, key)
	})

	t.Run("3.7 failed fetches count", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t))
			v.accepts(t, key.token(issuer.url))
			g := newGarbage(issuer.url)
			issuer.answer(status(500, ""))
			g.flood(t, v, 0, 10_000, isLacking)
			require.Equal(t, 3, issuer.fetches())
			v.accepts(t, key.token(issuer.url))
			// For ten minutes: no more than the budget and the back-off allow.
			for n := range 600 {
				time.Sleep(time.Second)
				g.flood(t, v, n*10, 10, isLacking)
			}
			t.Logf("%d fetches in ten minutes of failure", issuer.fetches())
			// 40 on demand; a failed one starts the back-off's wait anew, of
			// 30 s on average.
			require.LessOrEqual(t, issuer.fetches(), 3+40+45)
		}, key)
	})

	t.Run("3.7 tokens that a cheap check refuses", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t))
			v.accepts(t, key.token(issuer.url))
			unknown := newFaultKey("2")
			good := unknown.token(issuer.url)
			_, rest, _ := strings.Cut(good, ".")
			header := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) + "." + rest }
			tokens := []string{
				"", "..", "a.b.c", good + ".", good + "=", good[:len(good)-2] + "!!", strings.Repeat("a", 17<<10), "{}",
				header(`{"alg":"none","typ":"at+jwt","kid":"2"}`),
				header(`{"alg":"HS256","typ":"at+jwt","kid":"2"}`),
				header(`{"alg":"XYZ","typ":"at+jwt","kid":"2"}`),
				header(`{"alg":"EdDSA","typ":"JWT","kid":"2"}`),
				header(`{"alg":"EdDSA","typ":"at+jwt","kid":"2","crit":["exp"]}`),
				header(`{"alg":"EdDSA","typ":"at+jwt","kid":"` + strings.Repeat("k", 257) + `"}`),
				header(`{"alg":"EdDSA","typ":"at+jwt","kid":2}`),
				unknown.token(issuer.url, "exp", faultNoon.Add(-time.Hour).Unix()),
				unknown.token(issuer.url, "exp", nil),
				unknown.token(issuer.url, "nbf", faultNoon.Add(time.Hour).Unix()),
				unknown.token(issuer.url, "iat", faultNoon.Add(time.Hour).Unix()),
				unknown.token(issuer.url, "aud", "https://other.example"),
				unknown.token(issuer.url, "aud", nil),
				unknown.token("https://other.example"),
				unknown.token(issuer.url + "/"),
				unknown.token(issuer.url, "cnf", "nonsense"),
				key.token(issuer.url) + "A", // a bad signature of a known key
			}
			for range 100 {
				for n, token := range tokens {
					err := v.err(t, token)
					require.Error(t, err, "token %d", n)
					require.Equal(t, 401, binding.AsError(err).Status(), "token %d", n)
				}
			}
			require.Equal(t, 1, issuer.fetches())
			// And it was for no lack of budget.
			v.refuses(t, good, binding.ReasonTokenKeyUnknown)
			require.Equal(t, 2, issuer.fetches())
		}, key)
	})

	t.Run("at most 2 in any 30 s", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t))
			v.accepts(t, key.token(issuer.url))
			g := newGarbage(issuer.url)
			want := func(fetches int) {
				t.Helper()
				v.refuses(t, g.token(0), binding.ReasonTokenKeyUnknown)
				require.Equal(t, fetches, issuer.fetches())
			}
			want(2)
			time.Sleep(20 * time.Second)
			want(3)
			want(3)
			time.Sleep(10*time.Second - time.Millisecond)
			want(3)
			time.Sleep(time.Millisecond)
			want(4)
			want(4)
			time.Sleep(20*time.Second - time.Millisecond)
			want(4)
			time.Sleep(time.Millisecond)
			want(5)
		}, key)
	})

	t.Run("a fetch serves all that wait for it", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t))
			v.accepts(t, key.token(issuer.url))
			release := make(chan struct{})
			issuer.answer(held(release, body(jwkSetOf(key))))
			g := newGarbage(issuer.url)
			errs := make(chan error, 500)
			for n := range 500 {
				go func() {
					_, err := v.VerifyToken(t.Context(), g.token(n))
					errs <- err
				}()
			}
			synctest.Wait()
			require.Equal(t, 2, issuer.fetches())
			require.Empty(t, errs)
			close(release)
			for range 500 {
				require.NoError(t, isUnknown(<-errs))
			}
			require.LessOrEqual(t, issuer.fetches(), 3)
		}, key)
	})
}

// requireBudget: of the fetches on demand at most 2 fall into any 30 s.
func requireBudget(t *testing.T, times []time.Time) {
	t.Helper()
	for n := 2; n < len(times); n++ {
		require.GreaterOrEqual(t, times[n].Sub(times[n-2]), 30*time.Second)
	}
}

// 3.8, I/248: the issuer rotates its keys in the middle of a flood that keeps
// using up the budget.
func TestRotationInAFlood(t *testing.T) {
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		current := newFaultKey("0")
		issuer.publish(current)
		v := newFaultVerifier(t, issuer, network.transport(t))
		v.accepts(t, current.token(issuer.url))
		g := newGarbage(issuer.url)
		const tick = 100 * time.Millisecond
		flood := 0
		var slowest time.Duration
		for rotation := range 10 {
			// Each at another moment of the 30 s.
			for range 300 + rotation*29 {
				g.flood(t, v, flood, 4, isUnknown)
				flood += 4
				time.Sleep(tick)
			}
			older := current
			current = newFaultKey(fmt.Sprint(rotation + 1))
			issuer.publish(older, current)
			rotated := time.Now()
			for v.err(t, current.token(issuer.url)) != nil {
				g.flood(t, v, flood, 4, isUnknown)
				flood += 4
				v.accepts(t, older.token(issuer.url))
				time.Sleep(tick)
				require.LessOrEqual(t, time.Since(rotated), 30*time.Second)
			}
			slowest = max(slowest, time.Since(rotated))
		}
		requireBudget(t, issuer.times()[1:])
		t.Logf("the slowest of 10 rotations served after %v", slowest)
		require.Greater(t, slowest, 10*time.Second, "the flood does use up the budget")

		// The flood is over: a new key serves at its first use.
		time.Sleep(30 * time.Second)
		for n := range 5 {
			current = newFaultKey(fmt.Sprint("calm ", n))
			issuer.publish(current)
			v.accepts(t, current.token(issuer.url))
			time.Sleep(30 * time.Second)
		}
	})
}
