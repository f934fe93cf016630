package jwks_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks"
)

// When an issuer is asked, and how often.

// requireFreshIntervals: each fetch is made when 90 % of the fresh time, a tenth
// more or less, are over.
func requireFreshIntervals(t *testing.T, times []time.Time, fresh time.Duration) (least, most time.Duration) {
	t.Helper()
	require.Greater(t, len(times), 1)
	least = fresh * 100
	for n := 1; n < len(times); n++ {
		gap := times[n].Sub(times[n-1])
		require.GreaterOrEqual(t, gap, fresh*81/100)
		require.LessOrEqual(t, gap, fresh*99/100)
		least, most = min(least, gap), max(most, gap)
	}
	return least, most
}

func TestOneDay(t *testing.T) {
	key := newFaultKey("1")

	t.Run("3.18 at most 180 fetches", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t))
			for range 24 * 60 {
				v.accepts(t, key.token(issuer.url))
				time.Sleep(time.Minute)
			}
			requireFreshIntervals(t, issuer.times(), 10*time.Minute)
			t.Logf("%d fetches, %d of metadata", issuer.fetches(), issuer.metadataReads())
			require.LessOrEqual(t, issuer.fetches(), 180)
			require.GreaterOrEqual(t, issuer.fetches(), 24*60*60/594)
		}, key)
	})

	for _, cacheControl := range []string{
		"max-age=0", "no-store", "no-cache, must-revalidate", "max-age=31536000", "max-age=-5", "s-maxage=1",
		"max-age=99999999999999999999", "immutable", "?!", "",
	} {
		t.Run("3.15 I/253 Cache-Control: "+cacheControl, func(t *testing.T) {
			bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
				stated := func(good http.HandlerFunc) http.HandlerFunc {
					return func(w http.ResponseWriter, r *http.Request) {
						w.Header().Set("Cache-Control", cacheControl)
						w.Header().Set("Expires", "0")
						w.Header().Set("Age", "100000")
						w.Header().Set("ETag", `"1"`)
						good(w, r)
					}
				}
				issuer.answer(stated(body(jwkSetOf(key))))
				issuer.answerMetadata(stated(issuer.goodMetadata))
				v := newFaultVerifier(t, issuer, network.transport(t))
				time.Sleep(5 * time.Hour)
				requireFreshIntervals(t, issuer.times(), 10*time.Minute)
				require.InDelta(t, 300/9, issuer.fetches(), 5)
				v.accepts(t, key.token(issuer.url))
			})
		})
	}
}

// Fresh for 10 minutes, and a tenth of it more or less: all of that tenth.
func TestFreshAndItsJitter(t *testing.T) {
	key := newFaultKey("1")
	for name, test := range map[string]struct {
		set, is, slow time.Duration
	}{
		"10 min by default":            {0, 10 * time.Minute, 0},
		"as configured":                {time.Second, time.Second, 0},
		"at most a day":                {24 * time.Hour, 24 * time.Hour, 0},
		"from when a slow fetch began": {time.Minute, time.Minute, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			issuer := newFaultIssuer("https://issuer.example", key)
			issuer.answer(after(test.slow, body(jwkSetOf(key))))
			synctest.Test(t, func(t *testing.T) {
				newFaultVerifier(t, issuer, inMemory(issuer), func(c *jwks.Config) { c.Fresh = test.set })
				time.Sleep(400 * test.is)
				least, most := requireFreshIntervals(t, issuer.times(), test.is)
				require.Less(t, least, test.is*83/100)
				require.Greater(t, most, test.is*97/100)
			})
		})
	}
}

// After a failure: 1 s, doubling to 60 s, or to 5 s while there are no keys, each
// by chance from nothing to all of it.
func TestBackOff(t *testing.T) {
	t.Run("with keys", func(t *testing.T) { testBackOff(t, time.Minute, newFaultKey("1")) })
	t.Run("without keys", func(t *testing.T) { testBackOff(t, 5*time.Second) })
}

func testBackOff(t *testing.T, longest time.Duration, keys ...faultKey) {
	const steps, verifiers = 12, 60
	most := make([]time.Duration, steps)
	var sum time.Duration
	for range verifiers {
		issuer := newFaultIssuer("https://issuer.example", keys...)
		synctest.Test(t, func(t *testing.T) {
			newFaultVerifier(t, issuer, inMemory(issuer))
			synctest.Wait()
			issuer.answer(status(500, ""))
			for issuer.fetches() <= steps+1 {
				time.Sleep(time.Second)
			}
			times := issuer.times()[1:]
			if len(keys) == 0 {
				times = issuer.times() // the first has failed
			}
			for n := range steps {
				gap := times[n+1].Sub(times[n])
				most[n] = max(most[n], gap)
				sum += gap
			}
		})
	}
	var limits time.Duration
	for n := range steps {
		limit := min(longest, time.Second<<n)
		limits += limit * verifiers
		require.LessOrEqual(t, most[n], limit, "attempt %d", n+1)
		require.Greater(t, most[n], limit*3/4, "attempt %d", n+1)
	}
	require.InDelta(t, 0.5, float64(sum)/float64(limits), 0.15, "full jitter")
}

// A success ends the back-off: the next failure begins at 1 s again.
func TestBackOffStartsAnew(t *testing.T) {
	key := newFaultKey("1")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		v := newFaultVerifier(t, issuer, network.transport(t))
		for range 20 {
			network.fail(true)
			time.Sleep(30 * time.Minute)
			network.fail(false)
			time.Sleep(2 * time.Minute)
			v.accepts(t, key.token(issuer.url))
			network.fail(true)
			v.lacks(t, newFaultKey("2").token(issuer.url)) // which causes a fetch
			dialed := network.dialed("issuer.example")
			time.Sleep(time.Second + time.Millisecond)
			require.Greater(t, network.dialed("issuer.example"), dialed)
		}
	}, key)
}
