package bindgrpc_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/certbound/certbound/adapters/bindgrpc"
	"github.com/certbound/certbound/adapters/internal/suite"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/forwarded"
)

var (
	near = forwarded.TrustPeers(netip.MustParsePrefix("127.0.0.0/8"))
	far  = forwarded.TrustPeers(netip.MustParsePrefix("192.0.2.0/24"))

	unreadable = unauthenticated("invalid_token", "the access token is bound to a client certificate, and the client certificate could not be read")
	missing    = unauthenticated("invalid_token", "the access token is bound to a client certificate, and the client presented none")
	another    = unauthenticated("invalid_token", otherCertificate)
)

func rfc9440(client *suite.Client) string {
	return ":" + base64.StdEncoding.EncodeToString(client.Certificate.Leaf.Raw) + ":"
}

func source(t *testing.T, trust ...forwarded.Trust) *forwarded.Source {
	t.Helper()
	source, err := forwarded.New(forwarded.Config{Format: forwarded.RFC9440, Trust: trust})
	require.NoError(t, err)
	return source
}

func TestForwardedCertificates(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	const secret = "a secret of sixteen bytes or more"
	shared := forwarded.TrustSharedSecret("X-Proxy-Secret", secret)
	for name, test := range map[string]struct {
		trust  []forwarded.Trust
		proxy  *suite.Client // of the connection
		fields []string
		want   *refusal
	}{
		"the right certificate":                      {[]forwarded.Trust{near}, f.Nobody, []string{"client-cert", rfc9440(f.Holder)}, nil},
		"with the secret":                            {[]forwarded.Trust{shared}, f.Nobody, []string{"client-cert", rfc9440(f.Holder), "x-proxy-secret", secret}, nil},
		"by a proxy with a certificate":              {[]forwarded.Trust{forwarded.TrustProxyCertificate(binding.ThumbprintOf(f.Other.Certificate.Leaf))}, f.Other, []string{"client-cert", rfc9440(f.Holder)}, nil},
		"another":                                    {[]forwarded.Trust{near}, f.Nobody, []string{"client-cert", rfc9440(f.Other)}, &another},
		"H/197 the peer is not trusted":              {[]forwarded.Trust{far}, f.Nobody, []string{"client-cert", rfc9440(f.Holder)}, &unreadable},
		"H/197 the secret is wrong":                  {[]forwarded.Trust{shared}, f.Nobody, []string{"client-cert", rfc9440(f.Holder), "x-proxy-secret", secret + "!"}, &unreadable},
		"H/197 another proxy":                        {[]forwarded.Trust{forwarded.TrustProxyCertificate(binding.ThumbprintOf(f.Other.Certificate.Leaf))}, f.Nobody, []string{"client-cert", rfc9440(f.Holder)}, &unreadable},
		"H/197 TCP is no unix socket":                {[]forwarded.Trust{forwarded.TrustUnixSocket()}, f.Nobody, []string{"client-cert", rfc9440(f.Holder)}, &unreadable},
		"H/198 the guard's source is the connection": {nil, f.Nobody, []string{"client-cert", rfc9440(f.Holder)}, &missing},
		"H/199 X-Forwarded-For is nobody":            {[]forwarded.Trust{far}, f.Nobody, []string{"client-cert", rfc9440(f.Holder), "x-forwarded-for", "192.0.2.1", "x-real-ip", "192.0.2.1", "forwarded", "for=192.0.2.1"}, &unreadable},
		"H/201 twice":                                {[]forwarded.Trust{near}, f.Nobody, []string{"client-cert", rfc9440(f.Holder), "client-cert", rfc9440(f.Holder)}, &unreadable},
		"H/203 the connection's is another":          {[]forwarded.Trust{near}, f.Other, []string{"client-cert", rfc9440(f.Holder)}, nil},
		"H/203 the connection's is the right one":    {[]forwarded.Trust{near}, f.Holder, []string{"client-cert", rfc9440(f.Other)}, &another},
		"H/203 the proxy's own":                      {[]forwarded.Trust{near}, f.Holder, []string{"client-cert", rfc9440(f.Holder)}, &unreadable},
		"H/204 the connection's alone":               {[]forwarded.Trust{near}, f.Holder, nil, &missing},
		"H/205 none, as proxies say it":              {[]forwarded.Trust{near}, f.Holder, []string{"client-cert", "::"}, &missing},
		"H/206 malformed":                            {[]forwarded.Trust{near}, f.Nobody, []string{"client-cert", ":%:"}, &unreadable},
		"H/216 the chain alone":                      {[]forwarded.Trust{near}, f.Holder, []string{"client-cert-chain", rfc9440(f.Holder)}, &missing},
		"H/217 too long":                             {[]forwarded.Trust{near}, f.Nobody, []string{"client-cert", ":" + string(make64(40<<10)) + ":"}, &unreadable},
		"H/219 beside a look-alike":                  {[]forwarded.Trust{near}, f.Nobody, []string{"client-cert", rfc9440(f.Holder), "client_cert", rfc9440(f.Holder)}, &unreadable},
		"H/219 beside a look-alike with a dot":       {[]forwarded.Trust{near}, f.Nobody, []string{"client-cert", rfc9440(f.Holder), "client.cert", rfc9440(f.Holder)}, &unreadable},
		"binary":                                     {[]forwarded.Trust{near}, f.Nobody, []string{"client-cert-bin", string(f.Holder.Certificate.Leaf.Raw)}, &missing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := binding.Config{}
			if test.trust != nil {
				config.Certificates = source(t, test.trust...)
			}
			site := protected(t, f, f.Guard(t, config))
			connection := site.as(t, test.proxy)
			for kind := range kinds {
				a := call(t, connection, kind, append([]string{"authorization", "Bearer " + f.Good(t), "x-other", "stays"}, test.fields...)...)
				if test.want != nil {
					site.refused(t, a, *test.want)
					continue
				}
				fields, _ := metadata.FromIncomingContext(site.accepted(t, a))
				for _, name := range []string{"client-cert", "client-cert-chain", "x-proxy-secret"} {
					require.NotContains(t, fields, name)
				}
				require.Equal(t, []string{"stays"}, fields["x-other"])
			}
		})
	}
}

func dialUnix(address string) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", address)
	}
}

func make64(n int) []byte {
	text := make([]byte, n)
	for i := range text {
		text[i] = 'A'
	}
	return text
}

// What the client itself wrote is gone, too, where the certificate is not needed, look-alikes included.
func TestNothingOfACertificateIsHandedOn(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	outerUnary, outerStream := bindgrpc.Protect(f.Guard(t, binding.Config{Certificates: source(t, near)}))
	innerUnary, innerStream := bindgrpc.Protect(f.Guard(t, binding.Config{Certificates: source(t, near)}))
	site := serve(t, f, grpc.ChainUnaryInterceptor(outerUnary, innerUnary), grpc.ChainStreamInterceptor(outerStream, innerStream))
	unbound := protected(t, f, f.Guard(t, binding.Config{Certificates: source(t, near), Policy: binding.DangerouslyAcceptUnbound}))
	for kind := range kinds {
		ctx := site.accepted(t, call(t, site.as(t, f.Nobody), kind, "authorization", "Bearer "+f.Good(t), "client-cert", rfc9440(f.Holder)))
		fields, _ := metadata.FromIncomingContext(ctx)
		require.NotContains(t, fields, "client-cert")
		ctx = unbound.accepted(t, call(t, unbound.as(t, f.Nobody), kind, "authorization", "Bearer "+f.Token(t, bindingtest.TokenSpec{}),
			"client-cert", "x", "client_cert", "x", "client.cert", "x", "client-cert-chain", "x"))
		fields, _ = metadata.FromIncomingContext(ctx)
		for _, name := range []string{"client-cert", "client_cert", "client.cert", "client-cert-chain"} {
			require.NotContains(t, fields, name)
		}
		require.Contains(t, fields, ":authority")
	}
}

func TestUnixSockets(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	trusting := func() []grpc.ServerOption {
		unary, stream := bindgrpc.Protect(f.Guard(t, binding.Config{Certificates: source(t, forwarded.TrustUnixSocket())}))
		return []grpc.ServerOption{grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream)}
	}
	listen := func(t *testing.T, name string) net.Listener {
		t.Helper()
		listener, err := net.Listen("unix", name)
		require.NoError(t, err)
		return listener
	}
	none := func(*grpc.Server) {}
	for name, test := range map[string]struct {
		site func(t *testing.T) *site
		want *refusal
	}{
		"with NewListener": {func(t *testing.T) *site {
			return serveOn(t, f, bindgrpc.NewListener(listen(t, filepath.Join(t.TempDir(), "s"))), none, trusting()...)
		}, nil},
		"with NewListener and TLS": {func(t *testing.T) *site {
			return serveOn(t, f, bindgrpc.NewListener(listen(t, filepath.Join(t.TempDir(), "s"))), none, append(trusting(), grpc.Creds(tlsOf(f)))...)
		}, nil},
		"without it": {func(t *testing.T) *site {
			return serveOn(t, f, listen(t, filepath.Join(t.TempDir(), "s")), none, trusting()...)
		}, &unreadable},
		"an abstract socket": {func(t *testing.T) *site {
			return serveOn(t, f, bindgrpc.NewListener(listen(t, "@certbound-bindgrpc-"+t.Name())), none, trusting()...)
		}, &unreadable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := test.site(t)
			creds := insecure.NewCredentials()
			if name == "with NewListener and TLS" {
				creds = credentials.NewTLS(&tls.Config{RootCAs: f.AS.RootCAs(), ServerName: "127.0.0.1"})
			}
			connection, err := grpc.NewClient("passthrough:///localhost", grpc.WithTransportCredentials(creds), grpc.WithContextDialer(dialUnix(site.address)))
			require.NoError(t, err)
			t.Cleanup(func() { _ = connection.Close() })
			for kind := range kinds {
				a := call(t, connection, kind, "authorization", "Bearer "+f.Good(t), "client-cert", rfc9440(f.Holder))
				if test.want == nil {
					site.accepted(t, a)
				} else {
					site.refused(t, a, *test.want)
				}
			}
		})
	}
}

// By TCP the listener changes nothing.
func TestListenerOfTCP(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	for name, test := range map[string]struct {
		trust forwarded.Trust
		want  *refusal
	}{"trusted": {near, nil}, "another": {far, &unreadable}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			unary, stream := bindgrpc.Protect(f.Guard(t, binding.Config{Certificates: source(t, test.trust)}))
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			site := serveOn(t, f, bindgrpc.NewListener(listener), func(*grpc.Server) {},
				grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream), grpc.Creds(tlsOf(f)))
			for kind := range kinds {
				a := call(t, site.as(t, f.Nobody), kind, "authorization", "Bearer "+f.Good(t), "client-cert", rfc9440(f.Holder))
				if test.want == nil {
					site.accepted(t, a)
				} else {
					site.refused(t, a, *test.want)
				}
			}
		})
	}
}

// Behind grpc.Server.ServeHTTP the connection is net/http's, and middleware of net/http says nothing about who connected.
func TestServeHTTP(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	for name, test := range map[string]struct {
		config     binding.Config
		remembers  bool // forwarded.ConnContext is set
		client     *suite.Client
		remoteAddr string // that middleware writes
		want       *refusal
	}{
		"the owner":                             {binding.Config{}, false, f.Holder, "", nil},
		"a thief":                               {binding.Config{}, false, f.Other, "", &another},
		"a proxy":                               {binding.Config{Certificates: source(t, near)}, true, f.Nobody, "", nil},
		"a proxy, without ConnContext":          {binding.Config{Certificates: source(t, near)}, false, f.Nobody, "", &unreadable},
		"H/199 middleware believes the client":  {binding.Config{Certificates: source(t, far)}, true, f.Nobody, "192.0.2.1:1", &unreadable},
		"H/199 the same without ConnContext":    {binding.Config{Certificates: source(t, far)}, false, f.Nobody, "192.0.2.1:1", &unreadable},
		"H/199 and the proxy is trusted anyway": {binding.Config{Certificates: source(t, near)}, true, f.Nobody, "192.0.2.1:1", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			unary, stream := bindgrpc.Protect(f.Guard(t, test.config))
			site := &site{Fixture: f, api: new(api), server: grpc.NewServer(grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))}
			testpb.RegisterTestServiceServer(site.server, site.api)
			t.Cleanup(site.server.Stop)
			front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if test.remoteAddr != "" {
					r.RemoteAddr = test.remoteAddr
				}
				site.server.ServeHTTP(w, r)
			}))
			if test.remembers {
				front.Config.ConnContext = forwarded.ConnContext
			}
			front.EnableHTTP2 = true
			front.TLS = binding.TLSConfig(&tls.Config{Certificates: []tls.Certificate{f.AS.ServerCertificate()}})
			front.StartTLS()
			t.Cleanup(front.Close)
			site.address = front.Listener.Addr().String()
			for kind := range kinds {
				a := call(t, site.as(t, test.client), kind, "authorization", "Bearer "+f.Good(t), "client-cert", rfc9440(f.Holder))
				if challenges := a.header["www-authenticate"]; challenges != nil {
					a.trailer.Set("www-authenticate", challenges...)
				}
				if test.want == nil {
					site.accepted(t, a)
				} else {
					site.refused(t, a, *test.want)
				}
			}
		})
	}
}
