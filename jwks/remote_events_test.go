package jwks_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks"
)

// What the observer is told, and that nobody waits for it.

func TestEvents(t *testing.T) {
	a, b, c := newFaultKey("a"), newFaultKey("b"), newFaultKey("c")
	replaced := newFaultKey("b")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		issuer.answerMetadata(body(fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuer.url, issuer.keySetURL())))
		issuer.answer(after(3*time.Second, body(jwkSetOf(a, b))))
		v := newFaultVerifier(t, issuer, network.transport(t))
		token := a.token(issuer.url)
		v.accepts(t, token)
		synctest.Wait()
		require.Equal(t, []jwks.Event{
			{Kind: jwks.KeysFetched, Issuer: issuer.url, Duration: 3 * time.Second, Keys: 2, Added: []string{"a", "b"}, Usable: true},
			{Kind: jwks.TokensNotBound, Issuer: issuer.url, Usable: true},
		}, v.log.all())

		issuer.answer(body(jwkSet(a.jwk(), replaced.jwk(), c.jwk(), `{"kid":"odd","kty":"oct","k":"c2VjcmV0"}`)))
		time.Sleep(10 * time.Minute)
		event := v.log.last(t)
		require.Equal(t, []string{"b", "c"}, event.Added)
		require.Equal(t, []string{"b"}, event.Removed)
		require.Equal(t, 3, event.Keys)
		require.Equal(t, "odd", event.Ignored[0].KeyID)
		require.ErrorContains(t, event.Ignored[0].Problem, "symmetric")

		issuer.publish(a)
		time.Sleep(10 * time.Minute)
		event = v.log.last(t)
		require.Empty(t, event.Added)
		require.Equal(t, []string{"b", "c"}, event.Removed)
		require.Empty(t, event.Ignored)

		issuer.publish(faultKey{id: "A", private: a.private}) // under another name
		time.Sleep(10 * time.Minute)
		event = v.log.last(t)
		require.Equal(t, []string{"A"}, event.Added)
		require.Equal(t, []string{"a"}, event.Removed)

		issuer.answer(status(http.StatusTeapot, "c2VjcmV0"))
		v.lacks(t, b.token(issuer.url))
		synctest.Wait()
		event = v.log.last(t)
		require.Equal(t, jwks.KeysFailed, event.Kind)
		require.ErrorContains(t, event.Err, "status 418")
		require.Empty(t, append(event.Added, event.Removed...))
		require.Zero(t, event.Keys)

		time.Sleep(time.Hour) // metadata is read again: told once
		told := 0
		for _, event := range v.log.all() {
			if event.Kind == jwks.TokensNotBound {
				told++
			}
			text := fmt.Sprintf("%+v", event)
			require.NotContains(t, text, token)
			require.NotContains(t, text, "c2VjcmV0", "neither a key nor what an answer says")
			require.Zero(t, event.Lost)
		}
		require.Equal(t, 1, told)
	})
}

func TestObserverThatBlocksHurtsNoRequest(t *testing.T) {
	first, second := newFaultKey("1"), newFaultKey("2")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		release := make(chan struct{})
		log := &eventLog{}
		v := newFaultVerifier(t, issuer, network.transport(t), func(c *jwks.Config) {
			c.Observe = func(e jwks.Event) {
				<-release
				log.observe(e)
			}
		})
		v.accepts(t, first.token(issuer.url))
		issuer.publish(first, second)
		v.accepts(t, second.token(issuer.url))
		time.Sleep(25 * time.Hour)
		v.accepts(t, first.token(issuer.url))
		fetches := issuer.fetches()
		require.Greater(t, fetches, 140)

		// What it missed is counted, and what waits for it is not without end.
		close(release)
		synctest.Wait()
		require.Len(t, log.all(), 65)
		time.Sleep(20 * time.Minute)
		require.Equal(t, fetches-65, log.all()[65].Lost)
		require.Zero(t, log.all()[66].Lost)
	}, first)
}

// What waits for the observer when the verifier is closed is not told.
func TestNoEventAfterClose(t *testing.T) {
	key := newFaultKey("1")
	for range 20 { // which of two channels is read is chance
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			release := make(chan struct{})
			log := &eventLog{}
			v := newFaultVerifier(t, issuer, network.transport(t), func(c *jwks.Config) {
				c.Observe = func(e jwks.Event) {
					log.observe(e)
					<-release
				}
			})
			time.Sleep(time.Hour)
			require.Len(t, log.all(), 1)
			closed := make(chan error, 1)
			go func() { closed <- v.Close() }()
			synctest.Wait()
			require.Empty(t, closed, "Close waits for the observer")
			close(release)
			require.NoError(t, <-closed)
			require.Len(t, log.all(), 1)
		}, key)
	}
}

func TestObserverThatPanics(t *testing.T) {
	first, second := newFaultKey("1"), newFaultKey("2")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		var told atomic.Int64
		v := newFaultVerifier(t, issuer, network.transport(t), func(c *jwks.Config) {
			c.Observe = func(jwks.Event) {
				told.Add(1)
				panic("the observer's own fault")
			}
		})
		v.accepts(t, first.token(issuer.url))
		issuer.publish(first, second)
		v.accepts(t, second.token(issuer.url))
		time.Sleep(time.Hour)
		require.GreaterOrEqual(t, told.Load(), int64(7))
		require.NoError(t, v.Close())
	}, first)
}

// An observer may ask the verifier; it is in nobody's way.
func TestObserverThatAsksBack(t *testing.T) {
	key := newFaultKey("1")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		asked := make(chan error, 1)
		verifier := make(chan *jwks.Verifier, 1)
		v := newFaultVerifier(t, issuer, network.transport(t), func(c *jwks.Config) {
			c.Observe = func(jwks.Event) {
				v := <-verifier
				_, err := v.VerifyToken(t.Context(), newFaultKey("2").token(issuer.url)) // which causes a fetch
				if v.Ready() == nil {
					asked <- err
				}
			}
		})
		verifier <- v.Verifier
		require.NoError(t, isUnknown(<-asked))
		close(verifier) // whatever else it is told
		require.NoError(t, v.Close())
	}, key)
}
