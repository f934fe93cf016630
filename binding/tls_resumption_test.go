package binding_test

import (
	"crypto/tls"
	"crypto/x509"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// oneSession is a client's session cache that offers its session to every server name.
type oneSession struct {
	mu    sync.Mutex
	state *tls.ClientSessionState
}

func (c *oneSession) Get(string) (*tls.ClientSessionState, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state, c.state != nil
}

func (c *oneSession) Put(_ string, state *tls.ClientSessionState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = state
}

// versions runs a test with TLS 1.2 and with TLS 1.3.
func versions(t *testing.T, run func(t *testing.T, version uint16)) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, version)
		})
	}
}

// connect makes one connection with the session cache and the certificate, and sends one request over it.
func (a *api) connect(t *testing.T, version uint16, sessions tls.ClientSessionCache, certificate *tls.Certificate, url, token string) (string, bool) {
	t.Helper()
	client := a.client(t, func(config *tls.Config) {
		config.MinVersion, config.MaxVersion, config.ClientSessionCache = version, version, sessions
		with(certificate)(config)
	})
	defer client.CloseIdleConnections()
	answer, state := a.getFrom(t, client, url, token)
	return answer, state != nil && state.DidResume
}

func TestTLSResumedSession(t *testing.T) {
	t.Parallel()
	first, renewed := newCertificate(t, "client-1"), newCertificate(t, "client-1")
	boundToFirst, boundToRenewed := bearer(claims(t, boundTo(first.Leaf))), bearer(claims(t, boundTo(renewed.Leaf)))
	for name, test := range map[string]struct {
		opened, resumed *tls.Certificate // what the client presents, if asked
		token           string
		want            string
	}{
		"G/182 token of the first handshake's certificate":    {&first, &first, boundToFirst, "OK"},
		"G/182 after the client renewed its certificate":      {&first, &renewed, boundToFirst, "OK"},
		"G/182 by a client that has none any more":            {&first, nil, boundToFirst, "OK"},
		"G/183 token of the renewed certificate":              {&first, &renewed, boundToRenewed, refused},
		"G/184 opened without one, token of the one it has":   {nil, &first, boundToFirst, refused},
		"G/184 opened without one, and resumed without one":   {nil, nil, boundToFirst, refused},
		"G/182 token of another than the first one, no other": {&first, &first, boundToRenewed, refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			versions(t, func(t *testing.T, version uint16) {
				a := serveTLS(t, newGuard(t, binding.Config{}), binding.TLSConfig(nil))
				sessions := &oneSession{}
				_, resumed := a.connect(t, version, sessions, test.opened, a.URL, test.token)
				require.False(t, resumed)
				got, resumed := a.connect(t, version, sessions, test.resumed, a.URL, test.token)
				require.True(t, resumed)
				require.Equal(t, test.want, got)
			})
		})
	}
}

// How to switch it off: then every connection is a full handshake, and the renewed certificate counts at once.
func TestTLSWithoutSessionTickets(t *testing.T) {
	t.Parallel()
	first, renewed := newCertificate(t, "client-1"), newCertificate(t, "client-1")
	versions(t, func(t *testing.T, version uint16) {
		a := serveTLS(t, newGuard(t, binding.Config{}), binding.TLSConfig(&tls.Config{SessionTicketsDisabled: true}))
		sessions := &oneSession{}
		for _, test := range []struct {
			presented, bound *tls.Certificate
			want             string
		}{{&first, &first, "OK"}, {&renewed, &renewed, "OK"}, {&renewed, &first, refused}, {nil, &first, refused}} {
			got, resumed := a.connect(t, version, sessions, test.presented, a.URL, bearer(claims(t, boundTo(test.bound.Leaf))))
			require.False(t, resumed)
			require.Equal(t, test.want, got)
		}
	})
}

// One socket, two server names, one of which asked for no certificate in its own configuration.
func TestTLSServerNames(t *testing.T) {
	t.Parallel()
	client := newCertificate(t, "client-1")
	token := bearer(claims(t, boundTo(client.Leaf)))
	const public, mutual = "https://public.example.com", "https://mutual.example.com"
	serve := func(t *testing.T, config func(*tls.Config) *tls.Config) *api {
		var certificates atomic.Pointer[[]tls.Certificate]
		a := serveTLS(t, newGuard(t, binding.Config{}), config(&tls.Config{
			GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				chosen := &tls.Config{Certificates: *certificates.Load(), ClientAuth: tls.RequireAnyClientCert, NextProtos: []string{"h2"}}
				if hello.ServerName == "public.example.com" {
					chosen.ClientAuth = tls.NoClientCert
				}
				return chosen, nil
			},
		}))
		certificates.Store(&a.TLS.Certificates)
		return a
	}
	unchanged := func(config *tls.Config) *tls.Config { return config }

	versions(t, func(t *testing.T, version uint16) {
		t.Run("G/187 SNI of the public name, Host of the other", func(t *testing.T) {
			t.Parallel()
			a := serve(t, unchanged)
			got, _ := a.connect(t, version, nil, &client, public, token)
			require.Equal(t, refused, got, "no handler runs for want of being asked")
			got, _ = a.connect(t, version, nil, &client, mutual, token)
			require.Equal(t, "OK", got)
		})
		t.Run("G/187 TLSConfig asks under every name", func(t *testing.T) {
			t.Parallel()
			a := serve(t, binding.TLSConfig)
			got, _ := a.connect(t, version, nil, &client, public, token)
			require.Equal(t, "OK", got)
			got, _ = a.connect(t, version, nil, nil, public, token)
			require.Equal(t, refused, got)
			got, _ = a.connect(t, version, nil, nil, mutual, token)
			require.Equal(t, "TLS", got, "the stricter setting is kept")
		})
		t.Run("G/185 ticket of the public name at the other", func(t *testing.T) {
			t.Parallel()
			for name, config := range map[string]func(*tls.Config) *tls.Config{"as it is": unchanged, "TLSConfig": binding.TLSConfig} {
				a := serve(t, config)
				sessions := &oneSession{}
				got, _ := a.connect(t, version, sessions, nil, public, token)
				require.Equal(t, refused, got, name)
				_, stored := sessions.Get("")
				require.True(t, stored, name)
				got, _ = a.connect(t, version, sessions, nil, mutual, token)
				require.Equal(t, "TLS", got, name)
			}
		})
	})
}

// G/188: an HTTP/2 connection that was opened without a certificate has none for another origin either.
func TestTLSCoalescedConnection(t *testing.T) {
	t.Parallel()
	client := newCertificate(t, "client-1")
	token := bearer(claims(t, boundTo(client.Leaf)))
	a := serveTLS(t, newGuard(t, binding.Config{}), binding.TLSConfig(nil))
	without := a.client(t, with(nil))
	for _, host := range []string{"public.example.com", "mutual.example.com"} {
		r := request(token)
		r.URL.Scheme, r.URL.Host, r.Host, r.RequestURI, r.TLS = "https", a.Listener.Addr().String(), host, "", nil
		response, err := without.Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, 2, response.ProtoMajor)
		require.Equal(t, 401, response.StatusCode, host)
	}
	require.Zero(t, a.ran.Load())
}

// G/186: a ticket does not outlive the CAs that its client was let in by.
func TestTLSClientCAsChangedBeforeResumption(t *testing.T) {
	t.Parallel()
	oldCA, newCA := authority(t, "old CA", nil), authority(t, "new CA", nil)
	client := certify(t, clientTemplate("client-1"), &oldCA)
	token := bearer(claims(t, boundTo(client.Leaf)))
	for name, wrap := range map[string]func(base func() *tls.Config) func(*tls.ClientHelloInfo) (*tls.Config, error){
		"GetConfigForClient": func(base func() *tls.Config) func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return func(*tls.ClientHelloInfo) (*tls.Config, error) { return base(), nil }
		},
		"Clone": func(base func() *tls.Config) func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return func(*tls.ClientHelloInfo) (*tls.Config, error) { return base().Clone(), nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			versions(t, func(t *testing.T, version uint16) {
				var trusted atomic.Pointer[x509.CertPool]
				var certificates atomic.Pointer[[]tls.Certificate]
				trusted.Store(poolOf(oldCA))
				base := func() *tls.Config {
					return &tls.Config{Certificates: *certificates.Load(), ClientCAs: trusted.Load()}
				}
				a := serveTLS(t, newGuard(t, binding.Config{}), binding.TLSConfig(&tls.Config{GetConfigForClient: wrap(base)}))
				certificates.Store(&a.TLS.Certificates)

				sessions := &oneSession{}
				for _, want := range []bool{false, true} {
					got, resumed := a.connect(t, version, sessions, &client, a.URL, token)
					require.Equal(t, "OK", got)
					require.Equal(t, want, resumed)
				}
				trusted.Store(poolOf(newCA))
				got, _ := a.connect(t, version, sessions, &client, a.URL, token)
				require.Equal(t, "TLS", got)
			})
		})
	}
}
