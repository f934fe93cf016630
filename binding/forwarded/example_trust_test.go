package forwarded_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/forwarded"
)

// ask has a source, configured with these rules, read a request that carries a certificate, and prints what becomes of it.
func ask(from string, change func(r *http.Request), rules ...forwarded.Trust) {
	source, err := forwarded.New(forwarded.Config{Format: forwarded.RFC9440, Trust: rules})
	if err != nil {
		log.Fatal(err)
	}
	client := selfSigned("client-1")
	r := httptest.NewRequest(http.MethodGet, "https://api.bank.example/accounts", nil)
	r.Header.Set("Client-Cert", ":"+base64.StdEncoding.EncodeToString(client.Raw)+":")
	change(r)
	certificate, err := source.ClientCertificate(r)
	switch {
	case err != nil:
		fmt.Println(from+":", binding.AsError(err).Reason)
	case certificate.Thumbprint.Matches(binding.ThumbprintOf(client)):
		fmt.Println(from + ": the client's certificate")
	}
}

func selfSigned(name string) *x509.Certificate {
	certificate, err := bindingtest.NewSelfSignedCertificate(name)
	if err != nil {
		log.Fatal(err)
	}
	return certificate.Leaf
}

// over makes a request come over a connection from the address.
func over(address string) func(*http.Request) {
	peer := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address))
	return func(r *http.Request) { *r = *r.WithContext(forwarded.PeerContext(r.Context(), peer)) }
}

// By the address of the other end of the connection; X-Forwarded-For is never read. The server sets ConnContext.
func ExampleTrustPeers() {
	rule := forwarded.TrustPeers(netip.MustParsePrefix("192.0.2.10/31"), netip.MustParsePrefix("2001:db8::/64"))
	ask("the proxy", over("192.0.2.11:40000"), rule)
	ask("anybody", func(r *http.Request) {
		over("198.51.100.7:40000")(r)
		r.Header.Set("X-Forwarded-For", "192.0.2.11")
	}, rule)
	// Output:
	// the proxy: the client's certificate
	// anybody: forwarded_untrusted
}

// A server without net/http says who connected by the address that its listener accepted.
func ExamplePeerContext() {
	rule := forwarded.TrustPeers(netip.MustParsePrefix("192.0.2.10/31"))
	accepted := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 11), Port: 40000} // net.Conn.RemoteAddr
	ask("the proxy", func(r *http.Request) {
		*r = *r.WithContext(forwarded.PeerContext(r.Context(), accepted))
	}, rule)
	ask("a server that does not say", func(*http.Request) {}, rule)
	// Output:
	// the proxy: the client's certificate
	// a server that does not say: forwarded_untrusted
}

// By the certificate that the proxy shows this server. The next one stands beside it before the proxy changes to it.
func ExampleTrustProxyCertificate() {
	present, next := selfSigned("proxy"), selfSigned("proxy")
	rule := forwarded.TrustProxyCertificate(binding.ThumbprintOf(present), binding.ThumbprintOf(next))
	with := func(peer *x509.Certificate) func(*http.Request) {
		return func(r *http.Request) {
			r.TLS = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{peer}}
		}
	}
	ask("the proxy", with(present), rule)
	ask("anybody", with(selfSigned("proxy")), rule)
	// Output:
	// the proxy: the client's certificate
	// anybody: forwarded_untrusted
}

// By a name in the certificate that the proxy shows this server, which has verified it: tls.Config.ClientCAs.
func ExampleTrustProxyName() {
	rule := forwarded.TrustProxyName("proxy.internal.example", "spiffe://internal.example/proxy")
	with := func(verified bool) func(*http.Request) {
		return func(r *http.Request) {
			proxy := &x509.Certificate{DNSNames: []string{"proxy.internal.example"}} // of a handshake
			r.TLS = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{proxy}}
			if verified {
				r.TLS.VerifiedChains = [][]*x509.Certificate{{proxy}}
			}
		}
	}
	ask("the proxy", with(true), rule)
	ask("anybody who made such a certificate", with(false), rule)
	// Output:
	// the proxy: the client's certificate
	// anybody who made such a certificate: forwarded_untrusted
}

// By the socket: the permissions of its file say who may. The server sets ConnContext.
func ExampleTrustUnixSocket() {
	folder, err := os.MkdirTemp("", "api")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	for _, at := range []struct{ network, address string }{
		{"unix", filepath.Join(folder, "socket")},
		{"tcp", "127.0.0.1:0"},
	} {
		listener, err := net.Listen(at.network, at.address)
		if err != nil {
			log.Fatal(err)
		}
		server := &http.Server{
			ReadHeaderTimeout: time.Second,
			ConnContext:       forwarded.ConnContext,
			Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				ask("over "+at.network, func(asked *http.Request) {
					*asked = *asked.WithContext(r.Context())
				}, forwarded.TrustUnixSocket())
			}),
		}
		go func() { _ = server.Serve(listener) }()
		proxy := &http.Client{Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, at.network, listener.Addr().String())
			},
		}}
		response, err := proxy.Get("http://api.bank.example/accounts")
		if err != nil {
			log.Fatal(err)
		}
		_ = response.Body.Close()
		_ = server.Close()
	}
	// Output:
	// over unix: the client's certificate
	// over tcp: forwarded_untrusted
}

// By a secret, and an address besides: all the rules must hold. Two values are for the time in which it is being changed.
func ExampleTrustSharedSecret() {
	rules := []forwarded.Trust{
		forwarded.TrustPeers(netip.MustParsePrefix("192.0.2.0/24")),
		forwarded.TrustSharedSecret("X-Proxy-Secret", "of 16 bytes or more, the new one", "of 16 bytes or more, the old one"),
	}
	with := func(secret string) func(*http.Request) {
		return func(r *http.Request) {
			over("192.0.2.10:40000")(r)
			r.Header.Set("X-Proxy-Secret", secret)
		}
	}
	ask("the proxy", with("of 16 bytes or more, the old one"), rules...)
	ask("its neighbour", with("a guess of more than 16 bytes"), rules...)
	// Output:
	// the proxy: the client's certificate
	// its neighbour: forwarded_untrusted
}

// Incorrect: RemoteAddr is believed, behind middleware that takes the client's address from a header. Whoever reaches the
// server is the proxy, and any client, by saying so. For a server that sets ConnContext there is TrustPeers.
func ExampleDangerouslyTrustRemoteAddr_incorrect() {
	proxies := netip.MustParsePrefix("192.0.2.10/31")
	behindMiddleware := func(r *http.Request) {
		r.Header.Set("X-Forwarded-For", "192.0.2.11") // by the client
		if address := r.Header.Get("X-Forwarded-For"); address != "" {
			r.RemoteAddr = net.JoinHostPort(address, "0")
		}
	}
	ask("anybody, incorrect", behindMiddleware, forwarded.DangerouslyTrustRemoteAddr(proxies))
	ask("anybody", behindMiddleware, forwarded.TrustPeers(proxies))
	// Output:
	// anybody, incorrect: the client's certificate
	// anybody: forwarded_untrusted
}

// Behind Envoy's ext_authz, and API gateways that have a protocol of their own, the certificate comes in a message. A
// CertificateSource of your own finds it in the context, where your code puts it when it has the message.
func ExampleParseCertificate() {
	client := selfSigned("client-1")
	message := url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: client.Raw})))

	certificate, err := forwarded.ParseCertificate(forwarded.URLPEM, message)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(certificate.Thumbprint.Matches(binding.ThumbprintOf(client)))

	_, err = forwarded.ParseCertificate(forwarded.XFCC, message)
	fmt.Println(binding.AsError(err).Reason)
	// Output:
	// true
	// misconfigured
}

// Every mistake in a rule is found at once.
func ExampleNew_mistakes() {
	_, err := forwarded.New(forwarded.Config{
		Format: forwarded.RFC9440,
		Trust: []forwarded.Trust{
			forwarded.TrustPeers(netip.MustParsePrefix("0.0.0.0/0")),
			forwarded.TrustSharedSecret("X-Proxy-Secret", "short"),
		},
	})
	fmt.Println(err)
	// Output:
	// forwarded: the source's Config is wrong: Trust: TrustPeers: 0.0.0.0/0: wider than /8
	// Trust: TrustSharedSecret: value 1 is not a field value of 16 bytes or more
}
