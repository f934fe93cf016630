package jwks

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks/internal/jws"
)

// From the inside, for moments that nobody outside can choose.

// answering is a transport that is the answer.
type answering func(http.ResponseWriter)

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	a(recorder)
	return recorder.Result(), nil
}

func TestJoin(t *testing.T) {
	known := &jws.Header{Alg: "EdDSA", KeyID: "1", HasKeyID: true}
	synctest.Test(t, func(t *testing.T) {
		fetches := 0
		v, err := New(Config{
			Issuer: "https://issuer.example", URL: "https://issuer.example/jwks", Audiences: []string{"a"},
			Transport: answering(func(w http.ResponseWriter) {
				fetches++
				_, _ = w.Write([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
			}),
		})
		require.NoError(t, err)
		defer func() { require.NoError(t, v.Close()) }()
		synctest.Wait()

		// A fetch has landed since the caller looked: it is the answer.
		f, _, keys, err := v.keys.join(known, v.keys.fetchesBegun())
		require.NoError(t, err)
		require.Nil(t, f)
		require.True(t, keys.Knows(known))
		synctest.Wait()
		require.Equal(t, 1, fetches)

		// The keys have grown old before the next were due, as in a process that
		// stood still: there is no failure to answer with, so one asks.
		v.keys.current.Store(&snapshot{set: keys, asOf: time.Now().Add(-25 * time.Hour), fresh: time.Minute})
		require.ErrorIs(t, v.Ready(), ErrNotReady)
		keys, err = v.keys.forHeader(t.Context(), known)
		require.NoError(t, err)
		require.True(t, keys.Knows(known))
		require.Equal(t, 2, fetches)
		require.NoError(t, v.Ready())
	})
}
