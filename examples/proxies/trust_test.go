package proxies_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

const secret = "0123456789abcdef0123456789abcdef"

// Each way for the server to know the proxy, with the same configuration files.
func TestTrust(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p product) {
		w := newWorld(t)
		certificate := "cert:" + binding.ThumbprintOf(w.proxy.Leaf).String()
		for name, b := range map[string]backend{
			"a secret":                  {trust: []string{"secret:X-Proxy-Secret=" + secret}, secret: secret},
			"a secret, and the address": {trust: append([]string{"secret:X-Proxy-Secret=" + secret}, byAddress...), secret: secret},
			"a unix socket":             {trust: []string{"unix"}, socket: filepath.Join(openFolder(t), "api")},
			"the proxy's certificate":   {trust: []string{certificate}, tls: true},
		} {
			t.Run(name, func(t *testing.T) {
				b, server := w.server(t, p, b)
				f := w.front(t, p, b, nil)
				client, other := newClient(t), newClient(t)
				token := w.token(t, client)
				for _, m := range manners[2:] {
					require.Equal(t, 200, w.caller(t, f, m, client).call(t, token, nil).status)
					require.Equal(t, 401, w.caller(t, f, m, other).call(t, token, nil).status)
					require.Equal(t, 401, w.caller(t, f, m, nil).call(t, token, nil).status)
					forged := func(h http.Header) {
						h.Set(p.header, p.encode(client.leaf()))
						h.Set("X-Proxy-Secret", "anything")
					}
					require.Equal(t, 401, w.caller(t, f, m, nil).call(t, token, forged).status)
				}
				// Past the proxy, whoever reaches the server is not it.
				if b.socket == "" {
					past := w.past(t, b)
					require.Equal(t, 401, past.call(t, token, func(h http.Header) { h.Set(p.header, p.encode(client.leaf())) }))
				}
				server.stop(t) // and its log is complete
				if b.socket == "" {
					require.Contains(t, server.log.String(), "reason=forwarded_untrusted")
				}
				require.NotContains(t, server.log.String(), secret)
			})
		}
	})
}

// A proxy that the server does not know.
func TestAnotherProxy(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p product) {
		w := newWorld(t)
		for name, b := range map[string]backend{
			"another address":     {trust: []string{"cidr:192.0.2.0/24"}},
			"no secret":           {trust: []string{"secret:X-Proxy-Secret=" + secret}},
			"another secret":      {trust: []string{"secret:X-Proxy-Secret=" + secret}, secret: "fedcba9876543210"},
			"another certificate": {trust: []string{"cert:" + binding.ThumbprintOf(newClient(t).leaf()).String()}, tls: true},
		} {
			t.Run(name, func(t *testing.T) {
				b, server := w.server(t, p, b)
				f := w.front(t, p, b, nil)
				client := newClient(t)
				require.Equal(t, 401, w.caller(t, f, manners[2], client).call(t, w.token(t, client), nil).status)
				server.stop(t)
				require.Contains(t, server.log.String(), "reason=forwarded_untrusted")
			})
		}
	})
}

// openFolder is a folder that everybody may look into, as t.TempDir's is not.
func openFolder(t *testing.T) string {
	t.Helper()
	name, err := os.MkdirTemp("", "proxies-socket-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(name) })
	require.NoError(t, os.Chmod(name, 0o755))
	return name
}

// A direct caller reaches the server past the proxy.
type direct struct {
	client *http.Client
	url    string
}

func (w *world) past(t *testing.T, b backend) direct {
	t.Helper()
	transport := w.as.Transport()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+b.port)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return direct{&http.Client{Transport: transport}, b.scheme() + "://localhost:" + b.port + "/whoami"}
}

func (d direct) call(t *testing.T, token string, change func(http.Header)) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url, nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	change(request.Header)
	response, err := d.client.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}
