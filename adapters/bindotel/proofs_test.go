package bindotel_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindotel"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks/dpop"
)

// Two servers' proofs are one series each; the shorter window counts.
func TestWatchProofs(t *testing.T) {
	t.Parallel()
	m := newMeter(t, bindotel.Config{})
	require.Error(t, m.observer.WatchProofs(nil))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	capacity := 0.0
	for _, maxAge := range []time.Duration{time.Minute, 30 * time.Second} {
		proofs, err := dpop.New(dpop.Config{Origins: []string{"https://api.example"}, MaxAge: maxAge})
		require.NoError(t, err)
		require.NoError(t, m.observer.WatchProofs(proofs))
		require.NoError(t, m.observer.WatchProofs(proofs), "it is counted once")
		capacity += float64(proofs.Stats().Capacity)
		proof, err := bindingtest.NewProof(bindingtest.ProofSpec{Key: key, URL: "https://api.example/a", Token: "token"})
		require.NoError(t, err)
		for range 3 { // once, and two replays
			r := httptest.NewRequest(http.MethodGet, "https://api.example/a", nil)
			r.Header.Set("DPoP", proof)
			read, err := proofs.ReadProof(r, "token")
			require.NoError(t, err)
			_ = read.Prove(t.Context())
		}
	}
	values := m.collect(t)
	require.Equal(t, map[string]float64{"certbound.outcome=first": 2, "certbound.outcome=replayed": 4}, take(values, "certbound.proofs"))
	require.Equal(t, map[string]float64{"": 2}, take(values, "certbound.proofs.held"))
	require.Equal(t, map[string]float64{"": capacity}, take(values, "certbound.proofs.capacity"))
	require.Equal(t, map[string]float64{"": 30}, take(values, "certbound.proofs.window"))
	require.NoError(t, m.observer.Close())
	require.Empty(t, m.collect(t))
}
