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
	"github.com/certbound/certbound/jwks"
)

// Tokens that are nobody's: they may cost the issuer 2 fetches at once and one
// more in each 5 s, and anybody else nothing.

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
func isLimited(err error) error { return isReason(err, binding.ReasonKeyFetchLimited) }

// isNobodys: somebody looked for the key, or nobody may look at present.
func isNobodys(err error) error {
	if isUnknown(err) == nil {
		return nil
	}
	return isLimited(err)
}

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
				g.flood(t, v, second*334, 334, isNobodys)
				v.accepts(t, key.token(issuer.url))
				time.Sleep(time.Until(start.Add(time.Duration(second+1) * time.Second)))
			}
			t.Logf("%d fetches for %d tokens", issuer.fetches(), 300*334)
			require.LessOrEqual(t, issuer.fetches(), 1+2+60)
			require.GreaterOrEqual(t, issuer.fetches(), 1+2+58, "the budget is there to be used")
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
			// 120 on demand; a failed one starts the back-off's wait anew, of 30 s
			// on average.
			require.LessOrEqual(t, issuer.fetches(), 3+120+45)
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
					require.Equal(t, 401, binding.AsError(err).StatusCode(), "token %d", n)
				}
			}
			require.Equal(t, 1, issuer.fetches())
			// And it was for no lack of budget.
			v.refuses(t, good, binding.ReasonTokenKeyUnknown)
			require.Equal(t, 2, issuer.fetches())
		}, key)
	})

	t.Run("2 at once, and one more in each 5 s", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t))
			v.accepts(t, key.token(issuer.url))
			g := newGarbage(issuer.url)
			looks := func(fetches int) {
				t.Helper()
				v.refuses(t, g.token(0), binding.ReasonTokenKeyUnknown)
				require.Equal(t, fetches, issuer.fetches())
			}
			limited := func(retryAfter time.Duration) {
				t.Helper()
				before := issuer.fetches()
				require.Equal(t, retryAfter, requireLimited(t, v.err(t, g.token(0))).RetryAfter)
				require.Equal(t, before, issuer.fetches())
			}
			looks(2)
			time.Sleep(3 * time.Second)
			looks(3)
			limited(2 * time.Second)
			time.Sleep(2*time.Second - time.Millisecond)
			limited(time.Second) // at the least
			time.Sleep(time.Millisecond)
			looks(4)
			limited(5 * time.Second)
			time.Sleep(10*time.Second - time.Millisecond)
			looks(5)
			limited(time.Second)
			time.Sleep(time.Millisecond)
			looks(6)
			time.Sleep(time.Hour)
			scheduled := issuer.fetches()
			looks(scheduled + 1)
			looks(scheduled + 2)
			limited(5 * time.Second)
		}, key)
	})

	t.Run("a fetch of the schedule takes nothing out of the budget", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t), func(c *jwks.Config) { c.Fresh = 2 * time.Second })
			g := newGarbage(issuer.url)
			v.accepts(t, key.token(issuer.url))
			time.Sleep(time.Minute)
			for range 2 {
				before := issuer.fetches()
				v.refuses(t, g.token(0), binding.ReasonTokenKeyUnknown)
				require.Equal(t, before+1, issuer.fetches())
			}
			requireLimited(t, v.err(t, g.token(0)))
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

// requireBudget: of the fetches on demand there are at most 2, and one more for
// each 5 s, in any time.
func requireBudget(t *testing.T, times []time.Time) {
	t.Helper()
	for first := range times {
		for last := first; last < len(times); last++ {
			require.LessOrEqual(t, last-first+1, 2+int(times[last].Sub(times[first])/(5*time.Second)))
		}
	}
}
