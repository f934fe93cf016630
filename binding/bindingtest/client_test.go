package bindingtest_test

import (
	"crypto/tls"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// visit is what an API sees of a request.
type visit struct {
	authorization []string
	certificates  []string // thumbprints
	protocol      int
}

// watch starts an API that sends what it sees to a channel.
func watch(t *testing.T, as *bindingtest.AuthorizationServer) (string, <-chan visit) {
	t.Helper()
	visits := make(chan visit, 100)
	api := as.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		v := visit{authorization: r.Header.Values("Authorization"), protocol: r.ProtoMajor}
		for _, certificate := range r.TLS.PeerCertificates {
			v.certificates = append(v.certificates, bindingtest.Thumbprint(certificate))
		}
		visits <- v
	}))
	t.Cleanup(api.Close)
	return api.URL, visits
}

func (v visit) claims(t *testing.T, as *bindingtest.AuthorizationServer) map[string]any {
	t.Helper()
	require.Len(t, v.authorization, 1)
	token, found := strings.CutPrefix(v.authorization[0], "Bearer ")
	require.True(t, found)
	return verify(t, as, token)
}

func TestBoundClientPresentsWhatItsTokenIsBoundTo(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	url, visits := watch(t, as)
	require.Equal(t, http.StatusOK, get(t, as.BoundClient("alice", "accounts", "payments"), url).status)
	v := <-visits
	claims := v.claims(t, as)
	require.Equal(t, "alice", claims["sub"])
	require.Equal(t, "alice", claims["client_id"])
	require.Equal(t, "accounts payments", claims["scope"])
	require.Equal(t, as.Audience(), claims["aud"])
	require.Len(t, v.certificates, 1)
	require.Equal(t, map[string]any{"x5t#S256": v.certificates[0]}, claims["cnf"])
	require.Equal(t, 2, v.protocol)
}

func TestEachBoundClientHasACertificateOfItsOwn(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	url, visits := watch(t, as)
	seen := make(map[string]bool)
	for range 3 {
		get(t, as.BoundClient("alice"), url)
		v := <-visits
		require.NotContains(t, v.claims(t, as), "scope")
		seen[v.certificates[0]] = true
	}
	require.Len(t, seen, 3)
}

func TestWronglyBoundClientHasTheTokenOfAnother(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	url, visits := watch(t, as)
	get(t, as.WronglyBoundClient("alice", "accounts"), url)
	v := <-visits
	claims := v.claims(t, as)
	require.Equal(t, "alice", claims["sub"])
	require.Equal(t, "accounts", claims["scope"])
	require.Len(t, v.certificates, 1)
	require.NotEqual(t, map[string]any{"x5t#S256": v.certificates[0]}, claims["cnf"])
	require.Contains(t, claims["cnf"], "x5t#S256")
}

func TestClientForHasWhatItIsGiven(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	url, visits := watch(t, as)
	certificate := selfSigned(t, "anybody")

	get(t, as.ClientFor(bindingtest.TokenSpec{Subject: "alice", ClientID: "app"}, tls.Certificate{}), url)
	v := <-visits
	claims := v.claims(t, as)
	require.Empty(t, v.certificates)
	require.Equal(t, []any{"alice", "app", nil}, []any{claims["sub"], claims["client_id"], claims["cnf"]})

	get(t, as.ClientFor(bindingtest.TokenSpec{Certificate: certificate.Leaf}, certificate), url)
	v = <-visits
	require.Equal(t, []string{bindingtest.Thumbprint(certificate.Leaf)}, v.certificates)
	require.Equal(t, confirmation(certificate), v.claims(t, as)["cnf"])
}

func TestClientSignsItsTokenAnew(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	as := newServer(t, bindingtest.Config{
		Lifetime: 10 * time.Minute,
		Clock:    func() time.Time { return noon.Add(time.Duration(ahead.Load())) },
	})
	url, visits := watch(t, as)
	client := as.BoundClient("alice")
	next := func() string {
		get(t, client, url)
		return (<-visits).authorization[0]
	}
	first := next()
	require.Equal(t, first, next(), "the same while it is good")
	ahead.Store(int64(9*time.Minute - time.Second))
	require.Equal(t, first, next())
	ahead.Store(int64(9 * time.Minute))
	second := next()
	require.NotEqual(t, first, second, "a tenth of its life before it expires")
	require.Equal(t, second, next())
	ahead.Store(0)
	third := next()
	require.NotEqual(t, second, third, "the clock was set back: the token is of the future")
	require.NoError(t, as.Rotate())
	fourth := next()
	require.NotEqual(t, third, fourth, "the key is another")
	header, _ := decode(t, strings.TrimPrefix(fourth, "Bearer "))
	require.Equal(t, as.KeyID(), header["kid"])
	require.Equal(t, fourth, next())
}

func TestClientOfAnExpiredTokenKeepsItExpired(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{Clock: fixedClock})
	url, visits := watch(t, as)
	client := as.ClientFor(bindingtest.TokenSpec{ExpiresIn: -time.Hour}, tls.Certificate{})
	for range 2 {
		get(t, client, url)
		require.InDelta(t, at(-time.Hour), (<-visits).claims(t, as)["exp"], 0)
	}
}

func TestClientLeavesTheRequestAsItIs(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	url, visits := watch(t, as)
	client := as.BoundClient("alice")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	do(t, client, request)
	require.Empty(t, request.Header, "http.RoundTripper: the request must not be changed")
	require.Len(t, (<-visits).authorization, 1)

	request.Header["Authorization"] = []string{"Basic eA==", "Bearer x"}
	do(t, client, request)
	v := <-visits
	require.Equal(t, []string{"Basic eA==", "Bearer x"}, v.authorization)
	require.Len(t, v.certificates, 1)
}

func TestClientReportsWhatCannotBeSigned(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	client := as.ClientFor(bindingtest.TokenSpec{Claims: map[string]any{"x": math.NaN()}}, tls.Certificate{})
	body := &closed{Reader: strings.NewReader("x")}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://127.0.0.1:1", body)
	require.NoError(t, err)
	_, err = client.Do(request)
	require.ErrorContains(t, err, "claims")
	require.True(t, body.closed.Load())
}

// closed is a body that remembers that it was closed.
type closed struct {
	*strings.Reader

	closed atomic.Bool
}

func (c *closed) Close() error {
	c.closed.Store(true)
	return nil
}

func TestClientIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	url, visits := watch(t, as)
	client := as.BoundClient("alice")
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			response, err := client.Get(url)
			if err != nil {
				t.Error(err)
				return
			}
			_ = response.Body.Close()
		})
	}
	group.Wait()
	first := (<-visits).authorization
	for range 19 {
		require.Equal(t, first, (<-visits).authorization, "one token serves all")
	}
}
