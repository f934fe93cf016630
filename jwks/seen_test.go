package jwks_test

import (
	"encoding/json"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// Tokens that were seen before. That a token is the very one from before, by its
// pointer, shows that its signature was not verified again; rows 273 to 276.

// A testClock is set by a test.
type testClock struct {
	mu   sync.Mutex
	time time.Time
}

func newClock() *testClock { return &testClock{time: noon} }

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.time
}

func (c *testClock) set(to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.time = to
}

func TestSeenOnceVerifiedOnce(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	v, other := i.verifier(t), i.verifier(t)
	token := i.goodToken(t)
	first := requireAccepted(t, v, token)
	for range 3 {
		require.Same(t, first, requireAccepted(t, v, token))
	}
	require.NotSame(t, first, requireAccepted(t, other, token), "another verifier has seen nothing")
	require.NotSame(t, first, requireAccepted(t, v, i.goodToken(t)), "the same claims in another signature are another token")
	t.Run("A/26 a tampered token with the same beginning is no hit", func(t *testing.T) {
		t.Parallel()
		requireRefused(t, v, flip(token, 2, -1), binding.ReasonTokenSignature)
		requireRefused(t, v, token[:len(token)-2], binding.ReasonTokenSignature)
		requireRefused(t, v, token+"A", binding.ReasonTokenSignature)
		requireRefused(t, v, token+"=", binding.ReasonTokenMalformed)
		segments := strings.Split(token, ".")
		other := b64([]byte(i.claims().with("sub", `"mallory"`).String()))
		requireRefused(t, v, segments[0]+"."+other+"."+segments[2], binding.ReasonTokenSignature)
	})
	t.Run("a long token is known by all of it", func(t *testing.T) {
		t.Parallel()
		for _, length := range []int{700, 1_000, 2_000, 8_000} {
			token := i.tokenWith(t, i.claims().with("filler", quote(strings.Repeat("x", length))))
			first := requireAccepted(t, v, token)
			require.Same(t, first, requireAccepted(t, v, token))
			requireRefused(t, v, flip(token, 2, -1), binding.ReasonTokenSignature)
			requireRefused(t, v, flip(token, 2, 0), binding.ReasonTokenSignature)
		}
	})
	t.Run("a refusal is not remembered as one, nor as a token", func(t *testing.T) {
		t.Parallel()
		for range 3 {
			requireRefused(t, v, forged(t, i), binding.ReasonTokenSignature)
		}
	})
}

func TestSeenTokensNone(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	v := i.verifier(t, func(c *jwks.Config) { c.SeenTokens = -1 })
	token := i.goodToken(t)
	require.NotSame(t, requireAccepted(t, v, token), requireAccepted(t, v, token))
	require.NoError(t, i.Rotate())
	i.RetireOldKeys()
	requireAccepted(t, v, i.goodToken(t))
	requireRefused(t, v, token, binding.ReasonTokenKeyUnknown)
}

func TestSeenTokensAreBounded(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	v := i.verifier(t, func(c *jwks.Config) { c.SeenTokens = 10 })
	first := make(map[string]*binding.Token)
	for range 200 {
		token := i.goodToken(t)
		first[token] = requireAccepted(t, v, token)
		requireRefused(t, v, flip(token, 2, 0), binding.ReasonTokenSignature)
	}
	remembered := 0
	for token, before := range first {
		if requireAccepted(t, v, token) == before {
			remembered++
		}
	}
	require.LessOrEqual(t, remembered, 50)
}

// K/274: the clock is looked at every time.
func TestSeenTokenWithinItsTimes(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	for _, leeway := range []time.Duration{-1, time.Minute} {
		clock := newClock()
		v := i.verifier(t, func(c *jwks.Config) { c.Clock, c.Leeway = clock.now, leeway })
		lead := max(leeway, 0)
		token := i.tokenWith(t, i.claims().with("nbf", seconds(noon)).with("iat", seconds(noon.Add(-time.Hour))))
		first := requireAccepted(t, v, token)
		for _, step := range []struct {
			at     time.Time
			reason binding.Reason
		}{
			{noon.Add(5*time.Minute + lead), ""},
			{noon.Add(5*time.Minute + lead + time.Second), binding.ReasonTokenExpired},
			{noon.Add(24 * time.Hour), binding.ReasonTokenExpired},
			{noon.Add(-lead), ""}, // I/254: a clock that is set back
			{noon.Add(-lead - time.Second), binding.ReasonTokenNotYetValid},
			{noon, ""},
		} {
			clock.set(step.at)
			if step.reason != "" {
				requireRefused(t, v, token, step.reason)
				continue
			}
			require.Same(t, first, requireAccepted(t, v, token))
		}
		early := i.tokenWith(t, i.claims())
		requireAccepted(t, v, early)
		clock.set(noon.Add(-lead - time.Second)) // before its iat
		requireRefused(t, v, early, binding.ReasonTokenNotYetValid)
	}
}

// K/274: a token that may not live so long by a clock that was set back is refused as a new one is.
func TestSeenTokenThatLivesTooLong(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	for _, leeway := range []time.Duration{-1, time.Minute} {
		clock := newClock()
		v := i.verifier(t, func(c *jwks.Config) { c.Clock, c.Leeway, c.MaxLifetime = clock.now, leeway, time.Minute })
		token := i.tokenWith(t, i.claims()) // until five minutes past noon
		earliest := noon.Add(4*time.Minute - max(leeway, 0))
		clock.set(earliest)
		first := requireAccepted(t, v, token)
		require.Same(t, first, requireAccepted(t, v, token))
		clock.set(earliest.Add(-time.Second))
		requireRefused(t, v, token, binding.ReasonTokenLifetime)
		clock.set(earliest)
		require.Same(t, first, requireAccepted(t, v, token))
	}
}

// A limit that is no limit is none to what is remembered either.
func TestSeenTokenWithoutALimitWorthTheName(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	for _, leeway := range []time.Duration{-1, time.Minute} {
		v := i.verifier(t, func(c *jwks.Config) { c.Leeway, c.MaxLifetime = leeway, math.MaxInt64 })
		token := i.goodToken(t)
		first := requireAccepted(t, v, token)
		require.Same(t, first, requireAccepted(t, v, token))
	}
}

// K/274: the very key that verified a token has to be published still, whatever
// its name, for the same algorithm. A token with a new kid has the set read anew.
func TestSeenTokenWhoseKeyChanges(t *testing.T) {
	t.Parallel()
	old, next := signer{jwks.PS256, rsaKey()}, signer{jwks.ES256, newEC()}
	key := old.key().with("kid", `"old"`)
	for name, test := range map[string]struct {
		change func(raw) json.RawMessage
		reason binding.Reason // "": accepted, and from memory
	}{
		"as it was":                      {func(k raw) json.RawMessage { return k.published() }, ""},
		"with its alg named":             {func(k raw) json.RawMessage { return k.with("alg", `"PS256"`).published() }, ""},
		"under another kid":              {func(k raw) json.RawMessage { return k.with("kid", `"renamed"`).published() }, ""},
		"without a kid":                  {func(k raw) json.RawMessage { return k.with("kid", "").published() }, ""},
		"removed":                        {func(raw) json.RawMessage { return json.RawMessage(`{}`) }, binding.ReasonTokenKeyUnknown},
		"I/246 new material, same kid":   {func(raw) json.RawMessage { return keyOf(otherRSAKey().Public()).with("kid", `"old"`).published() }, binding.ReasonTokenSignature},
		"now for another alg":            {func(k raw) json.RawMessage { return k.with("alg", `"RS256"`).published() }, binding.ReasonTokenKeyUnknown},
		"now for encryption":             {func(k raw) json.RawMessage { return k.with("use", `"enc"`).published() }, binding.ReasonTokenKeyUnknown},
		"now not to verify":              {func(k raw) json.RawMessage { return k.with("key_ops", `["encrypt"]`).published() }, binding.ReasonTokenKeyUnknown},
		"now published with its private": {func(k raw) json.RawMessage { return k.with("d", `"AQAB"`).published() }, binding.ReasonTokenKeyUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t, bindingtest.Config{})
			i.publish(key.published())
			v := i.verifier(t)
			token := old.sign(old.header("old").String(), i.claims().String())
			first := requireAccepted(t, v, token)
			i.publish(test.change(key), next.key().with("kid", `"next"`).published())
			requireAccepted(t, v, next.sign(next.header("next").String(), i.claims().String()))
			if test.reason == "" {
				require.Same(t, first, requireAccepted(t, v, token))
				return
			}
			requireRefused(t, v, token, test.reason)
		})
	}
}

func TestSeenTokenAfterClose(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	v := i.verifier(t)
	token := i.goodToken(t)
	requireAccepted(t, v, token)
	require.NoError(t, v.Close())
	require.ErrorIs(t, requireNoKeys(t, v, token), jwks.ErrClosed)
	require.ErrorIs(t, v.Ready(), jwks.ErrClosed)
}

// K/276: what one request does with a token, another does not see.
func TestSeenTokenIsNobodysToChange(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	v := i.verifier(t, func(c *jwks.Config) { c.ScopeClaims = []string{"scope"} })
	token := i.tokenWith(t, i.claims().with("scope", `"a b"`).with("roles", `["reader"]`).with("aud", `["https://api.example","x"]`))
	spoil := func(t *testing.T) {
		t.Helper()
		one := requireAccepted(t, v, token)
		one.Scopes()[0], one.Audience()[0] = "admin", "https://evil.example"
		_ = append(one.Scopes()[:1], "admin")
		claims := make(map[string]any)
		require.NoError(t, one.Claims(&claims))
		require.Equal(t, []any{"reader"}, claims["roles"])
		claims["roles"].([]any)[0] = "admin"
		claims["sub"] = "mallory"
		thumbprint, _ := one.Thumbprint()
		thumbprint[0]++
	}
	check := func(t *testing.T) {
		t.Helper()
		other := requireAccepted(t, v, token)
		require.Equal(t, []string{"a", "b"}, other.Scopes())
		require.Equal(t, []string{"https://api.example", "x"}, other.Audience())
		require.False(t, other.HasScope("admin"))
		require.Equal(t, "alice", other.Subject())
		var claims struct {
			Roles []string `json:"roles"`
		}
		require.NoError(t, other.Claims(&claims))
		require.Equal(t, []string{"reader"}, claims.Roles)
	}
	spoil(t)
	check(t)
	var group sync.WaitGroup // K/275, with the race detector
	for range 50 {
		group.Go(func() { spoil(t); check(t) })
	}
	group.Wait()
}

// K/275: good and bad tokens at once, never mixed up.
func TestConcurrentTokens(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	v := i.verifier(t, func(c *jwks.Config) { c.SeenTokens = 8 })
	good, bad := make([]string, 32), make([]string, 32)
	for n := range good {
		good[n] = i.tokenWith(t, i.claims().with("sub", quote(strings.Repeat("s", n+1))))
		bad[n] = flip(good[n], 2, n)
	}
	var group sync.WaitGroup
	for worker := range 100 {
		group.Go(func() {
			for n := range good {
				at := (n + worker) % len(good)
				token, err := v.VerifyToken(t.Context(), good[at])
				if err != nil || len(token.Subject()) != at+1 {
					t.Errorf("the good token %d: %v", at, err)
				}
				if _, err := v.VerifyToken(t.Context(), bad[at]); err == nil {
					t.Errorf("the bad token %d was accepted", at)
				}
			}
		})
	}
	group.Wait()
	require.Equal(t, 1, i.Requests(bindingtest.JWKSPath))
}
