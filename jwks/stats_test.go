package jwks_test

import (
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// What the verifier counts, and how old its keys are.

func TestStats(t *testing.T) {
	a, b, stranger := newFaultKey("a"), newFaultKey("b"), newFaultKey("a")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		issuer.answer(after(3*time.Second, body(jwkSetOf(a, b))))
		v := newFaultVerifier(t, issuer, network.transport(t))
		require.Zero(t, v.Stats(), "nothing came yet")
		asked := time.Now()

		token := a.token(issuer.url)
		v.accepts(t, token)
		require.Equal(t, jwks.Stats{Verified: 1, Keys: 2, KeysAsOf: asked}, v.Stats(),
			"the keys are as old as the question, not as the answer")
		for range 3 {
			v.accepts(t, token)
		}
		v.accepts(t, b.token(issuer.url))
		v.refuses(t, stranger.token(issuer.url), binding.ReasonTokenSignature)
		v.refuses(t, token+"=", binding.ReasonTokenMalformed)
		require.Equal(t, jwks.Stats{Verified: 2, Seen: 3, Keys: 2, KeysAsOf: asked}, v.Stats(),
			"what is refused counts for nothing")

		issuer.publish(b)
		time.Sleep(12 * time.Minute)
		v.refuses(t, token, binding.ReasonTokenKeyUnknown)
		stats := v.Stats()
		require.Equal(t, uint64(3), stats.Seen, "seen before, but its key is gone")
		require.Equal(t, 1, stats.Keys)
		require.True(t, stats.KeysAsOf.After(asked))

		issuer.answer(status(http.StatusServiceUnavailable, ""))
		time.Sleep(25 * time.Hour)
		old := v.Stats()
		require.Zero(t, old.Keys, "too old to serve")
		require.Greater(t, time.Since(old.KeysAsOf), 24*time.Hour, "and it says how old")

		require.NoError(t, v.Close())
		require.Equal(t, jwks.Stats{Verified: 2, Seen: 3}, v.Stats())
	})
}

func TestStatsWithoutMemory(t *testing.T) {
	key := newFaultKey("a")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		v := newFaultVerifier(t, issuer, network.transport(t), func(c *jwks.Config) { c.SeenTokens = -1 })
		token := key.token(issuer.url)
		v.accepts(t, token)
		v.accepts(t, token)
		require.Equal(t, uint64(2), v.Stats().Verified)
		require.Zero(t, v.Stats().Seen)
	}, key)
}

func TestStatsCountEveryRequest(t *testing.T) {
	key := newFaultKey("a")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		v := newFaultVerifier(t, issuer, network.transport(t))
		const clients, requests = 20, 50
		var running sync.WaitGroup
		for n := range clients {
			token := key.token(issuer.url, "jti", strconv.Itoa(n)) // of its own
			running.Go(func() {
				for range requests {
					_, _ = v.VerifyToken(t.Context(), token)
					_ = v.Stats()
				}
			})
		}
		running.Wait()
		synctest.Wait()
		require.Equal(t, uint64(clients), v.Stats().Verified)
		require.Equal(t, uint64(clients*(requests-1)), v.Stats().Seen)
	}, key)
}
