package main_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/forwarded"
	"github.com/certbound/certbound/jwks"
)

// What a proxy does with Client-Cert.
type handling func(header http.Header, real string) // real: of the handshake; "" without

var handlings = map[string]handling{
	"right": func(h http.Header, real string) {
		h.Del("Client-Cert")
		if real != "" {
			h.Set("Client-Cert", real)
		}
	},
	"sends a placeholder": func(h http.Header, real string) {
		if real == "" {
			real = "::"
		}
		h.Set("Client-Cert", real)
	},
	"does not strip": func(h http.Header, real string) {
		if real != "" {
			h.Set("Client-Cert", real)
		}
	},
	"adds": func(h http.Header, real string) {
		if real != "" {
			h.Add("Client-Cert", real)
		}
	},
	"adds, and strips without a certificate": func(h http.Header, real string) {
		if real == "" {
			h.Del("Client-Cert")
			return
		}
		h.Add("Client-Cert", real)
	},
	"strips the first alone": func(h http.Header, real string) {
		if values := h.Values("Client-Cert"); len(values) > 0 {
			h["Client-Cert"] = values[1:]
		}
		if real != "" {
			h.Set("Client-Cert", real)
		}
	},
	"takes underscores for dashes": func(h http.Header, real string) {
		h.Del("Client-Cert")
		if value := h.Get("Client_cert"); value != "" {
			h.Set("Client-Cert", value)
			h.Del("Client_cert")
		}
		if real != "" {
			h.Set("Client-Cert", real)
		}
	},
	// Envoy's FORWARD_ONLY: with a certificate the client's header is forwarded as
	// it is, without one it is removed.
	"forwards what a client with a certificate sends": func(h http.Header, real string) {
		if real == "" {
			h.Del("Client-Cert")
		}
	},
	"ends the stream at an underscore": func(h http.Header, real string) {
		for name := range h {
			if strings.Contains(name, "_") {
				panic(http.ErrAbortHandler)
			}
		}
		h.Del("Client-Cert")
		if real != "" {
			h.Set("Client-Cert", real)
		}
	},
	"ends every stream": func(http.Header, string) { panic(http.ErrAbortHandler) },
	// Istio: the gateway writes an element about the client, or, badly, appends it;
	// the sidecar appends one about the gateway.
	"gateway and sidecar": func(h http.Header, real string) {
		h.Del("X-Forwarded-Client-Cert")
		appendElement(h, real)
		appendElement(h, gateway)
	},
	"a gateway that appends": func(h http.Header, real string) {
		appendElement(h, real)
		appendElement(h, gateway)
	},
	"forwards nothing": func(h http.Header, _ string) { h.Del("Client-Cert") },
}

var gateway = ":" + base64.StdEncoding.EncodeToString([]byte("gateway")) + ":"

func appendElement(h http.Header, real string) {
	if real == "" {
		return
	}
	der, _ := base64.StdEncoding.DecodeString(strings.Trim(real, ":"))
	const name = "X-Forwarded-Client-Cert"
	element := fmt.Sprintf("By=spiffe://mesh/x;Hash=%x", sha256.Sum256(der))
	if before := strings.Join(h.Values(name), ","); before != "" {
		element = before + "," + element
	}
	h.Set(name, element)
}

// proxy is a proxy that ends TLS, in front of a backend ("host:port"). It
// returns its URL and the file with its root.
func proxy(t *testing.T, backend string, handle handling, auth tls.ClientAuthType, clientCAs *x509.CertPool) []string {
	t.Helper()
	reverse := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: backend})
			var real string
			if certificates := r.In.TLS.PeerCertificates; len(certificates) > 0 {
				real = ":" + base64.StdEncoding.EncodeToString(certificates[0].Raw) + ":"
			}
			handle(r.Out.Header, real)
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	server := httptest.NewUnstartedServer(reverse)
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{ClientAuth: auth, ClientCAs: clientCAs}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	root := writeFile(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	return []string{"-url", server.URL, "-ca", root, "-format", string(forwarded.RFC9440)} // a test may add another
}

func newAuthorizationServer(t *testing.T) *bindingtest.AuthorizationServer {
	t.Helper()
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	require.NoError(t, err)
	t.Cleanup(as.Close)
	return as
}

// api is a resource server behind a proxy. It returns its "host:port".
func api(t *testing.T, as *bindingtest.AuthorizationServer) string {
	t.Helper()
	return apiReading(t, as, forwarded.Config{Format: forwarded.RFC9440})
}

func apiReading(t *testing.T, as *bindingtest.AuthorizationServer, config forwarded.Config) string {
	t.Helper()
	tokens, err := jwks.New(jwks.Config{
		Issuer: as.Issuer(), Audiences: []string{"https://api.example"}, Transport: as.Transport(),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = tokens.Close() })
	config.Trust = []forwarded.Trust{forwarded.TrustPeers(netip.MustParsePrefix("127.0.0.1/32"))}
	source, err := forwarded.New(config)
	require.NoError(t, err)
	guard, err := binding.New(binding.Config{Tokens: tokens, Certificates: source})
	require.NoError(t, err)
	return serve(t, bindhttp.Protect(guard)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
}

func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return forwarded.ConnContext(ctx, c) }
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}
