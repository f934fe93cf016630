package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// The issuer is asked again only where that could help.
func TestWhenTheIssuerIsAskedAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(raw) raw
		want   binding.Reason // "" accepted
		asked  int
	}{
		"a kid that is published":                   {func(h raw) raw { return h }, "", 1},
		"a kid that is published, for another alg":  {func(h raw) raw { return h.with("alg", `"EdDSA"`) }, binding.ReasonTokenKeyUnknown, 1},
		"a kid that is not published":               {func(h raw) raw { return h.with("kid", `"x"`) }, binding.ReasonTokenKeyUnknown, 2},
		"no kid, and a key that fits":               {func(h raw) raw { return h.with("kid", "") }, "", 1},
		"no kid, and no key that fits":              {func(h raw) raw { return h.with("kid", "").with("alg", `"EdDSA"`) }, binding.ReasonTokenKeyUnknown, 2},
		"no kid, and a key of another curve's name": {func(h raw) raw { return h.with("kid", "").with("alg", `"ES384"`) }, binding.ReasonTokenKeyUnknown, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t, bindingtest.Config{})
			v := i.verifier(t)
			requireAccepted(t, v, i.goodToken(t))
			token := i.token(t, test.change(i.header()))
			if test.want == "" {
				requireAccepted(t, v, token)
			} else {
				requireRefused(t, v, token, test.want)
			}
			require.Equal(t, test.asked, i.Requests(bindingtest.JWKSPath))
		})
	}
}

// What New was given can change afterwards; the verifier does not.
func TestNewCopiesItsConfig(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	algorithms, types, audiences := []jwks.Algorithm{jwks.ES256}, []string{"at+jwt"}, []string{audience}
	scopes, clients := []string{"scp"}, []string{"app"}
	v := i.verifier(t, func(c *jwks.Config) {
		c.Algorithms, c.TokenTypes, c.Audiences, c.ScopeClaims, c.ClientIDClaims = algorithms, types, audiences, scopes, clients
	})
	algorithms[0], types[0], audiences[0], scopes[0], clients[0] = jwks.RS256, "jwt", "https://other.example", "scope", "client_id"
	token := requireAccepted(t, v, i.tokenWith(t, i.claims().with("scp", `"a"`).with("scope", `"b"`).with("app", `"mine"`)))
	require.Equal(t, []string{"a"}, token.Scopes())
	require.Equal(t, "mine", token.ClientID())
}

// MaxBody is how much of a document is read.
func TestMaxBody(t *testing.T) {
	t.Parallel()
	key := newFaultKey("1")
	document := jwkSetOf(key)
	document += strings.Repeat(" ", 1_000-len(document))
	for limit, accepted := range map[int]bool{999: false, 1_000: true} {
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			issuer.answer(body(document))
			v := newFaultVerifier(t, issuer, network.transport(t), func(c *jwks.Config) { c.MaxBody = limit })
			if accepted {
				v.accepts(t, key.token(issuer.url))
			} else {
				v.lacks(t, key.token(issuer.url))
			}
		})
	}
}

// Keys serve up to the end of their age, and not a nanosecond longer.
func TestEndOfMaxStale(t *testing.T) {
	t.Parallel()
	key := newFaultKey("1")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		v := newFaultVerifier(t, issuer, network.transport(t), func(c *jwks.Config) { c.MaxStale = 3 * time.Hour })
		v.accepts(t, key.token(issuer.url))
		end := issuer.times()[0].Add(3 * time.Hour)
		issuer.answer(status(http.StatusBadGateway, ""))
		time.Sleep(time.Until(end))
		v.accepts(t, key.token(issuer.url))
		time.Sleep(time.Nanosecond)
		v.lacks(t, key.token(issuer.url))
	}, key)
}

// When keys have grown too old to serve, nothing is told of since when they were not fresh.
func TestNothingIsStaleThatDoesNotServe(t *testing.T) {
	t.Parallel()
	key := newFaultKey("1")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		v := newFaultVerifier(t, issuer, network.transport(t), func(c *jwks.Config) { c.MaxStale = 20 * time.Minute })
		v.accepts(t, key.token(issuer.url))
		issuer.answer(status(http.StatusBadGateway, ""))
		time.Sleep(time.Hour)
		synctest.Wait()
		last := v.log.last(t)
		require.Equal(t, jwks.KeysFailed, last.Kind)
		require.False(t, last.Usable)
		require.Zero(t, last.StaleSince)
	}, key)
}

// Keys that are too old as soon as they come are the answer to who waited for them, without another fetch.
func TestFetchSlowerThanFreshIsAnAnswer(t *testing.T) {
	t.Parallel()
	key, unknown := newFaultKey("1"), newFaultKey("2")
	slow := func(c *jwks.Config) { c.Fresh, c.MaxStale = 2*time.Second, -1 }

	t.Run("to a token that came while it was under way", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			issuer.answer(after(4*time.Second, body(jwkSetOf(key))))
			v := newFaultVerifier(t, issuer, network.transport(t), slow)
			synctest.Wait()
			start := time.Now()
			v.accepts(t, key.token(issuer.url))
			require.Equal(t, 4*time.Second, time.Since(start))
		})
	})
	t.Run("to a token that opened it", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			v := newFaultVerifier(t, issuer, network.transport(t), slow)
			v.accepts(t, key.token(issuer.url))
			issuer.answer(after(4*time.Second, body(jwkSetOf(key))))
			start := time.Now()
			v.refuses(t, unknown.token(issuer.url), binding.ReasonTokenKeyUnknown)
			require.Equal(t, 4*time.Second, time.Since(start))
		}, key)
	})
	t.Run("and the second to whoever had to wait for two", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
			issuer.answer(after(4*time.Second, body(jwkSetOf(key))))
			v := newFaultVerifier(t, issuer, network.transport(t), slow)
			synctest.Wait()
			start := time.Now()
			waiting := verifyAtOnce(t.Context(), v, 100, unknown.token(issuer.url))
			for range 100 {
				requireRefusal(t, <-waiting, binding.ReasonTokenKeyUnknown)
			}
			require.Equal(t, 8*time.Second, time.Since(start))
		})
	})
}

// Of a thousand that wait for the same two fetches some look when the second has landed: it began after they came, and so
// they cause no third.
func TestWhoLooksLateCausesNoFetch(t *testing.T) {
	t.Parallel()
	key := newFaultKey("1")
	token := newFaultKey("2").token("https://issuer.example")
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			issuer := newFaultIssuer("https://issuer.example", key)
			release := make(chan struct{})
			issuer.answer(func(w http.ResponseWriter, r *http.Request) {
				if issuer.fetches() == 1 {
					<-release
				}
				body(jwkSetOf(key))(w, r)
			})
			v := newFaultVerifier(t, issuer, inMemory(issuer))
			synctest.Wait()
			waiting := verifyAtOnce(t.Context(), v, 1_000, token)
			close(release)
			for range 1_000 {
				requireRefusal(t, <-waiting, binding.ReasonTokenKeyUnknown)
			}
			require.Equal(t, 2, issuer.fetches())
		})
	}
}

// Before the first fetch has ended there is nothing to say but that.
func TestReadyBeforeTheFirstFetch(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		issuer.answer(hang)
		v := newFaultVerifier(t, issuer, network.transport(t))
		synctest.Wait()
		require.Equal(t, jwks.ErrNotReady, v.Ready())
		time.Sleep(10 * time.Second)
		require.ErrorIs(t, v.Ready(), jwks.ErrNotReady)
		require.NotEqual(t, jwks.ErrNotReady, v.Ready(), "and why")
	})
}

// A request that has ended is not the reason why there are no keys.
func TestCanceledDuringBackOff(t *testing.T) {
	t.Parallel()
	key := newFaultKey("1")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		issuer.answer(status(http.StatusBadGateway, ""))
		v := newFaultVerifier(t, issuer, network.transport(t))
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := v.VerifyToken(ctx, key.token(issuer.url))
		requireUnavailable(t, err)
		require.False(t, errors.Is(err, context.Canceled))
	})
}

// Unless told otherwise a verifier remembers 10,000 tokens.
func TestSeenTokensByDefault(t *testing.T) {
	t.Parallel()
	const tokens = 11_000
	key := newFaultKey("1")
	issuer := newFaultIssuer("https://issuer.example", key)
	v := newFaultVerifier(t, issuer, inMemory(issuer))
	verifyAll := func() uint64 {
		before := v.Stats().Seen
		for n := range tokens {
			v.accepts(t, key.token(issuer.url, "jti", fmt.Sprint(n)))
		}
		return v.Stats().Seen - before
	}
	require.Zero(t, verifyAll())
	again := verifyAll()
	require.Positive(t, again)
	require.LessOrEqual(t, again, uint64(10_000))
}

// Every mistake of ByIssuer says which verifier it is about, and by its issuer.
func TestByIssuerNamesTheMistake(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	_, err := jwks.ByIssuer()
	require.ErrorContains(t, err, "verifiers: at least one is required")
	_, err = jwks.ByIssuer(i.verifier(t), nil, i.verifier(t))
	require.ErrorContains(t, err, "verifiers: number 1 is nil")
	require.ErrorContains(t, err, fmt.Sprintf("verifiers: issuer %q has two", i.Issuer()))
}

// 16 KiB to the byte, for one issuer and for several.
func TestLongestTokenThatIsVerified(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	both, err := jwks.ByIssuer(i.verifier(t))
	require.NoError(t, err)
	longest := ""
	for inHeader := 0; len(longest) != 16<<10; inHeader++ {
		require.Less(t, inHeader, 8)
		for inClaims := 11_500; inClaims < 12_500 && len(longest) != 16<<10; inClaims++ {
			header := i.header().with("fill", quote(strings.Repeat("a", inHeader)))
			claims := i.claims().with("fill", quote(strings.Repeat("a", inClaims)))
			if unsigned := len(b64([]byte(header.String()))) + len(b64([]byte(claims.String()))); unsigned+2+86 == 16<<10 {
				longest = i.sign(t, header.String(), claims.String())
			}
		}
	}
	requireAccepted(t, i.verifier(t), longest)
	requireAccepted(t, both, longest)
}
