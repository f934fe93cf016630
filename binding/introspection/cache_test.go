package introspection_test

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/introspection"
)

func TestActiveTokensAreRememberedForTenSeconds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		activeFor time.Duration
		exp       any
		good      time.Duration // still remembered
		gone      time.Duration // asked again
	}{
		"by default":                  {0, nil, 10*time.Second - 1, 10 * time.Second},
		"as configured":               {3 * time.Second, nil, 3*time.Second - 1, 3 * time.Second},
		"never past exp, no leeway":   {0, 4 * time.Second, 4*time.Second - 1, 4 * time.Second},
		"not at all":                  {-1, nil, -1, 0},
		"not when exp is over":        {0, -time.Second, -1, 0},
		"iat is ahead, within leeway": {0, nil, 10*time.Second - 1, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				changes := members{"exp": nil}
				if d, ok := test.exp.(time.Duration); ok {
					changes["exp"] = time.Now().Add(d).Unix()
				}
				if strings.Contains(name, "iat") {
					changes["iat"] = time.Now().Add(30 * time.Second).Unix()
				}
				s := &server{answer: always(http.StatusOK, text(good(changes)))}
				c := config(s)
				c.ActiveFor = test.activeFor
				v := newVerifier(t, c)
				ask := func() *binding.Token {
					token, err := v.VerifyToken(t.Context(), canary)
					require.NoError(t, err)
					return token
				}
				first := ask()
				calls := 1
				if test.good >= 0 {
					time.Sleep(test.good)
					require.Same(t, first, ask())
					require.Equal(t, calls, s.calls())
				}
				time.Sleep(test.gone - max(0, test.good))
				ask()
				require.Equal(t, calls+1, s.calls())
			})
		})
	}
}

func TestAgeCountsFromWhenTheServerWasAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		s.answer = func(*http.Request, string) (*http.Response, error) {
			time.Sleep(4 * time.Second)
			return reply(http.StatusOK, text(good(nil))), nil
		}
		v := newVerifier(t, config(s))
		_, err := v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		time.Sleep(6 * time.Second)
		_, err = v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		require.Equal(t, 2, s.calls())
	})
}

func TestRevokedTokenIsRefusedWithinTenSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{answer: always(http.StatusOK, text(good(nil)))}
		v := newVerifier(t, config(s))
		_, err := v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		s.set(func(s *server) { s.answer = always(http.StatusOK, `{"active":false}`) })
		time.Sleep(10 * time.Second)
		_, err = v.VerifyToken(t.Context(), canary)
		requireReason(t, err, binding.ReasonTokenInactive)
		s.set(func(s *server) { s.answer = always(http.StatusOK, text(good(nil))) })
		time.Sleep(time.Second)
		_, err = v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
	})
}

func TestRefusedTokensAreRememberedForASecond(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body        string
		inactiveFor time.Duration
		kept        time.Duration
	}{
		"inactive":              {`{"active":false}`, 0, time.Second},
		"for another audience":  {text(good(members{"aud": "https://other.example"})), 0, time.Second},
		"a broken cnf":          {text(good(members{"cnf": 1})), 0, time.Second},
		"as configured":         {`{"active":false}`, 5 * time.Second, 5 * time.Second},
		"for as long as may be": {`{"active":false}`, time.Minute, time.Minute},
		"not at all":            {`{"active":false}`, -1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{answer: always(http.StatusOK, test.body)}
				c := config(s)
				c.InactiveFor = test.inactiveFor
				v := newVerifier(t, c)
				ask := func() {
					_, err := v.VerifyToken(t.Context(), canary)
					require.Equal(t, http.StatusUnauthorized, binding.AsError(err).StatusCode())
				}
				ask()
				if test.kept > 0 {
					time.Sleep(test.kept - 1)
					ask()
					require.Equal(t, 1, s.calls())
					time.Sleep(time.Nanosecond)
				}
				ask()
				require.Equal(t, 2, s.calls())
			})
		})
	}
}

func TestServersFaultsAreNotRemembered(t *testing.T) {
	t.Parallel()
	s := &server{answer: always(http.StatusOK, `{"active":"true"}`)}
	v := newVerifier(t, config(s))
	_, err := v.VerifyToken(t.Context(), canary)
	requireReason(t, err, binding.ReasonUnavailable)
	s.set(func(s *server) { s.answer = always(http.StatusOK, text(good(nil))) })
	_, err = v.VerifyToken(t.Context(), canary)
	require.NoError(t, err)
}

func TestAFloodOfMadeUpTokensEvictsNothingGood(t *testing.T) {
	t.Parallel()
	s := &server{}
	s.answer = func(_ *http.Request, token string) (*http.Response, error) {
		if strings.HasPrefix(token, "good") {
			return reply(http.StatusOK, text(good(nil))), nil
		}
		return reply(http.StatusOK, `{"active":false}`), nil
	}
	c := config(s)
	c.CachedTokens, c.ActiveFor, c.InactiveFor = 20, 5*time.Minute, time.Minute
	v := newVerifier(t, c)
	for n := range 10 {
		_, err := v.VerifyToken(t.Context(), fmt.Sprint("good-", n))
		require.NoError(t, err)
	}
	flood := func() {
		for n := range 2000 {
			_, err := v.VerifyToken(t.Context(), fmt.Sprint("bad-", n))
			requireReason(t, err, binding.ReasonTokenInactive)
		}
	}
	flood()
	before := s.calls()
	flood()
	require.GreaterOrEqual(t, s.calls(), before+2000-20, "no more are remembered")
	before = s.calls()
	for n := range 10 {
		_, err := v.VerifyToken(t.Context(), fmt.Sprint("good-", n))
		require.NoError(t, err)
	}
	require.Equal(t, before, s.calls())
}

func TestTheClockJudgesTokensAndAgesHaveTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issued := time.Now()
		s := &server{answer: always(http.StatusOK, text(good(nil)))} // exp in 5 minutes
		now := issued
		c := config(s)
		c.Clock = func() time.Time { return now }
		v := newVerifier(t, c)
		_, err := v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		now = issued.Add(5*time.Minute + 30*time.Second) // the clock is set; no time has passed
		_, err = v.VerifyToken(t.Context(), canary)
		require.NoError(t, err, "active, says the server, and within the leeway")
		require.Equal(t, 2, s.calls(), "but nothing is remembered past exp")
		now = issued.Add(6*time.Minute + time.Second)
		_, err = v.VerifyToken(t.Context(), canary)
		requireReason(t, err, binding.ReasonTokenExpired)
	})
}

// For an hour after a token was asked about it is known that it was active: while
// the server is away it is tried before those that are not known.
func TestTokensThatWereActiveAreKnownForAnHour(t *testing.T) {
	t.Parallel()
	clients := certificates(t, 2)
	synctest.Test(t, func(t *testing.T) {
		s := oddServer(map[string]*x509.Certificate{"a": clients[0], "b": clients[1]}, 0, always(http.StatusOK, `{"active":false}`))
		told := &events{}
		c := config(s)
		c.ActiveFor, c.Observe = 5*time.Minute, told.observe
		v := newVerifier(t, c)
		guard := newGuard(t, binding.Config{Tokens: v})
		check := func(client int) error {
			_, err := guard.Check(from(bearer([]string{"good-a-1", "good-b-1"}[client]), clients[client]))
			return err
		}
		require.NoError(t, check(0))
		time.Sleep(4 * time.Minute)
		require.NoError(t, check(0))
		require.Equal(t, 1, s.calls(), "from memory: it was not asked about")
		time.Sleep(56*time.Minute - 1)
		require.NoError(t, check(1))
		s.set(func(s *server) { s.refuse = true })
		for n := range 5 {
			_, err := v.VerifyToken(t.Context(), fmt.Sprint("away-", n))
			require.Error(t, err)
		}
		synctest.Wait()
		opened := told.of(introspection.BreakerOpened)[0].RetryAfter
		require.Equal(t, opened, binding.AsError(check(0)).RetryAfter)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Equal(t, opened-1+time.Second, binding.AsError(check(0)).RetryAfter, "a second more")
	})
}

// A token that was refused since is not preferred any more.
func TestTokenThatWasRefusedIsNotKnown(t *testing.T) {
	t.Parallel()
	clients := certificates(t, 2)
	synctest.Test(t, func(t *testing.T) {
		s := oddServer(map[string]*x509.Certificate{"a": clients[0], "b": clients[1]}, 0, nil)
		told := &events{}
		c := config(s)
		c.Observe = told.observe
		v := newVerifier(t, c)
		guard := newGuard(t, binding.Config{Tokens: v})
		check := func(client int) error {
			_, err := guard.Check(from(bearer([]string{"good-a-1", "good-b-1"}[client]), clients[client]))
			return err
		}
		require.NoError(t, check(0))
		require.NoError(t, check(1))
		time.Sleep(10 * time.Second)
		s.set(func(s *server) { s.answer = always(http.StatusOK, `{"active":false}`) })
		requireReason(t, check(0), binding.ReasonTokenInactive)
		time.Sleep(time.Second)
		s.set(func(s *server) { s.refuse = true })
		for n := range 5 {
			_, err := v.VerifyToken(t.Context(), fmt.Sprint("away-", n))
			require.Error(t, err)
		}
		synctest.Wait()
		opened := told.of(introspection.BreakerOpened)[0].RetryAfter
		require.Equal(t, opened+time.Second, binding.AsError(check(0)).RetryAfter, "a second more")
		require.Equal(t, opened, binding.AsError(check(1)).RetryAfter)
	})
}

// Nothing is remembered of a token that is not valid yet because the clock was
// set back, by more than the leeway.
func TestTokenThatIsNotValidYetIsAskedAbout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		c := config(&server{answer: always(http.StatusOK, text(good(nil)))})
		c.Clock = func() time.Time { return now }
		v := newVerifier(t, c)
		_, err := v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		now = now.Add(-time.Minute - time.Second)
		_, err = v.VerifyToken(t.Context(), canary)
		requireReason(t, err, binding.ReasonTokenNotYetValid)
	})
}

// What a token was before it was refused is forgotten, whatever becomes of the
// clock that judges tokens.
func TestTokenThatWasRefusedIsNotActiveAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issued := time.Now()
		s := &server{answer: always(http.StatusOK, text(good(nil)))} // exp in 5 minutes
		now := issued
		c := config(s)
		c.ActiveFor, c.InactiveFor, c.Clock = 5*time.Minute, -1, func() time.Time { return now }
		v := newVerifier(t, c)
		_, err := v.VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		now = issued.Add(5 * time.Minute)
		s.set(func(s *server) { s.answer = always(http.StatusOK, `{"active":false}`) })
		for range 2 {
			_, err = v.VerifyToken(t.Context(), canary)
			requireReason(t, err, binding.ReasonTokenInactive)
			now = issued // the clock is set back
		}
	})
}

func TestLongestAnswerThatIsRemembered(t *testing.T) {
	t.Parallel()
	for size, calls := range map[int]int{32 << 10: 1, 32<<10 + 1: 2} {
		padded := func(n int) string { return text(good(members{"odd": strings.Repeat("x", n)})) }
		body := padded(size - len(padded(0)))
		require.Len(t, body, size)
		s := &server{answer: always(http.StatusOK, body)}
		c := config(s)
		c.ActiveFor = 5 * time.Minute
		v := newVerifier(t, c)
		for range 2 {
			_, err := v.VerifyToken(t.Context(), canary)
			require.NoError(t, err)
		}
		require.Equal(t, calls, s.calls())
	}
}

var _ binding.TokenVerifier = (*introspection.Verifier)(nil)
