package dpop_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/dpop"
)

func withClock(c *clock) func(*dpop.Config) {
	return func(config *dpop.Config) { config.Clock = c.Now }
}

func signed(claims object) string { return es256().sign(es256().header().String(), claims.String()) }

func TestReplay(t *testing.T) {
	t.Parallel()
	t.Run("L/370 the same proof twice", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t)
		proof := signed(goodClaims())
		requireAccepted(t, v, get(proof))
		requireRefused(t, v, get(proof), binding.ReasonProofReplayed)
		requireRefused(t, v, get(proof), binding.ReasonProofReplayed)
		require.Equal(t, dpop.Stats{Held: 1, Capacity: 1_000_000 / 256 * 256, Window: time.Minute, Remembered: 1, Replayed: 2}, v.Stats())
	})
	t.Run("L/370 200 times at once", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t)
		proof := signed(goodClaims())
		var good, used atomic.Int64
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				switch _, err := use(t, v, get(proof)); {
				case err == nil:
					good.Add(1)
				case binding.AsError(err).Reason == binding.ReasonProofReplayed:
					used.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, good.Load())
		require.EqualValues(t, 199, used.Load())
	})
	t.Run("L/371 a new proof with a used jti", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		v := newVerifier(t, withClock(c))
		claims := goodClaims()
		requireAccepted(t, v, get(signed(claims)))
		for range 5 { // in whatever slot of the memory it ends
			c.add(10 * time.Second)
			requireRefused(t, v, get(signed(claims.with("iat", fmt.Sprint(c.Now().Unix())))), binding.ReasonProofReplayed)
		}
		requireRefused(t, v, get(signed(claims.with("jti", escaped(claims["jti"])).with("iat", fmt.Sprint(c.Now().Unix())))), binding.ReasonProofReplayed)
	})
	t.Run("L/371 the twin signature", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t)
		proof := signed(goodClaims())
		requireAccepted(t, v, get(proof))
		requireRefused(t, v, get(twin(proof)), binding.ReasonProofReplayed)
		other := newVerifier(t)
		requireAccepted(t, other, get(twin(proof)))
		requireRefused(t, other, get(proof), binding.ReasonProofReplayed)
	})
	t.Run("L/372 the same jti by another key, and for another path", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t)
		claims := goodClaims()
		requireAccepted(t, v, get(signed(claims)))
		requireAccepted(t, v, get(rs256().sign(rs256().header().String(), claims.String())))
		requireAccepted(t, v, request("GET", "/payments", signed(claims.with("htu", quote(origin+"/payments")))))
		requireRefused(t, v, request("POST", "/accounts?a=b", signed(claims.with("htm", `"POST"`))), binding.ReasonProofReplayed)
		requireRefused(t, v, request("GET", "/%61ccounts", signed(claims)), binding.ReasonProofReplayed)
	})
	t.Run("L/372 the same jti for another origin", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, func(c *dpop.Config) { c.Origins = []string{origin, "https://b.example"} })
		claims := goodClaims()
		requireAccepted(t, v, get(signed(claims)))
		requireAccepted(t, v, get(signed(claims.with("htu", quote("https://b.example/accounts")))))
		requireRefused(t, v, get(signed(claims.with("htu", quote("HTTPS://B.example:443/accounts")))), binding.ReasonProofReplayed)
		requireRefused(t, v, get(signed(claims)), binding.ReasonProofReplayed)
	})
	t.Run("L/373 made 30 s ahead", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		v := newVerifier(t, withClock(c))
		proof := signed(goodClaims().with("iat", fmt.Sprint(noon.Add(30*time.Second).Unix())))
		requireAccepted(t, v, get(proof))
		for range 90 {
			requireRefused(t, v, get(proof), binding.ReasonProofReplayed)
			c.add(time.Second)
		}
		requireRefused(t, v, get(proof), binding.ReasonProofReplayed) // to the second
		c.add(time.Second)
		requireRefused(t, v, get(proof), binding.ReasonProofExpired)
	})
	t.Run("L/374 what is refused uses nothing up", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t)
		claims := goodClaims()
		thief := rs256()
		_, err := v.ReadProof(get(thief.sign(thief.header().String(), claims.String())), token)
		require.NoError(t, err, "its key is not the token's: the guard does not prove it")
		requireRefused(t, v, get(thief.as("ES256").sign(es256().header().String(), claims.String())), binding.ReasonProofSignature)
		requireRefused(t, v, get(signed(claims.with("ath", quote(ath("another"))))), binding.ReasonProofToken)
		_, err = v.ReadProof(get(signed(claims)), token)
		require.NoError(t, err, "read, and not proven: the token or the certificate was no good")
		requireAccepted(t, v, get(signed(claims)))
	})
	t.Run("DangerouslyAcceptReplays", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, func(c *dpop.Config) { c.DangerouslyAcceptReplays = true })
		proof := signed(goodClaims())
		requireAccepted(t, v, get(proof))
		requireAccepted(t, v, get(proof))
		require.Equal(t, dpop.Stats{Window: time.Minute}, v.Stats())
	})
}

// escaped is a quoted text with its first character as an escape.
func escaped(text string) string { return fmt.Sprintf(`"\u%04x%s`, text[1], text[2:]) }

// twin is a proof with the other signature of the same: r, n-s.
func twin(proof string) string {
	at := strings.LastIndex(proof, ".") + 1
	signature := must(base64.RawURLEncoding.DecodeString(proof[at:]))
	n := es256().private.Public().(*ecdsa.PublicKey).Params().N
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(n, s).FillBytes(signature[32:])
	return proof[:at] + b64(signature)
}

// L/375: when the memory is full, the oldest proofs are refused, then all; none is accepted twice.
func TestFullMemory(t *testing.T) {
	t.Parallel()
	c := newClock()
	v := newVerifier(t, withClock(c), func(config *dpop.Config) { config.MaxProofs = 1000 })
	proofs := func(age time.Duration) string {
		return signed(goodClaims().with("iat", fmt.Sprint(c.Now().Add(-age).Unix())))
	}
	old := proofs(40 * time.Second)
	var accepted []string
	counts := make(map[binding.Reason]int)
	for n := range 1300 {
		if n%20 == 0 {
			c.add(time.Second)
		}
		proof := proofs(0)
		_, err := use(t, v, get(proof))
		if err == nil {
			accepted = append(accepted, proof)
			continue
		}
		counts[binding.AsError(err).Reason]++
	}
	stats := v.Stats()
	require.LessOrEqual(t, stats.Held, 1000)
	require.Equal(t, 1000, stats.Capacity)
	require.Less(t, stats.Window, time.Minute)
	require.GreaterOrEqual(t, stats.Window, 15*time.Second)
	require.Empty(t, counts, "20 a second: the window is some 50 s, and nobody is refused")
	_, err := v.ReadProof(get(old), token)
	require.Error(t, err, "before the token is known: of an opaque one nothing could be told behind it")
	require.Equal(t, binding.ReasonProofExpired, binding.AsError(err).Reason)
	for _, proof := range accepted {
		_, err := use(t, v, get(proof))
		require.Error(t, err)
	}
	for range 1000 { // at once: what must stay is 15 s
		proof := proofs(0)
		_, err := use(t, v, get(proof))
		if err == nil {
			requireRefused(t, v, get(proof), binding.ReasonProofReplayed)
			continue
		}
		refusal := binding.AsError(err)
		require.Equal(t, binding.ReasonReplaysUnavailable, refusal.Reason)
		require.Equal(t, time.Second, refusal.RetryAfter)
		require.ErrorContains(t, refusal.Cause, "Config.MaxProofs")
		counts[refusal.Reason]++
	}
	require.NotZero(t, counts[binding.ReasonReplaysUnavailable])
	require.GreaterOrEqual(t, v.Stats().Window, 15*time.Second)
	c.add(2 * time.Minute)
	requireAccepted(t, v, get(proofs(0)))
	require.Equal(t, 1, v.Stats().Held)
	require.Equal(t, time.Minute, v.Stats().Window)
}

// What is forgotten while a token is verified is too old when it is used.
func TestForgottenBeforeItsUse(t *testing.T) {
	t.Parallel()
	c := newClock()
	v := newVerifier(t, withClock(c), func(config *dpop.Config) { config.MaxProofs = 1000 })
	load := func(seconds int) { // of 40 a second: the window becomes some 25 s
		for range seconds {
			c.add(time.Second)
			for range 40 {
				requireAccepted(t, v, get(signed(goodClaims().with("iat", fmt.Sprint(c.Now().Unix())))))
			}
		}
	}
	load(25)
	proof, err := v.ReadProof(get(signed(goodClaims().with("iat", fmt.Sprint(c.Now().Unix())))), token)
	require.NoError(t, err)
	load(40)
	remembered := v.Stats().Remembered
	require.Equal(t, binding.ReasonProofExpired, binding.AsError(proof.Prove(t.Context())).Reason)
	require.Equal(t, remembered, v.Stats().Remembered)
}

// A store of the test's, shared by replicas.
type store struct {
	mu     sync.Mutex
	now    func() time.Time
	until  map[[32]byte]time.Time
	err    error
	ttls   []time.Duration
	before func() // it looks, for what takes long on the way
	after  func() // the same for the way back
}

func (s *store) Remember(ctx context.Context, id [32]byte, ttl time.Duration) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before != nil {
		s.before()
	}
	if s.after != nil {
		defer s.after()
	}
	if s.err != nil {
		return true, s.err
	}
	if ctx.Err() != nil {
		return true, ctx.Err()
	}
	s.ttls = append(s.ttls, ttl)
	if until, known := s.until[id]; known && s.now().Before(until) {
		return false, nil
	}
	s.until[id] = s.now().Add(ttl)
	return true, nil
}

func TestStore(t *testing.T) {
	t.Parallel()
	newStore := func(c *clock) *store { return &store{now: c.Now, until: make(map[[32]byte]time.Time)} }
	withStore := func(s dpop.ReplayStore) func(*dpop.Config) { return func(c *dpop.Config) { c.Replays = s } }
	t.Run("L/376 the store is away", func(t *testing.T) {
		t.Parallel()
		s := newStore(newClock())
		v := newVerifier(t, withStore(s))
		proof := signed(goodClaims())
		s.err = errors.New("connection refused")
		_, err := use(t, v, get(proof))
		refusal := binding.AsError(err)
		require.Equal(t, binding.ReasonReplaysUnavailable, refusal.Reason)
		require.Equal(t, 503, refusal.StatusCode())
		require.Equal(t, time.Second, refusal.RetryAfter)
		require.ErrorIs(t, err, s.err)
		s.err = nil
		requireAccepted(t, v, get(proof))
		requireRefused(t, v, get(proof), binding.ReasonProofReplayed)
		require.Equal(t, dpop.Stats{Window: time.Minute, Remembered: 1, Replayed: 1}, v.Stats())
	})
	t.Run("the request ended", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, withStore(newStore(newClock())))
		proof, err := v.ReadProof(get(signed(goodClaims())), token)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Equal(t, binding.ReasonCanceled, binding.AsError(proof.Prove(ctx)).Reason)
	})
	t.Run("the request ended when the store had answered", func(t *testing.T) {
		t.Parallel()
		s := newStore(newClock())
		v := newVerifier(t, withStore(s))
		proof, err := v.ReadProof(get(signed(goodClaims())), token)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		s.after = cancel
		require.NoError(t, proof.Prove(ctx))
	})
	t.Run("what is refused for its signature is not asked about", func(t *testing.T) {
		t.Parallel()
		s := newStore(newClock())
		v := newVerifier(t, withStore(s))
		requireRefused(t, v, get(rs256().as("ES256").sign(es256().header().String(), goodClaims().String())), binding.ReasonProofSignature)
		require.Empty(t, s.ttls)
	})
	t.Run("L/378 two replicas, one with its clock behind or ahead", func(t *testing.T) {
		t.Parallel()
		for skew := -30 * time.Second; skew <= 30*time.Second; skew += 5 * time.Second {
			for iat := -60 * time.Second; iat <= 30*time.Second; iat += 15 * time.Second {
				one, two := newClock(), newClock()
				two.add(skew)
				s := newStore(one)
				a, b := newVerifier(t, withStore(s), withClock(one)), newVerifier(t, withStore(s), withClock(two))
				proof := signed(goodClaims().with("iat", fmt.Sprint(noon.Add(iat).Unix())))
				requireAccepted(t, a, get(proof))
				for range 25 { // for as long as either accepts it
					for _, v := range []*dpop.Verifier{a, b} {
						_, err := use(t, v, get(proof))
						require.Error(t, err, "skew %v, iat %v, after %v", skew, iat, one.Now().Sub(noon))
					}
					one.add(5 * time.Second)
					two.add(5 * time.Second)
				}
			}
		}
	})
	t.Run("L/372 two servers of other origins, one store, and a client that counts its jtis for each", func(t *testing.T) {
		t.Parallel()
		s := newStore(newClock())
		a := newVerifier(t, withStore(s))
		b := newVerifier(t, withStore(s), func(c *dpop.Config) { c.Origins = []string{"https://b.example"} })
		both := newVerifier(t, withStore(s), func(c *dpop.Config) { c.Origins = []string{"https://b.example/", origin} })
		claims := goodClaims().with("jti", `"1"`)
		requireAccepted(t, a, get(signed(claims)))
		requireAccepted(t, b, get(signed(claims.with("htu", quote("https://b.example/accounts")))))
		for _, htu := range []string{origin, "https://b.example"} {
			requireRefused(t, both, get(signed(claims.with("htu", quote(htu+"/accounts")))), binding.ReasonProofReplayed)
		}
	})
	t.Run("L/378 a replay that waits", func(t *testing.T) {
		t.Parallel()
		for _, leeway := range []time.Duration{-1, 0} {
			waits := []time.Duration{0, time.Second, 5 * time.Second, 6 * time.Second, 7 * time.Second, 30 * time.Second, 31 * time.Second, 36 * time.Second, 37 * time.Second, time.Hour}
			for _, wait := range waits {
				for _, onTheWay := range waits {
					c := newClock()
					s := newStore(c)
					v := newVerifier(t, withStore(s), withClock(c), func(config *dpop.Config) { config.Leeway = leeway })
					used := signed(goodClaims())
					c.add(time.Minute)
					requireAccepted(t, v, get(used))
					proof, err := v.ReadProof(get(used), token)
					require.NoError(t, err, "to the second")
					c.add(wait)
					s.before = func() { c.add(onTheWay) }
					require.Error(t, proof.Prove(t.Context()), "%v for the token, %v to the store", wait, onTheWay)
				}
			}
		}
	})
	t.Run("a proof that waits", func(t *testing.T) {
		t.Parallel()
		for name, test := range map[string]struct {
			wait, onTheWay time.Duration
			want           binding.Reason
			asked          int
		}{
			"not at all":            {0, 0, accepted, 1},
			"5 s to the store":      {0, 5 * time.Second, accepted, 1},
			"6 s to the store":      {0, 6 * time.Second, binding.ReasonProofExpired, 1},
			"1 s for the token":     {time.Second, 0, binding.ReasonProofExpired, 0},
			"an hour for the token": {time.Hour, 0, binding.ReasonProofExpired, 0},
		} {
			c := newClock()
			s := newStore(c)
			v := newVerifier(t, withStore(s), withClock(c))
			c.add(time.Minute) // the last second
			proof, err := v.ReadProof(get(signed(goodClaims())), token)
			require.NoError(t, err, name)
			c.add(test.wait)
			s.before = func() { c.add(test.onTheWay) }
			if err = proof.Prove(t.Context()); test.want == accepted {
				require.NoError(t, err, name)
			} else {
				require.Error(t, err, name)
				require.Equal(t, test.want, binding.AsError(err).Reason, name)
			}
			require.Len(t, s.ttls, test.asked, name)
		}
	})
	t.Run("how long it remembers", func(t *testing.T) {
		t.Parallel()
		for _, test := range []struct {
			iat, maxAge, leeway, want time.Duration
		}{
			// A second that was begun, and the 5 s that a proof may be on its way to the store, are in each.
			{0, 0, 0, 96 * time.Second}, {30 * time.Second, 0, 0, 126 * time.Second}, {-60 * time.Second, 0, 0, 36 * time.Second},
			{-60 * time.Second, 0, -1, 6 * time.Second}, {0, time.Second, -1, 7 * time.Second},
		} {
			s := newStore(newClock())
			v := newVerifier(t, withStore(s), func(c *dpop.Config) { c.MaxAge, c.Leeway = test.maxAge, test.leeway })
			requireAccepted(t, v, get(signed(goodClaims().with("iat", fmt.Sprint(noon.Add(test.iat).Unix())))))
			require.Equal(t, []time.Duration{test.want}, s.ttls, "%+v", test)
		}
	})
}

// Proofs of random ages, used and used again, while the clock is set back and forth: none is accepted twice.
func TestNeverTwice(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, places := range []int{1000, 3000} {
		c := newClock()
		v := newVerifier(t, withClock(c), func(config *dpop.Config) { config.MaxProofs = places })
		used := make(map[string]bool)
		var recent []string
		for range 2000 {
			switch random.IntN(20) {
			case 0:
				c.add(time.Duration(random.IntN(20)) * time.Second)
			case 1:
				if random.IntN(5) == 0 {
					c.add(time.Duration(random.IntN(361)-180) * time.Second)
				}
			}
			proof := signed(goodClaims().with("iat", fmt.Sprint(c.Now().Add(time.Duration(random.IntN(91)-60)*time.Second).Unix())))
			if len(recent) > 0 && random.IntN(2) == 0 {
				proof = recent[random.IntN(len(recent))]
			} else {
				recent = append(recent, proof)
			}
			if _, err := use(t, v, get(proof)); err == nil {
				require.False(t, used[proof], "accepted twice")
				used[proof] = true
			}
		}
		require.NotEmpty(t, used)
	}
}
