package forwarded_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
)

func TestTrustProxyCertificate(t *testing.T) {
	t.Parallel()
	victim, proxy, next, other := newIdentity(t, "victim", nil, nil), newIdentity(t, "proxy", nil, nil), newIdentity(t, "next", nil, nil), newIdentity(t, "proxy", nil, nil)
	config := forwarded.Config{Format: forwarded.RFC9440, Trust: []forwarded.Trust{
		forwarded.TrustProxyCertificate(binding.ThumbprintOf(proxy.cert), binding.ThumbprintOf(next.cert))}}
	header := http.Header{"Client-Cert": {encodeCert(forwarded.RFC9440, victim.cert)}}

	s := serve(t, config)
	for _, trusted := range []identity{proxy, next} {
		s.send(t, s.peer(t, trusted.tls()), victim.thumbprint(), header).requireAccepted(t)
	}
	s.send(t, s.peer(t, other.tls()), victim.thumbprint(), header).requireRefused(t, binding.ReasonForwardedUntrusted)
	s.send(t, s.peer(t, victim.tls()), victim.thumbprint(), header).requireRefused(t, binding.ReasonForwardedUntrusted)
	s.send(t, s.peer(t), victim.thumbprint(), header).requireRefused(t, binding.ReasonForwardedUntrusted)

	t.Run("over HTTP/2", func(t *testing.T) {
		t.Parallel()
		s := serve(t, config, func(s *httptest.Server, _ http.Handler) { s.EnableHTTP2 = true })
		client := s.peer(t, proxy.tls())
		s.send(t, client, victim.thumbprint(), header).requireAccepted(t)
		s.send(t, s.peer(t), victim.thumbprint(), header).requireRefused(t, binding.ReasonForwardedUntrusted)
	})
	t.Run("on a resumed session", func(t *testing.T) {
		t.Parallel()
		s := serve(t, config)
		client := s.peer(t, proxy.tls())
		transport := client.Transport.(*http.Transport)
		transport.DisableKeepAlives = true
		transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		for range 2 {
			s.send(t, client, victim.thumbprint(), header).requireAccepted(t)
		}
	})
	t.Run("not before the handshake is complete, nor without TLS", func(t *testing.T) {
		t.Parallel()
		source := newSource(t, config)
		r := requestWith(header)
		for _, state := range []*tls.ConnectionState{nil, {}, {HandshakeComplete: true}, {PeerCertificates: proxy.tlsChain()}} {
			r.TLS = state
			_, err := source.ClientCertificate(r)
			requireReason(t, binding.ReasonForwardedUntrusted, err)
		}
	})
}

func TestTrustProxyName(t *testing.T) {
	t.Parallel()
	ca, victim := newCA(t), newIdentity(t, "victim", nil, nil)
	names := withNames([]string{"other.example", "Proxy.example"}, "spiffe://mesh.example/ns/edge/sa/proxy")
	proxy := newIdentity(t, "x", &ca, names)
	selfSigned := newIdentity(t, "x", nil, names)
	header := http.Header{"Client-Cert": {encodeCert(forwarded.RFC9440, victim.cert)}}
	config := func(names ...string) forwarded.Config {
		return forwarded.Config{Format: forwarded.RFC9440, Trust: []forwarded.Trust{forwarded.TrustProxyName(names...)}}
	}

	for _, name := range []string{"proxy.example", "PROXY.example", "spiffe://mesh.example/ns/edge/sa/proxy"} {
		s := serve(t, config("nobody.example", name), clientCAs(ca))
		s.send(t, s.peer(t, proxy.tls()), victim.thumbprint(), header).requireAccepted(t)
		s.send(t, s.peer(t), victim.thumbprint(), header).requireRefused(t, binding.ReasonForwardedUntrusted)

		// The same names in a certificate that nobody verified.
		s = serve(t, config(name))
		s.send(t, s.peer(t, selfSigned.tls()), victim.thumbprint(), header).requireRefused(t, binding.ReasonForwardedUntrusted)
		s.send(t, s.peer(t, proxy.tls()), victim.thumbprint(), header).requireRefused(t, binding.ReasonForwardedUntrusted)
	}
	// Verified, with other names.
	for _, change := range []identity{
		newIdentity(t, "proxy.example", &ca, nil), // a common name is none
		newIdentity(t, "x", &ca, withNames([]string{"*.example", "proxy.example.evil.example", "aproxy.example", ""})),
		newIdentity(t, "x", &ca, withNames([]string{"evil.example"}, "spiffe://mesh.example/ns/edge/sa/proxy2")),
		newIdentity(t, "x", &ca, withNames(nil, "https://proxy.example")),
	} {
		s := serve(t, config("proxy.example", "spiffe://mesh.example/ns/edge/sa/proxy"), clientCAs(ca))
		s.send(t, s.peer(t, change.tls()), victim.thumbprint(), header).requireRefused(t, binding.ReasonForwardedUntrusted)
	}
	// A verified chain of a handshake that is not complete is none.
	source := newSource(t, config("proxy.example"))
	r := requestWith(header)
	for _, state := range []*tls.ConnectionState{nil, {VerifiedChains: proxy.chains()}, {HandshakeComplete: true, VerifiedChains: emptyChain}} {
		r.TLS = state
		_, err := source.ClientCertificate(r)
		requireReason(t, binding.ReasonForwardedUntrusted, err)
	}
}

func TestTrustUnixSocket(t *testing.T) {
	t.Parallel()
	victim := newIdentity(t, "victim", nil, nil)
	header := http.Header{"Client-Cert": {encodeCert(forwarded.RFC9440, victim.cert)}}
	config := forwarded.Config{Format: forwarded.RFC9440, Trust: []forwarded.Trust{forwarded.TrustUnixSocket()}}
	overUnix := func(path string) (setup, *http.Client) {
		transport := &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "unix", path)
			},
		}
		t.Cleanup(transport.CloseIdleConnections)
		return func(s *httptest.Server, _ http.Handler) {
			require.NoError(t, s.Listener.Close())
			var err error
			s.Listener, err = net.Listen("unix", path)
			require.NoError(t, err)
		}, &http.Client{Transport: transport}
	}

	listen, client := overUnix(filepath.Join(t.TempDir(), "s"))
	s := serve(t, config, listen)
	s.sendTo(t, "https://api.example", client, victim.thumbprint(), header).requireAccepted(t)

	t.Run("not over TCP, whatever RemoteAddr says", func(t *testing.T) {
		t.Parallel()
		s := serve(t, config, func(s *httptest.Server, next http.Handler) {
			s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.RemoteAddr = "@"
				next.ServeHTTP(w, r)
			})
		})
		s.send(t, s.peer(t), victim.thumbprint(), header).requireRefused(t, binding.ReasonForwardedUntrusted)
	})
	t.Run("not over an abstract socket, which has no permissions", func(t *testing.T) {
		t.Parallel()
		listen, client := overUnix(fmt.Sprintf("@certbound-test-%p", t))
		s := serve(t, config, listen)
		s.sendTo(t, "https://api.example", client, victim.thumbprint(), header).requireRefused(t, binding.ReasonForwardedUntrusted)
	})
	t.Run("not by the address that the server says it has", func(t *testing.T) {
		t.Parallel()
		socket := &net.UnixAddr{Net: "unix", Name: "/run/s"}
		for _, ctx := range []context.Context{
			t.Context(),
			forwarded.PeerContext(t.Context(), socket),
			forwarded.ConnContext(t.Context(), conn{local: socket, remote: socket}),
			forwarded.ConnContext(t.Context(), nil),
		} {
			r := requestWith(header).WithContext(context.WithValue(ctx, http.LocalAddrContextKey, socket))
			_, err := newSource(t, config).ClientCertificate(r)
			requireReason(t, binding.ReasonForwardedUntrusted, err)
		}
	})
	t.Run("below what wraps the connection", func(t *testing.T) {
		t.Parallel()
		for layers, trusted := range map[int]bool{0: true, 1: true, 15: true, 16: false} {
			end, _ := unixPair(t, "unix")
			for range layers {
				end = wrapped{end}
			}
			r := requestWith(header)
			_, err := newSource(t, config).ClientCertificate(r.WithContext(forwarded.ConnContext(r.Context(), end)))
			require.Equal(t, trusted, err == nil, "%d layers", layers)
		}
		// The client's end has no name. A socket of packets is no server's of HTTP.
		near, far := unixPair(t, "unix")
		packets, _ := unixPair(t, "unixpacket")
		for end, trusted := range map[net.Conn]bool{near: true, far: false, packets: false} {
			r := requestWith(header)
			_, err := newSource(t, config).ClientCertificate(r.WithContext(forwarded.ConnContext(r.Context(), end)))
			require.Equal(t, trusted, err == nil)
		}
		loop := &itself{}
		r := requestWith(header)
		_, err := newSource(t, config).ClientCertificate(r.WithContext(forwarded.ConnContext(r.Context(), loop)))
		requireReason(t, binding.ReasonForwardedUntrusted, err)
	})
	t.Run("a unix peer is in no range of addresses", func(t *testing.T) {
		t.Parallel()
		listen, client := overUnix(filepath.Join(t.TempDir(), "s"))
		s := serve(t, forwarded.Config{Format: forwarded.RFC9440}, listen, func(s *httptest.Server, next http.Handler) {
			s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.RemoteAddr = "127.0.0.1:1"
				next.ServeHTTP(w, r)
			})
		})
		o := s.sendTo(t, "https://api.example", client, victim.thumbprint(), header)
		o.requireRefused(t, binding.ReasonForwardedUntrusted)
		require.Contains(t, errorTexts(o.event.Err), "a peer without IP address")
	})
}

func TestTrustPeers(t *testing.T) {
	t.Parallel()
	victim := newIdentity(t, "victim", nil, nil)
	header := http.Header{"Client-Cert": {encodeCert(forwarded.RFC9440, victim.cert)}}
	trusting := func(ranges ...string) *forwarded.Source {
		var prefixes []netip.Prefix
		for _, r := range ranges {
			prefixes = append(prefixes, netip.MustParsePrefix(r))
		}
		return newSource(t, forwarded.Config{Format: forwarded.RFC9440, Trust: []forwarded.Trust{forwarded.TrustPeers(prefixes...)}})
	}
	for _, c := range []struct {
		ranges  []string
		peer    net.Addr
		trusted bool
	}{
		{[]string{"192.0.2.0/24"}, tcp("192.0.2.9:1"), true},
		{[]string{"192.0.2.0/24"}, tcp("[::ffff:192.0.2.9]:1"), true},
		{[]string{"::ffff:192.0.2.0/120"}, tcp("192.0.2.9:1"), true},
		{[]string{"::ffff:192.0.2.0/120"}, tcp("192.0.3.9:1"), false},
		{[]string{"192.0.2.77/24"}, tcp("192.0.2.9:1"), true},
		{[]string{"198.51.100.0/24", "fe80::/10"}, tcp("[fe80::1%eth0]:1"), true},
		{[]string{"fe80::/10"}, tcp("[2001:db8::1]:1"), false},
		{[]string{"10.0.0.0/8", "fc00::/7"}, tcp("[fd00::1]:1"), true},
		{[]string{"192.0.2.9/32"}, tcp("192.0.2.10:1"), false},
		{[]string{"203.0.113.0/24"}, tcp("192.0.2.9:1"), false}, // RemoteAddr has no say
		{[]string{"203.0.113.0/24"}, &net.UnixAddr{Name: "@", Net: "unix"}, false},
		{[]string{"203.0.113.0/24"}, nil, false},
		// The name of a socket is its owner's choice.
		{[]string{"192.0.2.0/24"}, &net.UnixAddr{Name: "192.0.2.9:1", Net: "unix"}, false},
		{[]string{"192.0.2.0/24"}, &net.UDPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 1}, true}, // HTTP/3
	} {
		r := requestWith(header)
		r.RemoteAddr = "203.0.113.1:1" // as middleware left it
		for _, ctx := range []context.Context{
			forwarded.ConnContext(t.Context(), conn{remote: c.peer}), forwarded.PeerContext(t.Context(), c.peer),
		} {
			_, err := trusting(c.ranges...).ClientCertificate(r.WithContext(ctx))
			require.Equal(t, c.trusted, err == nil, "%v %v", c.ranges, c.peer)
			if err != nil {
				requireReason(t, binding.ReasonForwardedUntrusted, err)
			}
		}
	}
}

func TestTrustSharedSecret(t *testing.T) {
	t.Parallel()
	victim := newIdentity(t, "victim", nil, nil)
	const next = "another one, in its time"
	s := serve(t, forwarded.Config{Format: forwarded.RFC9440, Trust: []forwarded.Trust{forwarded.TrustSharedSecret("X-Proxy-Key", secret, next)}})
	send := func(header http.Header) outcome {
		header["Client-Cert"] = []string{encodeCert(forwarded.RFC9440, victim.cert)}
		return s.send(t, s.peer(t), victim.thumbprint(), header)
	}
	send(http.Header{"X-Proxy-Key": {secret}}).requireAccepted(t)
	send(http.Header{"X-Proxy-Key": {next}}).requireAccepted(t)
	for _, header := range []http.Header{
		{},
		{"X-Proxy-Key": {""}},
		{"X-Proxy-Key": {secret[1:]}},
		{"X-Proxy-Key": {secret + "."}},
		{"X-Proxy-Key": {secret + next}},
		{"X-Proxy-Key": {secret, secret}},
		{"X-Proxy-Key": {secret}, "X_Proxy_Key": {secret}},
		{"X_Proxy_Key": {secret}},
	} {
		send(header).requireRefused(t, binding.ReasonForwardedUntrusted)
	}
	source := newSource(t, forwarded.Config{Format: forwarded.RFC9440, Trust: []forwarded.Trust{forwarded.TrustSharedSecret("X-Proxy-Key", secret)}})
	require.NotContains(t, fmt.Sprintf("%+v %#v", source, *source), secret)
}

// Rules that are required together all hold, or none does.
func TestTrustTogether(t *testing.T) {
	t.Parallel()
	victim, proxy := newIdentity(t, "victim", nil, nil), newIdentity(t, "proxy", nil, nil)
	s := serve(t, forwarded.Config{Format: forwarded.RFC9440, Trust: []forwarded.Trust{
		forwarded.TrustPeers(netip.MustParsePrefix("127.0.0.0/8")),
		forwarded.TrustProxyCertificate(binding.ThumbprintOf(proxy.cert)),
		forwarded.TrustSharedSecret("X-Proxy-Key", secret),
	}})
	value := encodeCert(forwarded.RFC9440, victim.cert)
	s.send(t, s.peer(t, proxy.tls()), victim.thumbprint(), http.Header{"Client-Cert": {value}, "X-Proxy-Key": {secret}}).requireAccepted(t)
	s.send(t, s.peer(t), victim.thumbprint(), http.Header{"Client-Cert": {value}, "X-Proxy-Key": {secret}}).requireRefused(t, binding.ReasonForwardedUntrusted)
	s.send(t, s.peer(t, proxy.tls()), victim.thumbprint(), http.Header{"Client-Cert": {value}}).requireRefused(t, binding.ReasonForwardedUntrusted)
}

// What a trusted proxy sent, the handler does not see, nor what anybody else did.
func TestHandlerSeesNoCertificateHeader(t *testing.T) {
	t.Parallel()
	victim := newIdentity(t, "victim", nil, nil)
	s := serve(t, forwarded.Config{
		Format: forwarded.RFC9440, Header: "X-Client-Cert", VerifyHeader: "X-Client-Verify", Strip: []string{"X-Client-Dn"},
		Trust: []forwarded.Trust{forwarded.TrustSharedSecret("X-Proxy-Key", secret)},
	})
	header := func() http.Header {
		return http.Header{
			"X-Client-Cert": {encodeCert(forwarded.RFC9440, victim.cert)}, "X-Client-Verify": {"SUCCESS"}, "X-Proxy-Key": {secret},
			"Client-Cert": {"x"}, "Client-Cert-Chain": {"x"}, "Client_cert_chain": {"x"}, "X-Client-Dn": {"CN=x"}, "X-Other": {"stays"},
		}
	}
	for _, send := range []func() outcome{
		func() outcome { return s.send(t, s.peer(t), victim.thumbprint(), header()) },
		func() outcome { // untrusted, and nobody asked, for the token is not bound
			h := header()
			h["X-Proxy-Key"], h["X_Proxy_Key"], h["X_Client_Cert"] = []string{"a wrong one"}, []string{"x"}, []string{"x"}
			return s.send(t, s.peer(t), "unbound", h)
		},
	} {
		o := send()
		o.requireAccepted(t)
		require.Equal(t, "stays", o.saw.Get("X-Other"))
		for name := range o.saw {
			require.NotRegexp(t, `(?i)(client|proxy)[^a-z]`, name)
		}
	}
}

// A conn has addresses.
type conn struct {
	net.Conn
	local, remote net.Addr
}

func (c conn) LocalAddr() net.Addr  { return c.local }
func (c conn) RemoteAddr() net.Addr { return c.remote }

// A wrapped connection says what is below it, as *tls.Conn does.
type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

// What is below itself it is itself.
type itself struct{ net.Conn }

func (i *itself) NetConn() net.Conn { return i }

// unixPair returns the ends of a connection over a unix socket that has a file.
func unixPair(t *testing.T, network string) (server, client net.Conn) {
	t.Helper()
	listener, err := net.Listen(network, filepath.Join(t.TempDir(), "s"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	client, err = net.Dial(network, listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	server, err = listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	return server, client
}
