package jwks_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// The issuer's keys change.

func TestRotation(t *testing.T) {
	older, newer := newFaultKey("1"), newFaultKey("2")

	t.Run("3.9 with overlap: I/244", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t))
			v.accepts(t, older.token(issuer.url))
			issuer.publish(older, newer)
			v.accepts(t, newer.token(issuer.url)) // at its first use
			require.Equal(t, 2, issuer.fetches())
			v.accepts(t, older.token(issuer.url))
			issuer.publish(newer)
			time.Sleep(11 * time.Minute)
			v.refuses(t, older.token(issuer.url), binding.ReasonTokenKeyUnknown)
			v.accepts(t, newer.token(issuer.url))
		}, older)
	})

	t.Run("3.9 without overlap, and back again", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t))
			v.accepts(t, older.token(issuer.url))
			for range 3 {
				issuer.publish(newer)
				v.accepts(t, newer.token(issuer.url))
				v.refuses(t, older.token(issuer.url), binding.ReasonTokenKeyUnknown)
				time.Sleep(10 * time.Second) // the budget
				issuer.publish(older)
				v.accepts(t, older.token(issuer.url))
				v.refuses(t, newer.token(issuer.url), binding.ReasonTokenKeyUnknown)
				time.Sleep(10 * time.Second)
			}
		}, older)
	})

	t.Run("3.9 the same kid with a new key: I/246", func(t *testing.T) {
		replaced := newFaultKey(older.id)
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t))
			seen := older.token(issuer.url)
			v.accepts(t, seen)
			issuer.publish(replaced)
			for range 100 {
				v.refuses(t, replaced.token(issuer.url), binding.ReasonTokenSignature)
			}
			require.Equal(t, 1, issuer.fetches(), "a bad signature causes no fetch")
			time.Sleep(11 * time.Minute)
			v.accepts(t, replaced.token(issuer.url))
			v.refuses(t, seen, binding.ReasonTokenSignature)
		}, older)
	})

	t.Run("3.10 a removed key stops within 11 min: I/245", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			// Many, for the jitter. The key goes when they have just asked.
			var verifiers []faultVerifier
			for range 40 {
				verifiers = append(verifiers, newFaultVerifier(t, issuer, network.transport(t)))
			}
			seen := older.token(issuer.url)
			for _, v := range verifiers {
				v.accepts(t, seen)
			}
			issuer.publish(newer)
			time.Sleep(8 * time.Minute)
			for _, v := range verifiers {
				v.accepts(t, seen) // nobody has asked again
			}
			time.Sleep(3 * time.Minute)
			for n, v := range verifiers {
				// By the schedule and by no request.
				require.Equal(t, []string{older.id}, v.log.last(t).Removed, "verifier %d", n)
				v.refuses(t, seen, binding.ReasonTokenKeyUnknown)
				v.refuses(t, older.token(issuer.url, "jti", "not seen before"), binding.ReasonTokenKeyUnknown)
			}
		}, older)
	})

	t.Run("3.12 the caller that started a fetch goes away: I/250", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t))
			v.accepts(t, older.token(issuer.url))
			release := make(chan struct{})
			issuer.answer(held(release, body(jwkSetOf(older, newer))))
			ctx, leave := context.WithCancel(t.Context())
			starter := verifyAtOnce(ctx, v, 1, newer.token(issuer.url))
			others := verifyAtOnce(t.Context(), v, 10, newer.token(issuer.url))
			require.Equal(t, 2, issuer.fetches())
			leave()
			require.Equal(t, binding.ReasonCanceled, binding.AsError(<-starter).Reason)
			synctest.Wait()
			require.Empty(t, others)
			close(release)
			for range 10 {
				require.NoError(t, <-others)
			}
			require.Equal(t, 2, issuer.fetches())
		}, older)
	})

	t.Run("a fetch that had begun before the rotation is no answer", func(t *testing.T) {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t))
			v.accepts(t, older.token(issuer.url))
			release := make(chan struct{})
			issuer.answer(held(release, body(jwkSetOf(older))))
			stranger := verifyAtOnce(t.Context(), v, 1, newFaultKey("3").token(issuer.url))
			require.Equal(t, 2, issuer.fetches())
			issuer.publish(older, newer)
			pair := verifyAtOnce(t.Context(), v, 2, newer.token(issuer.url)) // they join
			require.Equal(t, 2, issuer.fetches())
			close(release)
			requireRefusal(t, <-stranger, binding.ReasonTokenKeyUnknown)
			require.NoError(t, <-pair)
			require.NoError(t, <-pair)
			require.Equal(t, 3, issuer.fetches())
		}, older)
	})
}

// Nobody waits for a third fetch: the second began after the token came.
func TestWhoHasWaitedTwiceHasAnAnswer(t *testing.T) {
	key := newFaultKey("1")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		v := newFaultVerifier(t, issuer, network.transport(t))
		v.accepts(t, key.token(issuer.url))
		release := make(chan struct{})
		issuer.answer(held(release, body(jwkSetOf(key))))
		for issuer.fetches() == 1 { // the schedule's, which takes nothing out of the budget
			time.Sleep(time.Second)
		}
		strangers := verifyAtOnce(t.Context(), v, 200, newFaultKey("2").token(issuer.url))
		close(release)
		for range 200 {
			requireRefusal(t, <-strangers, binding.ReasonTokenKeyUnknown)
		}
		require.Equal(t, 3, issuer.fetches())
	}, key)
}

// 3.16, I/255: the same kid at two issuers is two keys.
func TestIssuersWithTheSameKeyID(t *testing.T) {
	bank, shop := newFaultKey("1"), newFaultKey("1")
	bubble(t, func(t *testing.T, network *pipeNetwork, banks *faultIssuer) {
		shops := newFaultIssuer("https://other.example", shop)
		network.serve(t, "other.example", shops)
		bankVerifier := newFaultVerifier(t, banks, network.transport(t))
		shopVerifier := newFaultVerifier(t, shops, network.transport(t))
		both, err := jwks.ByIssuer(bankVerifier.Verifier, shopVerifier.Verifier)
		require.NoError(t, err)
		verify := func(token string) error {
			_, err := both.VerifyToken(t.Context(), token)
			return err
		}
		// Twice: the second time from the tokens seen before.
		for range 2 {
			require.NoError(t, verify(bank.token(banks.url)))
			require.NoError(t, verify(shop.token(shops.url)))
			requireRefusal(t, verify(bank.token(shops.url)), binding.ReasonTokenSignature)
			requireRefusal(t, verify(shop.token(banks.url)), binding.ReasonTokenSignature)
			requireRefusal(t, verify(shop.token("https://third.example")), binding.ReasonTokenIssuer)
			shopVerifier.refuses(t, bank.token(banks.url), binding.ReasonTokenIssuer)
		}
		// One is away: the other serves, and nobody takes its place.
		require.NoError(t, shopVerifier.Close())
		requireUnavailable(t, verify(shop.token(shops.url)))
		require.NoError(t, verify(bank.token(banks.url)))
		require.ErrorContains(t, both.Ready(), shops.url)
		require.Equal(t, "1 1", fmt.Sprint(banks.fetches(), shops.fetches()))
	}, bank)
}
