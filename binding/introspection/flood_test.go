package introspection_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/introspection"
)

// soaks has these tests take the time that they would like to: CERTBOUND_SOAK=1.
var soaks = os.Getenv("CERTBOUND_SOAK") != ""

// An oddServer answers tokens of the form good-<client>-<n> as active and bound
// to that client's certificate, after a while, and others as a flood has it.
func oddServer(clients map[string]*x509.Certificate, takes time.Duration, others func(*http.Request, string) (*http.Response, error)) *server {
	s := &server{}
	s.answer = func(r *http.Request, token string) (*http.Response, error) {
		name, isGood := strings.CutPrefix(token, "good-")
		if !isGood {
			return others(r, token)
		}
		time.Sleep(takes)
		name, _, _ = strings.Cut(name, "-")
		return reply(http.StatusOK, text(good(members{
			"cnf": members{"x5t#S256": bindingtest.Thumbprint(clients[name])}, "exp": time.Now().Add(time.Hour).Unix(),
		}))), nil
	}
	return s
}

func certificates(t *testing.T, n int) []*x509.Certificate {
	t.Helper()
	list := make([]*x509.Certificate, n)
	for i := range list {
		list[i] = selfSigned(t, fmt.Sprint("client-", i)).Leaf
	}
	return list
}

// made returns a certificate that nobody has issued; a guard hashes its bytes.
func made(n int) *x509.Certificate {
	return &x509.Certificate{Raw: fmt.Appendf(nil, "certificate %d", n)}
}

// M/407: 5xx, or silence, for made-up tokens is no word on the server.
func TestMadeUpTokensOpenNoBreaker(t *testing.T) {
	t.Parallel()
	clients := certificates(t, 1)
	for name, others := range map[string]func(*http.Request, string) (*http.Response, error){
		"M/407 500":              always(500, ""),
		"M/407 503":              always(503, ""),
		"M/407 no answer at all": slow(time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				told := &events{}
				c := config(oddServer(map[string]*x509.Certificate{"a": clients[0]}, 5*time.Millisecond, others))
				c.Observe = told.observe
				v := newVerifier(t, c)
				guard := newGuard(t, binding.Config{Tokens: v})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var flood sync.WaitGroup
				flood.Go(func() {
					for n := 0; ctx.Err() == nil; n++ {
						flood.Go(func() { _, _ = guard.Check(from(bearer(fmt.Sprint("made-up-", n)), made(0))) })
						time.Sleep(time.Second / 20)
					}
				})
				for n := range 4 * 60 {
					_, err := guard.Check(from(bearer(fmt.Sprint("good-a-", n)), clients[0]))
					require.NoError(t, err, "%v", binding.AsError(err))
					time.Sleep(time.Second / 4)
				}
				flood.Wait()
				require.Zero(t, told.count(introspection.BreakerOpened))
			})
		})
	}
}

// M/408: 4,000 made-up tokens a second, while the server takes 50 ms for each.
func TestHonestCallsInAFlood(t *testing.T) {
	t.Parallel()
	honest := certificates(t, 10)
	clients := make(map[string]*x509.Certificate)
	for n, certificate := range honest {
		clients[fmt.Sprint(n)] = certificate
	}
	takes := 50 * time.Millisecond
	inactive := func(*http.Request, string) (*http.Response, error) {
		time.Sleep(takes)
		return reply(http.StatusOK, `{"active":false}`), nil
	}
	for name, test := range map[string]struct {
		policy binding.Policy
		who    func(n int) *x509.Certificate
	}{
		"M/408 from one certificate":              {binding.RequireBound, func(int) *x509.Certificate { return made(0) }},
		"M/408 from one certificate that is good": {binding.RequireBound, func(int) *x509.Certificate { return honest[0] }},
		"M/408 from ten certificates":             {binding.RequireBound, func(n int) *x509.Certificate { return made(n % 10) }},
		"M/408 from many certificates":            {binding.RequireBound, made},
		"M/408 from none":                         {binding.RequireBound, func(int) *x509.Certificate { return nil }},
		"M/408 from none, where that is allowed":  {binding.DangerouslyAcceptUnbound, func(int) *x509.Certificate { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v := newVerifier(t, config(oddServer(clients, takes, inactive)))
				guard := newGuard(t, binding.Config{Tokens: v, Policy: test.policy})
				ask := func(client, n int) bool {
					_, err := guard.Check(from(bearer(fmt.Sprintf("good-%d-%d", client, n)), honest[client]))
					return err == nil
				}
				for client := range honest {
					require.True(t, ask(client, 0))
				}
				lasts := 3 * time.Second
				if soaks {
					lasts = time.Minute
				}
				var others []int
				for client := range honest {
					if test.who(0) != honest[client] { // who is itself the flood: its own new tokens wait their turn
						others = append(others, client)
					}
				}
				requireServedInAFlood(t, lasts, others, ask, func(n int) {
					_, _ = guard.Check(from(bearer(fmt.Sprint("made-up-", n)), test.who(n)))
				})
			})
		})
	}
}

// requireServedInAFlood asks for each client, once in 100 ms and the time of the answer, while 4,000 others a second ask,
// and wants 99 of 100 served.
func requireServedInAFlood[C any](t *testing.T, lasts time.Duration, clients []C, ask func(client C, n int) bool, flood func(n int)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			all.Go(func() { flood(n) })
			time.Sleep(time.Second / 4000)
		}
	})
	var served, refused atomic.Int64
	for _, client := range clients {
		all.Go(func() {
			for n := 1; ctx.Err() == nil; n++ {
				time.Sleep(100 * time.Millisecond)
				if ask(client, n) {
					served.Add(1)
				} else {
					refused.Add(1)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d served, %d refused", served.Load(), refused.Load())
	require.Greater(t, served.Load(), int64(lasts/time.Second)*50) // nine clients, each once in 150 ms
	require.LessOrEqual(t, refused.Load()*100, served.Load()+refused.Load())
}

// M/409: what can end in no 200 is asked of nobody.
func TestRequestsWithoutProofAskNobody(t *testing.T) {
	t.Parallel()
	s := &server{answer: always(http.StatusOK, `{"active":false}`)}
	v := newVerifier(t, config(s))
	_, want := answer(t, newGuard(t, binding.Config{Tokens: v}), from(bearer("dead"), made(0)))
	require.Equal(t, 1, s.calls())
	for name, test := range map[string]struct {
		config  binding.Config
		request *http.Request
		reason  binding.Reason
	}{
		"M/409 no certificate":            {binding.Config{}, from(bearer(canary), nil), binding.ReasonCertificateMissing},
		"M/409 no TLS":                    {binding.Config{}, bearer(canary), binding.ReasonCertificateMissing},
		"M/409 one that is not trusted":   {binding.Config{Certificates: &forwardedFrom{binding.ReasonForwardedUntrusted}}, bearer(canary), binding.ReasonForwardedUntrusted},
		"M/409 one that is malformed":     {binding.Config{Certificates: &forwardedFrom{binding.ReasonForwardedMalformed}}, bearer(canary), binding.ReasonForwardedMalformed},
		"M/409 a handshake that goes on ": {binding.Config{}, withTLS(bearer(canary), &tls.ConnectionState{PeerCertificates: []*x509.Certificate{made(0)}}), binding.ReasonCertificateMissing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.config.Tokens = v
			reason, got := answer(t, newGuard(t, test.config), test.request)
			require.Equal(t, test.reason, reason, "the log says why")
			require.Equal(t, http.StatusUnauthorized, got.Code)
			require.Equal(t, want.Body.String(), got.Body.String())
			require.Equal(t, want.Header(), got.Header())
			require.Equal(t, 1, s.calls(), "nobody was asked")
		})
	}
	t.Run("where tokens need not be bound they are asked about", func(t *testing.T) {
		t.Parallel()
		s := &server{answer: always(http.StatusOK, `{"active":false}`)}
		guard := newGuard(t, binding.Config{Tokens: newVerifier(t, config(s)), Policy: binding.DangerouslyAcceptUnbound})
		_, err := guard.Check(bearer(canary))
		requireReason(t, err, binding.ReasonTokenInactive)
		require.Equal(t, 1, s.calls())
	})
}

func withTLS(r *http.Request, state *tls.ConnectionState) *http.Request {
	r.TLS = state
	return r
}

// M/410: a firewall that refuses some tokens refuses nobody else.
func TestATokenThatIsAnswered403(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 403} {
		t.Run(fmt.Sprint("M/410 ", status), func(t *testing.T) {
			t.Parallel()
			clients := certificates(t, 1)
			synctest.Test(t, func(t *testing.T) {
				told := &events{}
				s := oddServer(map[string]*x509.Certificate{"a": clients[0]}, 0, always(status, "<html>"))
				transport := &countingCloses{server: s}
				c := config(s)
				c.Transport, c.Observe = transport, told.observe
				v := newVerifier(t, c)
				guard := newGuard(t, binding.Config{Tokens: v})
				for n := range 1000 {
					_, err := guard.Check(from(bearer(fmt.Sprint("good-a-", n)), clients[0]))
					require.NoError(t, err)
					_, err = guard.Check(from(bearer(fmt.Sprint("made-up/../", n)), made(0)))
					requireReason(t, err, binding.ReasonUnavailable)
					time.Sleep(3 * time.Millisecond)
				}
				synctest.Wait()
				require.Zero(t, told.count(introspection.CredentialsRefused))
				require.Zero(t, transport.closed.Load())

				// The twin: it is all of them, for a while.
				s.set(func(s *server) { s.answer = always(status, "<html>") })
				time.Sleep(10 * time.Second)
				for n := range 1000 {
					_, err := v.VerifyToken(t.Context(), fmt.Sprint("other-", n))
					requireReason(t, err, binding.ReasonUnavailable)
					time.Sleep(3 * time.Millisecond)
				}
				synctest.Wait()
				require.Equal(t, 1, told.count(introspection.CredentialsRefused))
				require.LessOrEqual(t, transport.closed.Load(), int64(3), "once in two seconds")
				require.NotZero(t, transport.closed.Load(), "the certificate may have been renewed")
			})
		})
	}
}

// An answer about any token, active or not, shows that our credentials are
// taken: for ten seconds a 403 about another is no word on them.
func TestAnAnswerAboutAnyTokenShowsThatOurCredentialsAreTaken(t *testing.T) {
	t.Parallel()
	for _, active := range []bool{true, false} {
		t.Run(fmt.Sprint("active is ", active), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				told := &events{}
				s := &server{answer: always(http.StatusOK, text(good(members{"active": active})))}
				c := config(s)
				c.Observe = told.observe
				v := newVerifier(t, c)
				_, _ = v.VerifyToken(t.Context(), "answered")
				s.set(func(s *server) { s.answer = always(http.StatusForbidden, "") })
				refused := func() int {
					_, err := v.VerifyToken(t.Context(), canary)
					requireReason(t, err, binding.ReasonUnavailable)
					synctest.Wait()
					return told.count(introspection.CredentialsRefused)
				}
				time.Sleep(10*time.Second - 1)
				require.Zero(t, refused())
				time.Sleep(time.Nanosecond)
				require.Equal(t, 1, refused())
			})
		})
	}
}

// A code that names our client is told whatever else is answered, once until the
// next answer about a token.
func TestCodesThatNameOurClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := &events{}
		s := &server{}
		c := config(s)
		c.Observe = told.observe
		v := newVerifier(t, c)
		for n, test := range []struct {
			answer func(*http.Request, string) (*http.Response, error)
			want   introspection.EventKind
		}{
			{always(200, text(good(nil))), introspection.TokenActive},
			{always(401, `{"error":"invalid_client"}`), introspection.CredentialsRefused},
			{always(403, ""), introspection.CallFailed},
			{always(401, `{"error":"invalid_client"}`), introspection.CallFailed},
			{always(200, text(good(nil))), introspection.TokenActive},
			{always(403, `{"error":"access_denied"}`), introspection.CallFailed},
			{always(403, `{"error":"unauthorized_client"}`), introspection.CredentialsRefused},
		} {
			s.set(func(s *server) { s.answer = test.answer })
			_, _ = v.VerifyToken(t.Context(), fmt.Sprint("token-", n))
			synctest.Wait()
			require.Len(t, told.all(), n+1)
			require.Equal(t, test.want, told.all()[n].Kind, "%d", n)
		}
	})
}

type countingCloses struct {
	*server
	closed atomic.Int64
}

func (c *countingCloses) CloseIdleConnections() { c.closed.Add(1) }

// M/411: what is remembered is bounded in bytes, and goes when it can serve no more.
func TestMemoryIsBoundedInBytes(t *testing.T) {
	// Not parallel: it measures the heap.
	heap := func() int {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc) >> 20
	}
	for name, test := range map[string]struct {
		size    int
		refused members // for these, where there are any
	}{
		"M/411 200 KiB": {200 << 10, nil}, "M/411 30 KiB": {30 << 10, nil}, "M/411 2 KiB": {2 << 10, nil},
		"200 KiB, refused for a claim":  {200 << 10, members{"sub": 7}},
		"200 KiB, refused for its kind": {200 << 10, members{"token_use": "refresh_token"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				changes := members{"exp": nil, "authorization_details": strings.Repeat("x", test.size)}
				maps.Copy(changes, test.refused)
				body := text(good(changes))
				c := config(&server{answer: always(http.StatusOK, body)})
				c.InactiveFor = 10 * time.Second // as long as that of active ones
				v := newVerifier(t, c)
				before := heap()
				answers := min(10_000, 64<<20/test.size) // more than may be remembered
				if soaks {
					answers = 10_000
				}
				for n := range answers {
					_, err := v.VerifyToken(t.Context(), fmt.Sprint("token-", n))
					require.Equal(t, test.refused != nil, err != nil, err)
				}
				most := heap() - before
				time.Sleep(25 * time.Second) // nobody asks; answers are good for 10
				synctest.Wait()
				after := heap() - before
				t.Logf("%d MiB, and %d when they are over", most, after)
				require.Less(t, most, 45)
				require.Less(t, after, 12)
				runtime.KeepAlive(v)
			})
		})
	}
}

// M/412: no status tells a thief that a token lives, while others cannot be asked about.
func TestNoStatusTellsThatATokenLives(t *testing.T) {
	t.Parallel()
	victim := certificates(t, 1)[0]
	thief := made(0)
	for name, prepare := range map[string]func(t *testing.T, s *server, v *introspection.Verifier){
		"M/412 64 calls are under way": func(t *testing.T, s *server, v *introspection.Verifier) {
			s.set(func(s *server) { s.answer = slow(time.Second) })
			for n := range 64 {
				go func() { _, _ = v.VerifyToken(t.Context(), fmt.Sprint("slow-", n)) }()
			}
			synctest.Wait()
		},
		"M/412 the breaker is open": func(t *testing.T, s *server, v *introspection.Verifier) {
			s.set(func(s *server) { s.refuse = true })
			for n := range 5 {
				_, err := v.VerifyToken(t.Context(), fmt.Sprint("away-", n))
				require.Error(t, err)
			}
		},
	} {
		for when, wait := range map[string]time.Duration{"remembered": 0, "known from before": 20 * time.Second} {
			t.Run(name+", "+when, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := oddServer(map[string]*x509.Certificate{"a": victim}, 0, func(_ *http.Request, token string) (*http.Response, error) {
						return reply(http.StatusOK, text(good(members{"active": token == "unbound", "cnf": nil}))), nil
					})
					v := newVerifier(t, config(s))
					guard := newGuard(t, binding.Config{Tokens: v})
					_, err := guard.Check(from(bearer("good-a-1"), victim))
					require.NoError(t, err)
					_, err = guard.Check(from(bearer("unbound"), victim))
					requireReason(t, err, binding.ReasonTokenUnbound)
					_, alive := answer(t, guard, from(bearer("good-a-1"), thief))
					_, dead := answer(t, guard, from(bearer("dead"), thief))
					require.Equal(t, http.StatusUnauthorized, alive.Code)
					require.Equal(t, dead.Body.String(), alive.Body.String())
					time.Sleep(wait)
					prepare(t, s, v)
					for _, lives := range []string{"good-a-1", "unbound"} {
						_, alive = answer(t, guard, from(bearer(lives), thief))
						for _, token := range []string{"dead", "never-sent"} {
							_, dead = answer(t, guard, from(bearer(token), thief))
							require.Equal(t, http.StatusServiceUnavailable, dead.Code)
							require.Equal(t, dead.Code, alive.Code)
							require.Equal(t, dead.Body.String(), alive.Body.String())
							require.Equal(t, dead.Header(), alive.Header())
						}
					}
					if wait == 0 { // the owner goes on
						_, err = guard.Check(from(bearer("good-a-1"), victim))
						require.NoError(t, err)
					}
				})
			})
		}
	}
	t.Run("M/412 its owner's call is under way", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := oddServer(map[string]*x509.Certificate{"a": victim}, time.Second, slow(2*time.Second))
			c := config(s)
			c.MaxInFlight = 1
			guard := newGuard(t, binding.Config{Tokens: newVerifier(t, c)})
			owner := make(chan error, 1)
			go func() {
				_, err := guard.Check(from(bearer("good-a-1"), victim))
				owner <- err
			}()
			synctest.Wait()
			_, alive := answer(t, guard, from(bearer("good-a-1"), thief))
			require.NoError(t, <-owner)
			go func() { _, _ = guard.Check(from(bearer("slow"), victim)) }()
			synctest.Wait()
			_, dead := answer(t, guard, from(bearer("dead"), thief))
			require.Equal(t, http.StatusServiceUnavailable, dead.Code)
			require.Equal(t, dead.Body.String(), alive.Body.String())
			require.Equal(t, dead.Header(), alive.Header())
		})
	})
}
