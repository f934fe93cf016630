package suite

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/forwarded"
)

// sharedConnections is a proxy that keeps its connections and forwards over
// each what many clients send: each request is decided by its own certificate
// and its own token, and by nothing of the one before it or beside it.
func (s *suite) sharedConnections(t *testing.T) {
	const clients = 100
	for _, row := range []struct {
		name        string
		version     int
		connections int
		atOnce      bool
	}{
		{"HTTP 1.1, one connection, one after another", 1, 1, false},
		{"HTTP 2, one connection, one after another", 2, 1, false},
		{"HTTP 2, one connection, all at once", 2, 1, true},
		{"HTTP 1.1, eight connections, all at once", 1, 8, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := NewFixture(t)
			source, err := forwarded.New(forwarded.Config{
				Format: forwarded.RFC9440, Trust: []forwarded.Trust{forwarded.TrustPeers(netip.MustParsePrefix("127.0.0.0/8"))},
			})
			require.NoError(t, err)
			var opened atomic.Int64
			var used sync.Map // by a request: who takes this port for another server's sends none
			site := site{Probe: new(Probe)}
			handler := s.build(f.Log, Route{
				Path: "/", Steps: []Step{Protect(f.Guard(t, binding.Config{Certificates: source})), RequireScopes("accounts")}, Handler: site.Probe,
			})
			site.Server = f.serveWatched(t, handler, nil, func(conn net.Conn, state http.ConnState) {
				if state == http.StateActive {
					if _, before := used.LoadOrStore(conn, true); !before {
						opened.Add(1)
					}
				}
			})
			proxy := f.newClient(f.Other.Certificate) // whose own certificate is nobody's
			if row.version == 1 && row.connections == 1 {
				proxy.one = &http.Client{Transport: oneConnection{site.dial(t, proxy)}}
			} else {
				proxy.HTTP(row.version).Transport.(*http.Transport).MaxConnsPerHost = row.connections
			}
			proxy.HTTP(row.version).Timeout = 0

			exchanges := make([][]exchange, clients)
			everybody := f.behind(t, proxy, clients)
			for i, one := range everybody {
				another := everybody[(i+1)%clients]
				exchanges[i] = []exchange{
					{one.sends(one.token), one.welcome},
					{one.sends(another.token), OtherCertificate},
					{one.sends(one.poor), MissesScopes("accounts")},
					{another.sends(one.token), OtherCertificate},
					{Bearer(proxy, one.token), NoCertificate},
					{one.sends(one.token), one.welcome},
				}
			}
			visit := func(one exchange) error { return site.visit(t, site.Probe, one.request, one.want, row.version) }
			require.NoError(t, visit(exchanges[0][0]))
			if !row.atOnce {
				for step := range exchanges[0] { // so that the client is another with every request
					for i := range clients {
						require.NoError(t, visit(exchanges[i][step]))
					}
				}
			} else {
				atOnce(t, clients, func(i int) error {
					for _, one := range exchanges[i] {
						if err := visit(one); err != nil {
							return fmt.Errorf("client %d: %w", i, err)
						}
					}
					return nil
				})
			}
			if row.connections == 1 { // of several net/http gives one up now and then
				require.EqualValues(t, 1, opened.Load())
			}
			require.Equal(t, 1+2*clients, site.Probe.count())
		})
	}
}

// oneConnection is a transport of HTTP/1.1 for one request after another, whose
// body must have been read. net/http's own opens another connection where the
// machine is slow.
type oneConnection struct{ conn }

func (c oneConnection) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Write(c.Conn); err != nil {
		return nil, err
	}
	return http.ReadResponse(c.reader, r)
}

type exchange struct {
	request Request
	want    Answer
}

// A forwardedClient is one whose certificate a proxy forwards.
type forwardedClient struct {
	proxy       *Client
	header      http.Header
	token, poor string // without the scope that the route requires
	welcome     Answer
}

func (c forwardedClient) sends(token string) Request {
	request := Bearer(c.proxy, token)
	request.Header = c.header
	return request
}

// behind makes clients with certificates and tokens of their own.
func (f *Fixture) behind(t *testing.T, proxy *Client, count int) []forwardedClient {
	t.Helper()
	var all []forwardedClient
	for i := range count {
		certificate, err := f.AS.NewClientCertificate(fmt.Sprint("client-", i))
		require.NoError(t, err)
		text := base64.StdEncoding.EncodeToString(certificate.Leaf.Raw)
		f.Log.secret(text)
		spec := bindingtest.TokenSpec{Subject: fmt.Sprint("subject-", i), Certificate: certificate.Leaf}
		client := forwardedClient{proxy: proxy, header: http.Header{"Client-Cert": {":" + text + ":"}}, token: f.Token(t, spec), welcome: OK}
		client.welcome.Subject = spec.Subject
		spec.Scopes = []string{"payments"}
		client.poor = f.Token(t, spec)
		all = append(all, client)
	}
	return all
}

// atOnce runs a function in many goroutines, which start together.
func atOnce(t *testing.T, goroutines int, run func(i int) error) {
	t.Helper()
	var wait sync.WaitGroup
	start := make(chan struct{})
	failures := make(chan error, goroutines)
	for i := range goroutines {
		wait.Go(func() {
			<-start
			if err := run(i); err != nil {
				failures <- err
			}
		})
	}
	close(start)
	wait.Wait()
	close(failures)
	for err := range failures {
		require.NoError(t, err)
	}
}
