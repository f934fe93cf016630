package proxies_test

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// workload makes a party that the mesh's authority knows by a name.
func (w *world) workload(t *testing.T, namespace, account string) *party {
	t.Helper()
	key, err := p256()
	require.NoError(t, err)
	ca, err := authority()
	require.NoError(t, err)
	certificate, err := certify(&x509.Certificate{
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		URIs: []*url.URL{{Scheme: "spiffe", Host: "cluster.local", Path: "/ns/" + namespace + "/sa/" + account}},
	}, key, &ca)
	require.NoError(t, err)
	w.writePair(t, account, certificate)
	return &party{name: account, certificate: certificate}
}

func mesh(t *testing.T) (*world, product) {
	t.Helper()
	p, w := envoy(t), newWorld(t)
	p.name, p.config, p.format = "istio", "envoy/istio.yaml", "istio"
	w.workload(t, "istio-ingress", "gateway")
	w.workload(t, "accounts", "accounts")
	return w, p
}

func TestIstio(t *testing.T) {
	t.Parallel()
	w, p := mesh(t)
	api, server := w.server(t, p, backend{trust: byAddress})
	f := w.front(t, p, api, nil)
	victim, thief := w.workload(t, "outside", "victim"), w.workload(t, "outside", "thief") // whose names Envoy need not quote
	cert, key := w.files(t, victim)
	token, want := w.token(t, victim), bindingtest.Thumbprint(victim.leaf())
	forge := func(h http.Header) { h.Set(p.header, p.encode(victim.leaf())) }
	for _, m := range manners {
		t.Run(m.name, func(t *testing.T) {
			c := w.caller(t, f, m, victim)
			require.Equal(t, answer{status: 200, thumbprint: want}, c.call(t, token, nil))
			c.reconnect()
			require.Equal(t, answer{status: 200, thumbprint: want, resumed: true}, c.call(t, token, forge))
			for _, forge := range []func(http.Header){nil, forge} {
				require.Equal(t, 401, w.caller(t, f, m, thief).call(t, token, forge).status)
				require.Equal(t, 401, w.caller(t, f, m, nil).call(t, token, forge).status)
			}
		})
	}
	// The gateway forwards names, which Envoy does not quote.
	odd := newParty(t, "odd", p256, true, plainSubject)
	require.Equal(t, 401, w.caller(t, f, manners[2], odd).call(t, w.token(t, odd), nil).status)
	// And it names the CAs that it trusts: plain clients present no certificate of others.
	for _, other := range []*party{newClient(t), newStranger(t)} {
		require.Equal(t, 401, w.caller(t, f, manners[2], other).call(t, w.token(t, other), nil).status, other.name)
	}

	status, output := w.proxycheck(t, f, p, token, "-token", "-", "-cert", cert, "-key", key)
	require.Zero(t, status, "N/447 good: %s", output)
	server.stop(t) // and its log is complete
	require.Contains(t, server.log.String(), "reason=certificate_missing")
	require.NotContains(t, server.log.String(), "reason=forwarded_untrusted")
}

// A gateway in another mode, as proxycheck sees it.
func TestIstioGatewayModes(t *testing.T) {
	t.Parallel()
	w, p := mesh(t)
	api, _ := w.server(t, p, backend{trust: byAddress})
	client := w.workload(t, "outside", "client")
	cert, key := w.files(t, client)
	token := w.token(t, client)
	for mode, want := range map[string]int{"APPEND_FORWARD": 1, "FORWARD_ONLY": 1, "ALWAYS_FORWARD_ONLY": 1, "SANITIZE": 3} {
		t.Run("N/447 "+mode, func(t *testing.T) {
			f := w.front(t, p, api, changed(t, envoyMode, "forward_client_cert_details: "+mode))
			status, output := w.proxycheck(t, f, p, token, "-token", "-", "-cert", cert, "-key", key)
			require.Equal(t, want, status, output)
		})
	}
}

// The sidecar appends and drops nothing. Any workload of the mesh is any client
// unless a policy lets the gateway alone call this one.
func TestIstioPolicy(t *testing.T) {
	t.Parallel()
	w, p := mesh(t)
	api, _ := w.server(t, p, backend{trust: byAddress})
	victim, workload := w.workload(t, "outside", "victim"), w.workload(t, "reports", "reports")
	token := w.token(t, victim)
	for name, test := range map[string]struct {
		change func(string) string
		want   int
	}{
		"the gateway alone": {nil, 403},
		"no policy":         {changed(t, `{ exact: "spiffe://cluster.local/ns/istio-ingress/sa/gateway" }`, `{ prefix: "spiffe://" }`), 200},
	} {
		t.Run(name, func(t *testing.T) {
			f := w.front(t, p, api, test.change)
			c := w.caller(t, f, manners[2], workload)
			c.transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(f.run, "sidecar"))
			}
			ca, err := authority()
			require.NoError(t, err)
			roots := x509.NewCertPool()
			roots.AddCert(ca.Leaf)
			c.transport.TLSClientConfig.InsecureSkipVerify = true // its name is a URI; the chain is verified
			c.transport.TLSClientConfig.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
				leaf, err := x509.ParseCertificate(raw[0])
				if err == nil {
					_, err = leaf.Verify(x509.VerifyOptions{Roots: roots})
				}
				return err
			}
			got := c.call(t, token, func(h http.Header) { h.Set(p.header, p.encode(victim.leaf())) })
			require.Equal(t, test.want, got.status)
			require.Equal(t, 200, w.caller(t, f, manners[2], victim).call(t, token, nil).status, "by the gateway")
		})
	}
}
