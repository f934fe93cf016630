package binding_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

// newFAPI2 is a resource server of the FAPI 2.0 Security Profile, as fapi2.md has it.
func newFAPI2(t *testing.T, as *bindingtest.AuthorizationServer) *httptest.Server {
	tokens, err := jwks.New(jwks.Config{
		Issuer:      as.Issuer(),
		Audiences:   []string{as.Audience()},
		Algorithms:  jwks.FAPI2(),
		Leeway:      10 * time.Second,
		MaxLifetime: time.Hour,
		Transport:   as.Transport(), // the test's own authority
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tokens.Close()) })
	proofs, err := dpop.New(dpop.Config{
		Origins:    []string{as.Audience()},
		Algorithms: dpop.FAPI2(),
		Leeway:     10 * time.Second,
	})
	require.NoError(t, err)
	guard, err := binding.New(binding.Config{Tokens: tokens, Proofs: proofs})
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(bindhttp.Protect(guard)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "the accounts")
	})))
	server.TLS = binding.TLSConfig(&tls.Config{Certificates: []tls.Certificate{as.ServerCertificate()}})
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// What fapi2.md says of a token, a proof and a connection.
func TestFAPI2(t *testing.T) {
	t.Parallel()
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	require.NoError(t, err)
	t.Cleanup(as.Close)
	server := newFAPI2(t, as)
	certificate, err := as.NewClientCertificate("client")
	require.NoError(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)

	status := func(spec bindingtest.TokenSpec, scheme, proof string) int {
		token, err := as.Token(spec)
		require.NoError(t, err)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", scheme+" "+token)
		if proof == "proof" {
			proof, err = bindingtest.NewProof(bindingtest.ProofSpec{Key: key, URL: as.Audience(), Token: token})
			require.NoError(t, err)
			request.Header.Set("DPoP", proof)
		}
		client := as.HTTPClient(certificate)
		defer client.CloseIdleConnections()
		response, err := client.Do(request)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	for name, test := range map[string]struct {
		spec   bindingtest.TokenSpec
		status int
	}{
		"a bound token":                  {bindingtest.TokenSpec{}, http.StatusOK},
		"issued in 8 seconds":            {bindingtest.TokenSpec{Claims: map[string]any{"iat": in(8 * time.Second), "nbf": in(8 * time.Second)}}, http.StatusOK},
		"issued in a minute":             {bindingtest.TokenSpec{Claims: map[string]any{"iat": in(time.Minute)}}, http.StatusUnauthorized},
		"not before a minute has passed": {bindingtest.TokenSpec{Claims: map[string]any{"nbf": in(time.Minute)}}, http.StatusUnauthorized},
		"expired":                        {bindingtest.TokenSpec{ExpiresIn: -time.Minute}, http.StatusUnauthorized},
		"good for two hours":             {bindingtest.TokenSpec{ExpiresIn: 2 * time.Hour}, http.StatusUnauthorized},
		"forged":                         {bindingtest.TokenSpec{ForgedSignature: true}, http.StatusUnauthorized},
		"without a signature":            {bindingtest.TokenSpec{Header: map[string]any{"alg": "none"}}, http.StatusUnauthorized},
	} {
		test.spec.Certificate = certificate.Leaf
		require.Equal(t, test.status, status(test.spec, "Bearer", ""), name)
	}
	require.Equal(t, http.StatusUnauthorized, status(bindingtest.TokenSpec{}, "Bearer", ""), "not sender-constrained")
	require.Equal(t, http.StatusOK, status(bindingtest.TokenSpec{Key: key.Public()}, "DPoP", "proof"))
	require.Equal(t, http.StatusUnauthorized, status(bindingtest.TokenSpec{Key: key.Public()}, "DPoP", ""))

	for name, test := range map[string]struct {
		offered *tls.Config
		taken   bool
	}{
		"TLS 1.2 with a recommended suite": {&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}, true},
		"TLS 1.2 with CBC":                 {&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}}, false},
		"TLS 1.1":                          {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, false},
		"TLS 1.3":                          {&tls.Config{MinVersion: tls.VersionTLS13}, true},
	} {
		test.offered.RootCAs = as.RootCAs()
		connection, err := tls.Dial("tcp", server.Listener.Addr().String(), test.offered)
		require.Equal(t, test.taken, err == nil, "%s: %v", name, err)
		if err == nil {
			require.NoError(t, connection.Close())
		}
	}
}

// RS256 is no algorithm of FAPI 2.0.
func TestFAPI2RefusesRS256(t *testing.T) {
	t.Parallel()
	for algorithm, status := range map[string]int{"RS256": http.StatusUnauthorized, "PS256": http.StatusOK, "Ed25519": http.StatusOK} {
		as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Algorithm: algorithm})
		require.NoError(t, err)
		t.Cleanup(as.Close)
		server := newFAPI2(t, as)
		response, err := as.BoundClient("alice").Get(server.URL)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, status, response.StatusCode, algorithm)
	}
}
