package forwarded_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"

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

// By the address of the other end of the connection; X-Forwarded-For is never read. The server sets ConnContext.
func ExampleTrustPeers() {
	rule := forwarded.TrustPeers(netip.MustParsePrefix("192.0.2.10/31"), netip.MustParsePrefix("2001:db8::/64"))
	ask("the proxy", func(r *http.Request) { r.RemoteAddr = "192.0.2.11:40000" }, rule)
	ask("anybody", func(r *http.Request) {
		r.RemoteAddr = "198.51.100.7:40000"
		r.Header.Set("X-Forwarded-For", "192.0.2.11")
	}, rule)
	// Output:
	// the proxy: the client's certificate
	// anybody: forwarded_untrusted
}

// By the certificate that the proxy shows this server. The next one stands beside it before the proxy changes to it.
func ExampleTrustProxyCertificate() {
	present, next := selfSigned("proxy"), selfSigned("proxy")
	rule := forwarded.TrustProxyCertificate(binding.ThumbprintOf(present), binding.ThumbprintOf(next))
	over := func(peer *x509.Certificate) func(*http.Request) {
		return func(r *http.Request) {
			r.TLS = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{peer}}
		}
	}
	ask("the proxy", over(present), rule)
	ask("anybody", over(selfSigned("proxy")), rule)
	// Output:
	// the proxy: the client's certificate
	// anybody: forwarded_untrusted
}

// By a name in the certificate that the proxy shows this server, which has verified it: tls.Config.ClientCAs.
func ExampleTrustProxyName() {
	rule := forwarded.TrustProxyName("proxy.internal.example", "spiffe://internal.example/proxy")
	over := func(verified bool) func(*http.Request) {
		return func(r *http.Request) {
			proxy := &x509.Certificate{DNSNames: []string{"proxy.internal.example"}} // of a handshake
			r.TLS = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{proxy}}
			if verified {
				r.TLS.VerifiedChains = [][]*x509.Certificate{{proxy}}
			}
		}
	}
	ask("the proxy", over(true), rule)
	ask("anybody who made such a certificate", over(false), rule)
	// Output:
	// the proxy: the client's certificate
	// anybody who made such a certificate: forwarded_untrusted
}

// By the socket: the permissions of its file say who may.
func ExampleTrustUnixSocket() {
	rule := forwarded.TrustUnixSocket()
	on := func(address net.Addr) func(*http.Request) {
		return func(r *http.Request) { // net/http does this
			*r = *r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, address))
		}
	}
	ask("over the socket", on(&net.UnixAddr{Net: "unix", Name: "/run/api/socket"}), rule)
	ask("over TCP", on(&net.TCPAddr{Port: 8080}), rule)
	// Output:
	// over the socket: the client's certificate
	// over TCP: forwarded_untrusted
}

// By a secret, and an address besides: all the rules must hold. Two values are for the time in which it is being changed.
func ExampleTrustSharedSecret() {
	rules := []forwarded.Trust{
		forwarded.TrustPeers(netip.MustParsePrefix("192.0.2.0/24")),
		forwarded.TrustSharedSecret("X-Proxy-Secret", "of 16 bytes or more, the new one", "of 16 bytes or more, the old one"),
	}
	with := func(secret string) func(*http.Request) {
		return func(r *http.Request) {
			r.RemoteAddr = "192.0.2.10:40000"
			r.Header.Set("X-Proxy-Secret", secret)
		}
	}
	ask("the proxy", with("of 16 bytes or more, the old one"), rules...)
	ask("its neighbour", with("a guess of more than 16 bytes"), rules...)
	// Output:
	// the proxy: the client's certificate
	// its neighbour: forwarded_untrusted
}

// Incorrect: a server without ConnContext, behind middleware that takes the client's address from a header. That is all that
// TrustPeers then has to go by, and whoever reaches the server is the proxy, and any client, by saying so.
func ExampleConnContext_incorrect() {
	source, err := forwarded.New(forwarded.Config{
		Format: forwarded.RFC9440,
		Trust:  []forwarded.Trust{forwarded.TrustPeers(netip.MustParsePrefix("192.0.2.10/31"))},
	})
	if err != nil {
		log.Fatal(err)
	}
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if address := r.Header.Get("X-Forwarded-For"); address != "" { // the middleware
			r.RemoteAddr = net.JoinHostPort(address, "0")
		}
		if _, err := source.ClientCertificate(r); err != nil {
			fmt.Println(binding.AsError(err).Reason)
			return
		}
		fmt.Println("takes anybody for the victim")
	})
	victim := selfSigned("victim") // the certificate is no secret
	for _, connContext := range []func(context.Context, net.Conn) context.Context{
		nil, // incorrect
		forwarded.ConnContext,
	} {
		server := httptest.NewUnstartedServer(handler)
		server.Config.ConnContext = connContext
		server.Start()
		request, err := http.NewRequest(http.MethodGet, server.URL, nil)
		if err != nil {
			log.Fatal(err)
		}
		request.Header.Set("Client-Cert", ":"+base64.StdEncoding.EncodeToString(victim.Raw)+":")
		request.Header.Set("X-Forwarded-For", "192.0.2.11")
		response, err := server.Client().Do(request)
		if err != nil {
			log.Fatal(err)
		}
		_ = response.Body.Close()
		server.Close()
	}
	// Output:
	// takes anybody for the victim
	// forwarded_untrusted
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
	// Trust: TrustSharedSecret: value 1 is no field value of 16 bytes or more
}
