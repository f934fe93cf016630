package jwks_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// faultCertificate is a server certificate, which signs itself, for all names
// used here, in the year 2000 of a synctest bubble as well as now.
var faultCertificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "fault tests"},
		NotBefore:    time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		DNSNames:     []string{"issuer.example", "other.example", "localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:         true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})

func faultRoots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(faultCertificate().Leaf)
	return pool
}

func faultServerTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{faultCertificate()}, MinVersion: tls.VersionTLS12}
}

// pipeNetwork carries TLS over net.Pipe, so that all of it stands still with the
// clock of a synctest bubble. Whoever listens on it is a host by its name.
type pipeNetwork struct {
	mu    sync.Mutex
	hosts map[string]*pipeListener
	down  bool
	dials map[string]int
}

// bubble runs the test in a synctest bubble with a network of its own, whose
// only host is an issuer with these keys.
func bubble(t *testing.T, test func(t *testing.T, network *pipeNetwork, issuer *faultIssuer), keys ...faultKey) {
	t.Helper()
	if fips140.Enabled() {
		t.Skip("what FIPS 140-3 mode takes randomness from measures time, which stands still in a bubble; these tests run without it")
	}
	faultCertificate() // not in the bubble: nobody waits there for who is outside
	synctest.Test(t, func(t *testing.T) {
		// Last of all: both sides of a pipe that close TLS at once wait for each
		// other, for as long as crypto/tls lets an alert take.
		t.Cleanup(func() { time.Sleep(10 * time.Second) })
		network := &pipeNetwork{hosts: make(map[string]*pipeListener), dials: make(map[string]int)}
		issuer := newFaultIssuer("https://issuer.example", keys...)
		network.serve(t, "issuer.example", issuer)
		test(t, network, issuer)
	})
}

// serve runs a host until the test ends.
func (n *pipeNetwork) serve(t *testing.T, host string, handler http.Handler) {
	listener := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	n.mu.Lock()
	n.hosts[host+":443"] = listener
	n.mu.Unlock()
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(tls.NewListener(listener, faultServerTLS()))
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
}

// fail makes every new connection fail, or work again.
func (n *pipeNetwork) fail(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
}

// dialed is how often a host was asked for.
func (n *pipeNetwork) dialed(host string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials[host+":443"]
}

func (n *pipeNetwork) dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dials[address]++
	listener, down := n.hosts[address], n.down
	n.mu.Unlock()
	if listener == nil || down {
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: syscall.ECONNREFUSED}
	}
	client, server := net.Pipe()
	select {
	case listener.conns <- server:
		return client, nil
	case <-listener.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// transport is one over the network. The test closes what it leaves idle.
func (n *pipeNetwork) transport(t *testing.T) *http.Transport {
	transport := &http.Transport{
		DialContext:     n.dial,
		TLSClientConfig: &tls.Config{RootCAs: faultRoots(), MinVersion: tls.VersionTLS12},
		IdleConnTimeout: 10 * time.Second,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

type pipeListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// loopback puts an issuer on a real socket.
func loopback(t *testing.T, keys ...faultKey) (*faultIssuer, *httptest.Server) {
	t.Helper()
	issuer := newFaultIssuer("", keys...)
	server := loopbackServer(t, issuer, nil)
	issuer.url = server.URL
	return issuer, server
}

func loopbackServer(t *testing.T, handler http.Handler, change func(*httptest.Server)) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.TLS = faultServerTLS()
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if change != nil {
		change(server)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// trusting returns a transport that trusts the certificate of these tests.
func trusting(t *testing.T) *http.Transport {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: faultRoots(), MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// roundTrip is a transport that is a function: where the network is not the
// point.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// inMemory answers from the issuer without a network.
func inMemory(issuer *faultIssuer) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		recorder := httptest.NewRecorder()
		issuer.ServeHTTP(recorder, r)
		return recorder.Result(), nil
	})
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, time.Millisecond, what)
}
