package jwks

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks/internal/keyset"
)

// From the inside, for moments that nobody outside can choose.

// answering is a transport that is the answer.
type answering func(http.ResponseWriter) error

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	if err := a(recorder); err != nil {
		return nil, err
	}
	return recorder.Result(), nil
}

func TestJoin(t *testing.T) {
	known := func(keys *keyset.Set) bool {
		return keys.Knows(&keyset.Header{Alg: "EdDSA", KeyID: "1", HasKeyID: true})
	}
	synctest.Test(t, func(t *testing.T) {
		fetches := 0
		var fails error
		v, err := New(Config{
			Issuer: "https://issuer.example", URL: "https://issuer.example/jwks", Audiences: []string{"a"},
			Transport: answering(func(w http.ResponseWriter) error {
				fetches++
				_, _ = w.Write([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
				return fails
			}),
		})
		require.NoError(t, err)
		defer func() { require.NoError(t, v.Close()) }()
		synctest.Wait()

		// A fetch has ended since the caller looked: its keys are to be looked at.
		latest, f, err := v.keys.join(nil, time.Time{})
		require.NoError(t, err)
		require.Nil(t, f)
		require.True(t, known(latest.set))
		synctest.Wait()
		require.Equal(t, 1, fetches)

		// The keys have grown old before the next were due, as in a process that
		// stood still: there is no failure to answer with, so one asks.
		for name, age := range map[string]time.Duration{
			"M/399 past fresh by more than a fetch may take": time.Minute + 5*time.Second + 1,
			"too old to serve": 25 * time.Hour,
		} {
			t.Log(name)
			before := fetches
			v.keys.current.Store(&snapshot{set: latest.set, asOf: time.Now().Add(-age), fresh: time.Minute})
			require.ErrorIs(t, v.Ready(), ErrNotReady)
			_, err = v.keys.find(t.Context(), known, time.Time{})
			require.NoError(t, err)
			require.Equal(t, before+1, fetches)
			require.NoError(t, v.Ready())
		}

		// By no more than a fetch may take, the next may be under way.
		v.keys.current.Store(&snapshot{set: latest.set, asOf: time.Now().Add(-time.Minute - 5*time.Second), fresh: time.Minute})
		_, err = v.keys.find(t.Context(), known, time.Time{})
		require.NoError(t, err)
		require.Equal(t, 3, fetches)

		// It stood still, and the issuer is away: now that is known, and the keys
		// serve as in any outage.
		fails = errors.New("away")
		v.keys.current.Store(&snapshot{set: latest.set, asOf: time.Now().Add(-time.Hour), fresh: time.Minute})
		_, err = v.keys.find(t.Context(), func(*keyset.Set) bool { return false }, time.Time{})
		require.Error(t, err, "nobody can say of a key that these lack")
		require.Equal(t, 4, fetches)
		for range 2 {
			_, err = v.keys.find(t.Context(), known, time.Time{})
			require.NoError(t, err)
			require.Equal(t, 4, fetches)
		}
		v.keys.current.Store(&snapshot{set: latest.set, asOf: time.Now().Add(-25 * time.Hour), fresh: time.Minute})
		_, err = v.keys.find(t.Context(), known, time.Time{})
		require.ErrorIs(t, err, ErrNotReady)
	})
}

// The fetch that a token opened was not begun when the verifier was closed: a goroutine that is told of both chooses either.
func TestFetchThatWasNotBegunFailsWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := errors.New("away")
		v, err := New(Config{
			Issuer: "https://issuer.example", URL: "https://issuer.example/jwks", Audiences: []string{"a"},
			Transport: answering(func(http.ResponseWriter) error { return fails }),
		})
		require.NoError(t, err)
		synctest.Wait()
		v.keys.mu.Lock()
		v.keys.fetch = newFetch(true) // and nobody is woken
		v.keys.mu.Unlock()
		waiting := make(chan error, 1)
		go func() {
			_, err := v.keys.find(t.Context(), func(*keyset.Set) bool { return true }, time.Time{})
			waiting <- err
		}()
		synctest.Wait()
		require.Empty(t, waiting)
		require.NoError(t, v.Close())
		require.ErrorIs(t, <-waiting, ErrClosed)
	})
}

// Reports of tokens whose key was not looked for end with Close, which does not wait for the next.
func TestReportsEndWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, err := New(Config{
			Issuer: "https://issuer.example", URL: "https://issuer.example/jwks", Audiences: []string{"a"},
			Transport: answering(func(w http.ResponseWriter) error {
				_, _ = w.Write([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
				return nil
			}),
		})
		require.NoError(t, err)
		synctest.Wait()
		unknown := func() {
			for range budgetSize + 2 {
				_, _ = v.keys.find(t.Context(), func(*keyset.Set) bool { return false }, time.Time{})
			}
		}
		unknown()
		require.NotNil(t, v.keys.limited.timer)
		require.NotZero(t, v.keys.limited.untold)

		// The time for the next report comes while Close is under way.
		v.keys.mu.Lock()
		time.Sleep(reportEvery)
		v.keys.closed = true
		v.keys.mu.Unlock()
		synctest.Wait()
		require.Nil(t, v.keys.limited.timer)
		v.keys.closed = false

		unknown()
		require.NotNil(t, v.keys.limited.timer)
		start := time.Now()
		require.NoError(t, v.Close())
		require.Equal(t, start, time.Now())
	})
}
