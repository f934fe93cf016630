package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

const audience = "https://api.bank.example"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is an authorization server, a guard, and a client and a thief with keys and certificates.
type world struct {
	as                  *bindingtest.AuthorizationServer
	guard               *binding.Guard
	client, thief       tls.Certificate
	clientKey, thiefKey crypto.Signer

	mu      sync.Mutex
	reasons []binding.Reason // why the guard refused, in turn
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := new(world)
	var err error
	w.as, err = bindingtest.NewAuthorizationServer(bindingtest.Config{Audience: audience})
	require.NoError(t, err)
	t.Cleanup(w.as.Close)
	tokens, err := jwks.New(jwks.Config{Issuer: w.as.Issuer(), Audiences: []string{audience}, Transport: w.as.Transport()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tokens.Close()) })
	proofs, err := dpop.New(dpop.Config{Origins: []string{audience}})
	require.NoError(t, err)
	w.guard, err = binding.New(binding.Config{Tokens: tokens, Proofs: proofs, Observe: w.observe})
	require.NoError(t, err)
	w.client, err = w.as.NewClientCertificate("client")
	require.NoError(t, err)
	w.thief, err = w.as.NewClientCertificate("thief")
	require.NoError(t, err)
	w.clientKey, w.thiefKey = newKey(t), newKey(t)
	return w
}

func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func (w *world) observe(_ context.Context, event binding.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if event.Err != nil {
		w.reasons = append(w.reasons, event.Err.Reason)
	}
}

// refused returns why the guard has refused since it was last asked.
func (w *world) refused() []binding.Reason {
	w.mu.Lock()
	defer w.mu.Unlock()
	reasons := w.reasons
	w.reasons = nil
	return reasons
}

// token is one of alice's, bound to what is not nil.
func (w *world) token(t *testing.T, certificate *tls.Certificate, key crypto.Signer) string {
	t.Helper()
	spec := bindingtest.TokenSpec{Subject: "alice"}
	if certificate != nil {
		spec.Certificate = certificate.Leaf
	}
	if key != nil {
		spec.Key = key.Public()
	}
	token, err := w.as.Token(spec)
	require.NoError(t, err)
	return token
}

// proven are the fields of a request with a token and a proof of the key.
func (w *world) proven(t *testing.T, token string, key crypto.Signer) http.Header {
	t.Helper()
	proof, err := bindingtest.NewProof(bindingtest.ProofSpec{Key: key, URL: audience + "/accounts", Token: token})
	require.NoError(t, err)
	return http.Header{"Authorization": {"DPoP " + token}, "Dpop": {proof}}
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// serve starts an HTTP/3 server on the loopback interface.
func (w *world) serve(t *testing.T, api http.Handler) *net.UDPAddr {
	t.Helper()
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	server := newServer(api, w.as.ServerCertificate())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(socket) }()
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		<-ended
		require.NoError(t, socket.Close())
	})
	return socket.LocalAddr().(*net.UDPAddr)
}

// transport speaks HTTP/3, with the certificate if there is one.
func (w *world) transport(t *testing.T, certificate *tls.Certificate, sessions tls.ClientSessionCache) *http3.Transport {
	t.Helper()
	config := &tls.Config{RootCAs: w.as.RootCAs(), MinVersion: tls.VersionTLS13, ClientSessionCache: sessions}
	if certificate != nil {
		config.Certificates = []tls.Certificate{*certificate}
	}
	transport := &http3.Transport{TLSClientConfig: config}
	t.Cleanup(func() { require.NoError(t, transport.Close()) })
	return transport
}

func send(t *testing.T, over *http3.Transport, method, address string, header http.Header) (response *http.Response, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "https://"+address+"/accounts", nil)
	require.NoError(t, err)
	request.Header = header
	response, err = over.RoundTrip(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "HTTP/3.0", response.Proto)
	return response, string(text)
}

// The guard decides over HTTP/3 as over any other version: both bindings, and who has stolen what is bound.
func TestHTTP3(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	address := w.serve(t, afterHandshake(newAPI(w.guard))).String()
	byCertificate, byKey, byBoth := w.token(t, &w.client, nil), w.token(t, nil, w.clientKey), w.token(t, &w.client, w.clientKey)
	captured := w.proven(t, byKey, w.clientKey)
	for _, row := range []struct {
		name   string
		who    *tls.Certificate
		header http.Header
		reason binding.Reason // "": admitted
	}{
		{"no credentials", &w.client, http.Header{}, binding.ReasonCredentialsMissing},
		{"the client's certificate", &w.client, bearer(byCertificate), ""},
		{"G/192 no certificate", nil, bearer(byCertificate), binding.ReasonCertificateMissing},
		{"a thief's certificate", &w.thief, bearer(byCertificate), binding.ReasonThumbprintMismatch},
		{"the client's key", nil, captured, ""},
		{"a captured proof", &w.thief, captured, binding.ReasonProofReplayed},
		{"a thief's key", nil, w.proven(t, byKey, w.thiefKey), binding.ReasonProofKeyMismatch},
		{"the key's token as Bearer", nil, bearer(byKey), binding.ReasonTokenScheme},
		{"both", &w.client, w.proven(t, byBoth, w.clientKey), ""},
		{"both, and a thief's certificate", &w.thief, w.proven(t, byBoth, w.clientKey), binding.ReasonThumbprintMismatch},
	} {
		response, body := send(t, w.transport(t, row.who, nil), http.MethodGet, address, row.header)
		if row.reason == "" {
			require.Equal(t, http.StatusOK, response.StatusCode, row.name)
			require.Equal(t, "the accounts of alice\n", body, row.name)
			require.Empty(t, w.refused(), row.name)
			continue
		}
		require.Equal(t, http.StatusUnauthorized, response.StatusCode, row.name)
		require.NotEmpty(t, response.Header.Get("WWW-Authenticate"), row.name)
		require.Equal(t, []binding.Reason{row.reason}, w.refused(), row.name)
	}
}

// A request in early data is refused, also by a guard with nothing in front of it if the token is bound to a certificate.
// After the handshake the same client is admitted.
func TestEarlyData(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, row := range []struct {
		name    string
		api     http.Handler
		header  func() http.Header
		status  int
		refused []binding.Reason
	}{
		{
			"G/191 a token bound to a certificate", afterHandshake(newAPI(w.guard)),
			func() http.Header { return bearer(w.token(t, &w.client, nil)) },
			http.StatusTooEarly, nil,
		},
		{
			"G/191 a token bound to a key", afterHandshake(newAPI(w.guard)),
			func() http.Header { return w.proven(t, w.token(t, nil, w.clientKey), w.clientKey) },
			http.StatusTooEarly, nil,
		},
		{
			"G/191 a token bound to a certificate, and the guard alone", newAPI(w.guard),
			func() http.Header { return bearer(w.token(t, &w.client, nil)) },
			http.StatusUnauthorized, []binding.Reason{binding.ReasonCertificateMissing},
		},
		{
			"G/191 a token bound to both, and the guard alone", newAPI(w.guard),
			func() http.Header { return w.proven(t, w.token(t, &w.client, w.clientKey), w.clientKey) },
			http.StatusUnauthorized, []binding.Reason{binding.ReasonCertificateMissing},
		},
		{ // why afterHandshake is there
			"a token bound to a key, and the guard alone: its proof is good, as often as anywhere", newAPI(w.guard),
			func() http.Header { return w.proven(t, w.token(t, nil, w.clientKey), w.clientKey) },
			http.StatusOK, nil,
		},
	} {
		seen := make(chan bool, 8) // whether the handshake was complete
		server := w.serve(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			seen <- r.TLS.HandshakeComplete
			row.api.ServeHTTP(rw, r)
		}))
		sessions := &sessionCache{ClientSessionCache: tls.NewLRUClientSessionCache(1), put: make(chan struct{}, 8)}
		response, _ := send(t, w.transport(t, &w.client, sessions), http.MethodGet, server.String(), row.header())
		require.Equal(t, http.StatusOK, response.StatusCode, row.name)
		require.True(t, <-seen)
		<-sessions.put

		// Nothing of the server's gets through to the client before its request is seen: it cannot complete the handshake.
		release := make(chan struct{})
		early := w.transport(t, &w.client, sessions)
		address := relay(t, server, release)
		answered := make(chan *http.Response, 1)
		go func() {
			defer close(answered)
			response, _ := send(t, early, http3.MethodGet0RTT, address, row.header())
			answered <- response
		}()
		require.False(t, <-seen, row.name)
		close(release)
		response = <-answered
		require.NotNil(t, response, row.name)
		require.Equal(t, row.status, response.StatusCode, row.name)
		require.Equal(t, row.refused, w.refused(), row.name)

		response, _ = send(t, early, http.MethodGet, address, row.header())
		require.Equal(t, http.StatusOK, response.StatusCode, row.name)
		require.True(t, <-seen, row.name)
	}
}

// A sessionCache tells when a session can be resumed.
type sessionCache struct {
	tls.ClientSessionCache

	put chan struct{}
}

func (c *sessionCache) Put(key string, session *tls.ClientSessionState) {
	c.ClientSessionCache.Put(key, session)
	if session != nil {
		select {
		case c.put <- struct{}{}:
		default:
		}
	}
}

// relay passes the datagrams of one client on to the server, and those of the server back once release is closed.
func relay(t *testing.T, server *net.UDPAddr, release <-chan struct{}) (address string) {
	t.Helper()
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	back, err := net.DialUDP("udp4", nil, server)
	require.NoError(t, err)
	client := make(chan *net.UDPAddr, 1)
	var both sync.WaitGroup
	both.Go(func() {
		var once sync.Once
		buffer := make([]byte, 64<<10)
		for {
			n, from, err := front.ReadFromUDP(buffer)
			if err != nil {
				return
			}
			once.Do(func() { client <- from })
			_, _ = back.Write(buffer[:n]) // what is lost is sent again
		}
	})
	both.Go(func() {
		select {
		case <-release:
		case <-t.Context().Done():
			return
		}
		to := <-client
		buffer := make([]byte, 64<<10)
		for {
			n, err := back.Read(buffer)
			if err != nil && !strings.Contains(err.Error(), "refused") {
				return
			}
			_, _ = front.WriteToUDP(buffer[:n], to)
		}
	})
	t.Cleanup(func() {
		require.NoError(t, front.Close())
		require.NoError(t, back.Close())
		both.Wait()
	})
	return front.LocalAddr().String()
}
