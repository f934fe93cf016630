package bindingtest_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

const apiOrigin = "https://api.example"

// provenAPI is an API that takes tokens bound to a certificate, a key, or both. It answers with the body that it got, and
// counts requests.
type provenAPI struct {
	url string

	mu     sync.Mutex
	proofs []string
}

func newProvenAPI(t *testing.T, as *bindingtest.AuthorizationServer, config dpop.Config) *provenAPI {
	t.Helper()
	tokens, err := jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = tokens.Close() })
	config.Origins = []string{apiOrigin}
	proofs, err := dpop.New(config)
	require.NoError(t, err)
	guard, err := binding.New(binding.Config{Tokens: tokens, Proofs: proofs})
	require.NoError(t, err)
	guarded := bindhttp.Protect(guard)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	api := new(provenAPI)
	server := as.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		api.mu.Lock()
		api.proofs = append(api.proofs, r.Header.Values("DPoP")...)
		api.mu.Unlock()
		guarded.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	api.url = server.URL
	return api
}

// came returns the proofs since it was last asked.
func (a *provenAPI) came() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	proofs := a.proofs
	a.proofs = nil
	return proofs
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func TestDPoPClientProvesEachRequest(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{Origin: apiOrigin})
	api := newProvenAPI(t, as, dpop.Config{})
	client := as.DPoPClient("alice", "accounts")
	for _, path := range []string{"", "/", "/accounts", "/accounts?page=2", "/a%2Fb"} {
		require.Equal(t, http.StatusOK, get(t, client, api.url+path).status, path)
		require.Len(t, api.came(), 1)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api.url+"/payments", strings.NewReader("10 to bob"))
	require.NoError(t, err)
	paid := do(t, client, request)
	require.Equal(t, http.StatusOK, paid.status)
	require.Equal(t, "10 to bob", string(paid.body))
	require.Empty(t, request.Header, "the request is the caller's")
	require.Equal(t, http.StatusOK, get(t, as.DPoPClient("bob"), api.url).status, "another key")
}

func TestWronglyProvenClientHasTheTokenOfAnother(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{Origin: apiOrigin})
	api := newProvenAPI(t, as, dpop.Config{})
	got := get(t, as.WronglyProvenClient("alice", "accounts"), api.url)
	require.Equal(t, http.StatusUnauthorized, got.status)
	require.Contains(t, got.header.Get("WWW-Authenticate"), "bound to another DPoP key")
}

func TestDPoPClientForHasWhatItIsGiven(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{Origin: apiOrigin})
	api := newProvenAPI(t, as, dpop.Config{})
	certificate, key := clientCertificate(t, as, "alice"), newKey(t)
	both := bindingtest.TokenSpec{Certificate: certificate.Leaf}
	for name, test := range map[string]struct {
		client *http.Client
		status int
	}{
		"key and certificate":     {as.DPoPClientFor(both, key, certificate), 200},
		"no certificate":          {as.DPoPClientFor(both, key, tls.Certificate{}), 401},
		"another certificate":     {as.DPoPClientFor(both, key, clientCertificate(t, as, "bob")), 401},
		"the key alone":           {as.DPoPClientFor(bindingtest.TokenSpec{}, key, tls.Certificate{}), 200},
		"a token of another key":  {as.DPoPClientFor(bindingtest.TokenSpec{Key: newKey(t).Public()}, key, tls.Certificate{}), 401},
		"a token bound to none":   {as.DPoPClientFor(bindingtest.TokenSpec{Claims: map[string]any{"cnf": nil}}, key, tls.Certificate{}), 401},
		"a token as a bearer one": {as.ClientFor(bindingtest.TokenSpec{Key: key.Public(), Certificate: certificate.Leaf}, certificate), 401},
	} {
		require.Equal(t, test.status, get(t, test.client, api.url).status, name)
	}
}

func TestDPoPClientLearnsNonces(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{Origin: apiOrigin})
	api := newProvenAPI(t, as, dpop.Config{RequireNonce: true})
	another := newProvenAPI(t, as, dpop.Config{RequireNonce: true})
	client := as.DPoPClient("alice")
	post := func(body io.Reader) answer {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api.url, body)
		require.NoError(t, err)
		return do(t, client, request)
	}
	stream := post(struct{ io.Reader }{strings.NewReader("once")})
	require.Equal(t, http.StatusUnauthorized, stream.status, "a body that cannot be sent twice")
	require.Len(t, api.came(), 1)
	require.Equal(t, http.StatusOK, post(strings.NewReader("a")).status, "what the refusal said is known")
	require.Len(t, api.came(), 1)

	client = as.DPoPClient("alice")
	first := post(bytes.NewReader([]byte("twice")))
	require.Equal(t, http.StatusOK, first.status)
	require.Equal(t, "twice", string(first.body))
	proofs := api.came()
	require.Len(t, proofs, 2)
	_, before := decode(t, proofs[0])
	_, after := decode(t, proofs[1])
	require.NotEqual(t, before["jti"], after["jti"])
	require.NotContains(t, before, "nonce")
	require.NotEmpty(t, after["nonce"])
	require.Equal(t, http.StatusOK, get(t, client, api.url).status)
	require.Len(t, api.came(), 1, "the nonce is known")
	require.Equal(t, http.StatusOK, get(t, client, another.url).status)
	require.Len(t, another.came(), 2, "another server's is another")
	require.Equal(t, http.StatusOK, get(t, client, api.url).status)
	require.Len(t, api.came(), 1, "and takes the place of none")
}

// What a server gives with a 200 is what comes next; a server that is never content is asked twice.
func TestDPoPClientAndNoncesOfAnyServer(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	asked := make(chan string, 10)
	next, wants := "first", false
	server := as.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, claims := decode(t, r.Header.Get("DPoP"))
		nonce, _ := claims["nonce"].(string)
		asked <- nonce
		w.Header().Set("DPoP-Nonce", next)
		if wants {
			w.Header().Set("DPoP-Nonce", rand.Text())
			w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(server.Close)
	client := as.DPoPClient("alice")
	for _, want := range []string{"", "first", "second"} {
		require.Equal(t, http.StatusOK, get(t, client, server.URL).status)
		require.Equal(t, want, <-asked)
		next = "second"
	}
	wants = true
	require.Equal(t, http.StatusUnauthorized, get(t, client, server.URL).status)
	require.Len(t, asked, 2)
}

func TestDPoPClientLeavesTheRequestAsItIs(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	requests := make(chan http.Header, 10)
	server := as.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { requests <- r.Header }))
	t.Cleanup(server.Close)
	send := func(name, value string) http.Header {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/a?b#c", nil)
		require.NoError(t, err)
		request.Header.Set(name, value)
		do(t, as.DPoPClient("alice"), request)
		return <-requests
	}
	other := send("Authorization", "Bearer a")
	require.Equal(t, []string{"Bearer a"}, other.Values("Authorization"))
	require.Empty(t, other.Values("DPoP"))
	own := send("Authorization", "DPoP a")
	require.Equal(t, []string{"DPoP a"}, own.Values("Authorization"))
	_, claims := decode(t, own.Get("DPoP"))
	require.Equal(t, "ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs", claims["ath"], "SHA-256 of a")
	require.Equal(t, server.URL+"/a", claims["htu"])
	captured := send("DPoP", "captured")
	require.Equal(t, []string{"captured"}, captured.Values("DPoP"))
	require.True(t, strings.HasPrefix(captured.Get("Authorization"), "DPoP ey"))
}

func TestDPoPClientReportsWhatCannotBeSigned(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	api := newProvenAPI(t, as, dpop.Config{})
	for name, client := range map[string]*http.Client{
		"private key": as.DPoPClientFor(bindingtest.TokenSpec{}, nil, tls.Certificate{}),
		"kind":        as.DPoPClientFor(bindingtest.TokenSpec{Key: "a password"}, newKey(t), tls.Certificate{}),
		"claims":      as.DPoPClientFor(bindingtest.TokenSpec{Claims: map[string]any{"a": make(chan int)}}, newKey(t), tls.Certificate{}),
	} {
		body := &closed{Reader: strings.NewReader("a")}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api.url, body)
		require.NoError(t, err)
		_, err = client.Do(request) //nolint:bodyclose // there is none
		require.ErrorContains(t, err, name)
		require.True(t, body.closed.Load(), name)
	}
	require.Empty(t, api.came())
}

func TestDPoPClientIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{Origin: apiOrigin})
	api := newProvenAPI(t, as, dpop.Config{RequireNonce: true})
	client := as.DPoPClient("alice")
	var all sync.WaitGroup
	statuses := make(chan int, 20)
	for range cap(statuses) {
		all.Go(func() {
			response, err := client.Get(api.url)
			if err == nil {
				_ = response.Body.Close()
				statuses <- response.StatusCode
			}
		})
	}
	all.Wait()
	close(statuses)
	count := 0
	for status := range statuses {
		require.Equal(t, http.StatusOK, status)
		count++
	}
	require.Equal(t, 20, count)
}
