package dpop_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/dpop"
)

func key(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func withNonces(keys ...[]byte) func(*dpop.Config) {
	return func(c *dpop.Config) { c.RequireNonce, c.NonceKeys = true, keys }
}

// withNonce is a good proof with a nonce.
func withNonce(nonce string) string { return signed(goodClaims().with("nonce", quote(nonce))) }

func TestNonces(t *testing.T) {
	t.Parallel()
	t.Run("L/355 none in the proof", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, withNonces(key(1)))
		requireRefused(t, v, get(signed(goodClaims())), binding.ReasonProofNonceMissing)
		requireRefused(t, v, get(), binding.ReasonProofMissing)
		require.Regexp(t, regexp.MustCompile(`^[A-Za-z0-9_-]{30}$`), v.Nonce())
	})
	t.Run("L/356 not ours, or too old", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		v := newVerifier(t, withNonces(key(1)), withClock(c))
		another := newVerifier(t, withNonces(key(1)), withClock(c), func(c *dpop.Config) { c.Origins = []string{"https://other.example"} })
		anothers := newVerifier(t, withNonces(key(2)), withClock(c))
		own := newVerifier(t, func(c *dpop.Config) { c.RequireNonce = true }, withClock(c))
		good := v.Nonce()
		for _, nonce := range []string{"", " x", "eyJ7S_zG.eyJH0-Z.HX4w-7v", another.Nonce(), anothers.Nonce(), own.Nonce(), good + "A", good[:29], good[:8], good[8:], " " + good} {
			requireRefused(t, v, get(withNonce(nonce)), binding.ReasonProofNonce)
		}
		requireAccepted(t, own, get(withNonce(own.Nonce())))
		forgetful := newVerifier(t, withNonces(key(1)), func(c *dpop.Config) { c.DangerouslyAcceptReplays = true })
		requireRefused(t, forgetful, get(withNonce(anothers.Nonce())), binding.ReasonProofNonce)
		c.add(4 * time.Minute)
		requireAccepted(t, v, get(withNonce(good)))
		c.add(time.Minute)
		requireRefused(t, v, get(withNonce(good)), binding.ReasonProofNonce)
	})
	t.Run("L/357 an iat far off", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, withNonces(key(1)))
		for _, off := range []time.Duration{-time.Hour, time.Hour, 0} {
			requireAccepted(t, v, get(signed(goodClaims().with("nonce", quote(v.Nonce())).with("iat", fmt.Sprint(noon.Add(off).Unix())))))
		}
		requireRefused(t, v, get(signed(goodClaims().with("nonce", quote(v.Nonce())).with("iat", ""))), binding.ReasonProofClaims)
		requireRefused(t, v, get(signed(goodClaims().with("nonce", quote(v.Nonce())).with("exp", "1"))), binding.ReasonProofExpired)
	})
	t.Run("L/358 replicas and rotation", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		one, two := key(1), key(2)
		old, first := newVerifier(t, withNonces(one), withClock(c)), newVerifier(t, withNonces(one, two), withClock(c))
		second, last := newVerifier(t, withNonces(two, one), withClock(c)), newVerifier(t, withNonces(two), withClock(c))
		nonce := old.Nonce()
		require.Equal(t, nonce, first.Nonce())
		require.Equal(t, second.Nonce(), last.Nonce())
		require.NotEqual(t, nonce, last.Nonce())
		one[0] = 9 // the keys were copied
		for _, v := range []*dpop.Verifier{old, first, second} {
			requireAccepted(t, v, get(withNonce(nonce)))
		}
		requireAccepted(t, first, get(withNonce(last.Nonce())))
		requireRefused(t, last, get(withNonce(nonce)), binding.ReasonProofNonce)
		c.add(time.Minute)
		require.Equal(t, newVerifier(t, withNonces(key(1)), withClock(c)).Nonce(), old.Nonce())
	})
	t.Run("the origins' order and writing change nothing", func(t *testing.T) {
		t.Parallel()
		a := newVerifier(t, withNonces(key(1)), func(c *dpop.Config) { c.Origins = []string{origin, "https://b.example"} })
		b := newVerifier(t, withNonces(key(1)), func(c *dpop.Config) { c.Origins = []string{"https://B.example:443/", origin, origin} })
		require.Equal(t, a.Nonce(), b.Nonce())
	})
	t.Run("L/359 the newest and older ones", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		v := newVerifier(t, withNonces(key(1), key(2)), withClock(c))
		ahead := newClock()
		ahead.add(time.Minute)
		replica := newVerifier(t, withNonces(key(1)), withClock(ahead))
		other := newVerifier(t, withNonces(key(2)), withClock(c))
		stale := func(nonce string) bool {
			proof, err := use(t, v, get(withNonce(nonce)))
			require.NoError(t, err)
			return proof.Stale
		}
		old := v.Nonce()
		require.False(t, stale(old))
		require.False(t, stale(replica.Nonce()), "of a replica whose clock is ahead")
		require.True(t, stale(other.Nonce()), "by a key that makes none any more")
		c.add(time.Minute)
		require.NotEqual(t, old, v.Nonce())
		require.True(t, stale(old))
		require.False(t, stale(v.Nonce()))
		ahead.add(2 * time.Minute)
		requireRefused(t, v, get(withNonce(replica.Nonce())), binding.ReasonProofNonce)
	})
	t.Run("a proof is good once, for as long as its nonce is", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		v := newVerifier(t, withNonces(key(1)), withClock(c))
		proof := withNonce(v.Nonce())
		requireAccepted(t, v, get(proof))
		for range 299 {
			requireRefused(t, v, get(proof), binding.ReasonProofReplayed)
			c.add(time.Second)
		}
		c.add(time.Second)
		requireRefused(t, v, get(proof), binding.ReasonProofNonce)
		require.Equal(t, 4*time.Minute, v.Stats().Window)
	})
	t.Run("the memory is too small", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		v := newVerifier(t, withNonces(key(1)), withClock(c), func(c *dpop.Config) { c.MaxProofs = 1000 })
		old := v.Nonce()
		for n := range 1050 {
			if n%10 == 0 {
				c.add(2 * time.Second)
			}
			requireAccepted(t, v, get(withNonce(v.Nonce())))
		}
		require.Less(t, v.Stats().Window, 4*time.Minute)
		_, err := v.ReadProof(get(withNonce(old)), token)
		require.Error(t, err, "before the token is known: of an opaque one nothing could be told behind it")
		require.Equal(t, binding.ReasonProofNonce, binding.AsError(err).Reason)
	})
	t.Run("a store remembers for as long as the nonce is good, the leeway and the way to it", func(t *testing.T) {
		t.Parallel()
		s := &store{now: newClock().Now, until: make(map[[32]byte]time.Time)}
		v := newVerifier(t, withNonces(key(1)), func(c *dpop.Config) { c.Replays = s })
		requireAccepted(t, v, get(withNonce(v.Nonce())))
		require.Equal(t, []time.Duration{5*time.Minute + 36*time.Second}, s.ttls)
		require.Equal(t, 4*time.Minute, v.Stats().Window)
	})
	t.Run("a restart", func(t *testing.T) {
		t.Parallel()
		for name, test := range map[string]struct {
			change func(*dpop.Config)
			want   binding.Reason // of a proof that the process before has accepted
		}{
			"without nonces":     {func(*dpop.Config) {}, accepted},
			"keys that are kept": {withNonces(key(1)), accepted},
			"keys of a process":  {withNonces(), binding.ReasonProofNonce},
		} {
			before, after := newVerifier(t, test.change), newVerifier(t, test.change)
			proof := withNonce(before.Nonce())
			requireAccepted(t, before, get(proof))
			_, err := use(t, after, get(proof))
			if test.want == accepted {
				require.NoError(t, err, name)
				continue
			}
			require.Error(t, err, name)
			require.Equal(t, test.want, binding.AsError(err).Reason, name)
		}
	})
	t.Run("L/378 a nonce that grows too old while the token is verified", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		s := &store{now: c.Now, until: make(map[[32]byte]time.Time)}
		v := newVerifier(t, withNonces(key(1)), withClock(c), func(c *dpop.Config) { c.Replays = s })
		proof, err := v.ReadProof(get(withNonce(v.Nonce())), token)
		require.NoError(t, err)
		c.add(5*time.Minute + time.Second)
		err = proof.Prove(t.Context())
		require.Error(t, err)
		require.Equal(t, binding.ReasonProofNonce, binding.AsError(err).Reason)
		require.Empty(t, s.ttls)
	})
	t.Run("another lifetime", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		v := newVerifier(t, withNonces(key(1)), withClock(c), func(c *dpop.Config) { c.NonceLifetime = 30 * time.Second })
		nonce := v.Nonce()
		c.add(24 * time.Second)
		requireAccepted(t, v, get(withNonce(nonce)))
		c.add(6 * time.Second)
		requireRefused(t, v, get(withNonce(nonce)), binding.ReasonProofNonce)
	})
}

// The cause says what an operator can mend, and no more: a nonce that has only grown old has none. It holds nothing of the
// nonce, for the log tells refusals apart by it.
func TestCauseOfANonce(t *testing.T) {
	t.Parallel()
	const strange, process, ahead = "none of Config.NonceKeys made the nonce", "this process did not make the nonce", "the nonce is from the future"
	keys, changed := withNonces(key(1), key(2)), func(change func(*dpop.Config)) func(*dpop.Config) {
		return func(c *dpop.Config) { withNonces(key(1), key(2))(c); change(c) }
	}
	for name, test := range map[string]struct {
		at, from func(*dpop.Config) // the replica that is asked, and the one that made the nonce
		later    time.Duration      // that it is asked
		nonce    func(string) string
		want     string
	}{
		"of an idle client":                       {keys, keys, 5 * time.Minute, nil, ""},
		"of a client that was away for days":      {keys, keys, 72 * time.Hour, nil, ""},
		"old, by the key that is not the first":   {keys, withNonces(key(2)), 5 * time.Minute, nil, ""},
		"old, of this process":                    {nil, nil, 5 * time.Minute, nil, ""},
		"by another key":                          {keys, withNonces(key(3)), 0, nil, strange},
		"by another key, and old":                 {keys, withNonces(key(3)), time.Hour, nil, strange},
		"by another key, of the future":           {keys, withNonces(key(3)), -time.Hour, nil, strange},
		"by a key that was taken away":            {withNonces(key(2)), withNonces(key(1), key(2)), 0, nil, strange},
		"of other Origins":                        {keys, changed(func(c *dpop.Config) { c.Origins = []string{"https://b.example"} }), 0, nil, strange},
		"of another NonceLifetime":                {keys, changed(func(c *dpop.Config) { c.NonceLifetime = time.Hour }), 0, nil, strange},
		"of another process":                      {withNonces(), withNonces(), 0, nil, process},
		"of a replica that is ahead":              {keys, keys, -2 * time.Minute, nil, ahead},
		"of a replica that is ten minutes ahead":  {keys, keys, -10 * time.Minute, nil, ahead},
		"by the second key, of one ahead by days": {keys, withNonces(key(2)), -72 * time.Hour, nil, ahead},
		"none":                       {keys, keys, 0, func(string) string { return "" }, strange},
		"of an authorization server": {keys, keys, 0, func(string) string { return "eyJ7S_zG.eyJH0-Z.HX4w-7v" }, strange},
		"made up, as long as ours":   {keys, keys, 0, func(n string) string { return n[:8] + strings.Repeat("A", 22) }, strange},
		"another step, the same MAC": {keys, keys, 0, func(n string) string { return "AAAAAAAA" + n[8:] }, strange},
		"cut":                        {keys, keys, 0, func(n string) string { return n[:8] }, strange},
		"very long":                  {keys, keys, 0, func(n string) string { return strings.Repeat(n, 100) }, strange},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			c.add(100 * 24 * time.Hour) // so that none is before the first
			if test.at == nil {
				test.at = withNonces()
			}
			asked := newVerifier(t, test.at, withClock(c))
			from := asked
			if test.from != nil {
				from = newVerifier(t, test.from, withClock(c))
			}
			nonce := from.Nonce()
			if test.nonce != nil {
				nonce = test.nonce(nonce)
			}
			c.add(test.later)
			_, err := use(t, asked, get(withNonce(nonce)))
			require.Error(t, err)
			refusal := binding.AsError(err)
			require.Equal(t, binding.ReasonProofNonce, refusal.Reason)
			if test.want == "" {
				require.NoError(t, refusal.Cause)
				return
			}
			require.ErrorContains(t, refusal.Cause, test.want)
			if len(nonce) > 0 {
				require.NotContains(t, refusal.Cause.Error(), nonce[:min(len(nonce), 8)])
			}
			_, err = use(t, asked, get(withNonce("another")))
			if test.want != ahead {
				require.Equal(t, refusal.Cause.Error(), binding.AsError(err).Cause.Error(), "the same words for every nonce")
			}
		})
	}
	t.Run("keys in the place of that of a process", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, withNonces())
		old := v.Nonce()
		require.NoError(t, v.SetNonceKeys([][]byte{key(1)}))
		_, err := use(t, v, get(withNonce(old)))
		require.ErrorContains(t, binding.AsError(err).Cause, strange)
	})
}

// A nonce is made once a minute, and not for each request.
func TestNonceIsMadeOnce(t *testing.T) {
	v := newVerifier(t, withNonces(key(1)))
	require.Zero(t, testing.AllocsPerRun(100, func() { v.Nonce() }))
}

// Keys are replaced while the Verifier runs, in the order that keeps every nonce good, and the proofs that were used are
// remembered. Keys that cannot be used change nothing.
func TestSetNonceKeys(t *testing.T) {
	t.Parallel()
	c := newClock()
	v := newVerifier(t, withNonces(key(1)), withClock(c))
	next := newVerifier(t, withNonces(key(2)), withClock(c))
	old := v.Nonce()
	used := withNonce(old)
	requireAccepted(t, v, get(used))
	requireRefused(t, v, get(withNonce(next.Nonce())), binding.ReasonProofNonce)

	one, two := key(1), key(2)
	keys := [][]byte{one, two}
	require.NoError(t, v.SetNonceKeys(keys))
	one[0], two[0], keys[0] = 9, 9, key(9) // they were copied
	require.Equal(t, old, v.Nonce(), "the new key makes none yet")
	requireAccepted(t, v, get(withNonce(next.Nonce())))

	require.NoError(t, v.SetNonceKeys([][]byte{key(2), key(1)}))
	require.Equal(t, next.Nonce(), v.Nonce())
	requireAccepted(t, v, get(withNonce(old)))
	requireRefused(t, v, get(used), binding.ReasonProofReplayed)

	for problem, keys := range map[string][][]byte{
		"NonceKeys: must be":                         nil,
		"must be from 1 to 8 keys":                   {},
		"NonceKeys: number 2 has less than 32 bytes": {key(1), key(2)[:31]},
		"NonceKeys: number 2 is the same as another": {key(1), key(1)},
		"from 1 to 8 keys, or nil in a Config":       {key(1), key(2), key(3), key(4), key(5), key(6), key(7), key(8), key(9)},
	} {
		require.ErrorContains(t, v.SetNonceKeys(keys), problem)
		require.Equal(t, next.Nonce(), v.Nonce())
	}

	require.NoError(t, v.SetNonceKeys([][]byte{key(2)}))
	requireRefused(t, v, get(withNonce(old)), binding.ReasonProofNonce)
	requireAccepted(t, v, get(withNonce(next.Nonce())))

	require.ErrorContains(t, newVerifier(t).SetNonceKeys([][]byte{key(1)}), "RequireNonce")
	require.ErrorContains(t, new(dpop.Verifier).SetNonceKeys([][]byte{key(1)}), "RequireNonce")
}
