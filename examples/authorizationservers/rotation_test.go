package authorizationservers_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// New keys under a load of new tokens. What the API says of them is counted by
// the status.
func testRotation(t *testing.T, w *world) {
	own, rotate := w.rotating(t)
	r := own.clients["ES256."+tlsClientAuth]
	client := newClient(t, w.pki, r)
	endpoint := discover(t, own.pki, own.issuer).MTLSEndpoint("token_endpoint")
	newToken := func(t *testing.T) string {
		t.Helper()
		got := requestToken(t, client, r, own.issuer, endpoint, own.forResource(audience))
		require.Equal(t, http.StatusOK, got.status, got.Error)
		return got.AccessToken
	}
	// load has clients call the API with a new token each, while the keys change,
	// and returns how many of each answer there were.
	load := func(t *testing.T, a *api) map[int]int {
		var mu sync.Mutex
		counted, kids := make(map[int]int), make(map[any]bool)
		call := func() {
			token := newToken(t)
			status := a.whoami(t, client, token).status
			mu.Lock()
			defer mu.Unlock()
			counted[status]++
			kids[headerOf(t, token)["kid"]] = true
		}
		call() // with the keys that the API has
		for range 3 {
			rotate(t)
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for range 5 {
						call()
					}
				})
			}
			all.Wait()
		}
		require.Len(t, kids, 4, "the keys did change")
		return counted
	}

	t.Run("loses no token", func(t *testing.T) {
		a := watch(t, own, binding.Config{Tokens: newJWTs(t, own, nil)})
		require.Equal(t, map[int]int{http.StatusOK: 61}, load(t, a.api), a.last.Load())
	})
	t.Run("beside made-up key ids nobody gets 401", func(t *testing.T) {
		a := watch(t, own, binding.Config{Tokens: newJWTs(t, own, nil)})
		token, nobody := newToken(t), w.pki.HTTPClient()
		defer nobody.CloseIdleConnections()
		require.Equal(t, http.StatusOK, a.whoami(t, client, token).status)
		var flood sync.WaitGroup
		var over atomic.Bool
		var floods atomic.Int64
		end := func() {
			over.Store(true)
			flood.Wait()
		}
		defer end()
		flood.Go(func() {
			for !over.Load() {
				status := a.whoami(t, nobody, withAnotherKey(t, token)).status
				if status == http.StatusOK {
					t.Error("a token that nobody has signed is accepted")
				}
				floods.Add(1)
			}
		})
		counted := load(t, a.api)
		require.NotContains(t, counted, http.StatusUnauthorized, "%v", counted)
		// The last of the keys is found while the flood goes on: each of its
		// tokens is one of the new ones.
		require.Eventually(t, func() bool { return a.whoami(t, client, newToken(t)).status == http.StatusOK }, time.Minute, 100*time.Millisecond)
		end()
		t.Logf("%d made-up tokens; new ones: %v", floods.Load(), counted)
		require.Equal(t, http.StatusOK, a.whoami(t, client, token).status, "of a key that is known all the while")
	})
}

// withAnotherKey names a key that nobody has.
func withAnotherKey(t *testing.T, token string) string {
	t.Helper()
	header := headerOf(t, token)
	header["kid"] = rand.Text()
	text, err := json.Marshal(header)
	require.NoError(t, err)
	_, rest, _ := strings.Cut(token, ".")
	return base64.RawURLEncoding.EncodeToString(text) + "." + rest
}
