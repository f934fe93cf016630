package suite

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// AllocationsOfASeenToken asserts how many allocations a guard adds to a
// request whose token was seen before: the request that is handed on, its
// context, and what is in it. The count is exact and the same on every machine.
func AllocationsOfASeenToken(t *testing.T, build Framework) {
	t.Helper()
	bare, guarded := newSeenRequest(t, build)
	require.LessOrEqual(t, guarded.allocations()-bare.allocations(), 3.0)
}

// BenchmarkSeenToken compares such a request with the same without a guard.
func BenchmarkSeenToken(b *testing.B, build Framework) {
	bare, guarded := newSeenRequest(b, build)
	for name, r := range map[string]seenRequest{"bare": bare, "guarded": guarded} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.serve()
			}
		})
	}
}

// seenRequest is a request that comes again and again.
type seenRequest struct {
	handler  http.Handler
	request  *http.Request
	response nowhere
}

func (s seenRequest) serve() { s.handler.ServeHTTP(s.response, s.request) }

// allocations is the least number of many single requests: frameworks have
// pools, which now and then are empty.
func (s seenRequest) allocations() float64 {
	least := testing.AllocsPerRun(1, s.serve)
	for range 50 {
		least = min(least, testing.AllocsPerRun(1, s.serve))
	}
	return least
}

// newSeenRequest makes such a request for a route without a guard and for one
// behind it, with all defaults.
func newSeenRequest(tb testing.TB, build Framework) (bare, guarded seenRequest) {
	tb.Helper()
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Audience: Audience})
	require.NoError(tb, err)
	tb.Cleanup(as.Close)
	tokens, err := jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{Audience}, Transport: as.Transport()})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, tokens.Close()) })
	guard, err := binding.New(binding.Config{Tokens: tokens})
	require.NoError(tb, err)
	certificate, err := as.NewClientCertificate("client-1")
	require.NoError(tb, err)
	token, err := as.Token(bindingtest.TokenSpec{Certificate: certificate.Leaf, Scopes: []string{"accounts"}})
	require.NoError(tb, err)

	var reached int
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ })
	at := func(path string) seenRequest {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, Audience+path, nil)
		require.NoError(tb, err)
		r.Header.Set("Authorization", "Bearer "+token)
		r.TLS = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{certificate.Leaf}}
		return seenRequest{
			request:  r,
			response: nowhere{http.Header{}},
			handler: build(io.Discard,
				Route{Path: "/bare", Handler: handler},
				Route{Path: "/guarded", Steps: []Step{Protect(guard)}, Handler: handler}),
		}
	}
	bare, guarded = at("/bare"), at("/guarded")
	bare.serve()
	guarded.serve()
	require.Equal(tb, 2, reached)
	return bare, guarded
}

// nowhere is a response that nobody reads. Its header is there before the
// handler is called, as net/http's is.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header          { return n.header }
func (nowhere) WriteHeader(int)                {}
func (nowhere) Write(body []byte) (int, error) { return len(body), nil }
