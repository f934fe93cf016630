package main_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

// newProofAPI guards an API with DPoP. It returns the API's URL and how many requests came in.
func newProofAPI(t *testing.T, as *bindingtest.AuthorizationServer, nonces bool) (url string, came func() int) {
	t.Helper()
	tokens, err := jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{audience}, Transport: as.Transport()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = tokens.Close() })
	var mu sync.Mutex
	var handler http.Handler
	requests := 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		requests++
		guarded := handler
		mu.Unlock()
		guarded.ServeHTTP(w, r)
	}))
	server.TLS = binding.TLSConfig(&tls.Config{Certificates: []tls.Certificate{as.ServerCertificate()}})
	server.StartTLS()
	t.Cleanup(server.Close)
	proofs, err := dpop.New(dpop.Config{Origins: []string{server.URL}, RequireNonce: nonces})
	require.NoError(t, err)
	guard, err := binding.New(binding.Config{Tokens: tokens, Proofs: proofs, RequireProof: true})
	require.NoError(t, err)
	mu.Lock()
	defer mu.Unlock()
	handler = bindhttp.Protect(guard)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := binding.TokenFromContext(r.Context())
		_, _ = w.Write([]byte("the accounts of " + token.ClientID()))
	}))
	return server.URL, func() int {
		mu.Lock()
		defer mu.Unlock()
		return requests
	}
}

func TestProofs(t *testing.T) {
	t.Parallel()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for name, test := range map[string]struct {
		key          crypto.Signer
		nonce        bool // of the token endpoint
		nonces       bool // of the API
		tokens, apis int  // how many requests come in
	}{
		"without nonces":            {p256, false, false, 1, 1},
		"a nonce for the token":     {p256, true, false, 2, 1},
		"a nonce for the API":       {p256, false, true, 1, 2},
		"nonces for both, Ed25519":  {edwards, true, true, 2, 2},
		"without nonces, Ed25519":   {edwards, false, false, 1, 1},
		"nonces for both, of P-256": {p256, true, true, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			as := newAuthorizationServer(t, bindingtest.Config{RequireNonce: test.nonce, Clients: byItsKey(test.key)})
			url, came := newProofAPI(t, as, test.nonces)
			folder := t.TempDir()
			key, ca := filepath.Join(folder, "dpop.pem"), filepath.Join(folder, "ca.pem")
			writeFile(t, key, keyPEM(t, test.key))
			writeFile(t, ca, as.RootPEM())
			done := runClient(t, "-issuer", as.Issuer(), "-client-id", clientID, "-ca", ca, "-url", url+"/accounts?of=me",
				"-auth", "private_key_jwt", "-assertion-key", key, "-dpop", key)
			require.Zero(t, done.status, done.stderr)
			require.Contains(t, done.stdout, "-> 200 OK\nthe accounts of "+clientID)
			require.Regexp(t, `(?m)^key [\w-]{43}$`, done.stdout)
			require.Equal(t, test.tokens, as.Requests(bindingtest.TokenPath))
			require.Equal(t, test.apis, came())
			require.NotContains(t, done.stdout+done.stderr, "eyJ", "a token or a proof is printed")
		})
	}
}

// byItsKey is the client, registered with the key that its proofs are by.
func byItsKey(key crypto.Signer) []bindingtest.Client {
	return []bindingtest.Client{{ID: clientID, AuthMethod: bindingtest.PrivateKeyJWT, PublicKey: key.Public()}}
}

// A server that is never content is asked twice, not for ever.
func TestANonceIsTriedOnce(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{})
	asked := 0
	var mu sync.Mutex
	as.Handle(bindingtest.TokenPath, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		w.Header().Set("DPoP-Nonce", rand.Text())
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"use_dpop_nonce"}`))
	}))
	done := runProving(t, as)
	require.Equal(t, 1, done.status)
	require.Contains(t, done.stderr, "use_dpop_nonce")
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, 2, asked)
}

// RFC 9449 §5: a server that knows no DPoP gives a bearer token.
func TestATokenThatIsNotBoundToTheKeyIsNotUsed(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{ResponseTokenType: "Bearer"})
	done := runProving(t, as)
	require.Equal(t, 1, done.status)
	require.Contains(t, done.stderr, "did not bind the token to the key")
}

// runProving runs the client with a key, and an API that is not there.
func runProving(t *testing.T, as *bindingtest.AuthorizationServer) run {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	require.NoError(t, as.AddClient(byItsKey(private)[0]))
	folder := t.TempDir()
	key, ca := filepath.Join(folder, "dpop.pem"), filepath.Join(folder, "ca.pem")
	writeFile(t, key, keyPEM(t, private))
	writeFile(t, ca, as.RootPEM())
	return runClient(t, "-issuer", as.Issuer(), "-client-id", clientID, "-ca", ca, "-url", "https://127.0.0.1:1/",
		"-auth", "private_key_jwt", "-assertion-key", key, "-dpop", key)
}
