package proxies_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
	"github.com/certbound/certbound/jwks"
)

// The resource server refuses a request before it has read the body, and a
// proxy that is still sending it must pass the answer on all the same. Whether
// it does is a race: one refusal proves nothing.
func TestUploads(t *testing.T) {
	t.Parallel()
	const times = 20
	each(t, func(t *testing.T, p product) {
		w := newWorld(t)
		api := w.api(t, p, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				w.WriteHeader(http.StatusBadRequest)
			}
		}))
		f := w.front(t, p, api, func(config string) string {
			// nginx itself refuses more than a megabyte unless told so.
			return strings.Replace(config, "access_log off;", "access_log off; client_max_body_size 0;", 1)
		})
		client := newClient(t)
		token := w.token(t, newClient(t)) // of another
		for name, size := range map[string]int{"200 kB": 200e3, "900 kB": 900e3, "20 MB": 20e6} {
			t.Run("N/439 "+name, func(t *testing.T) {
				answers := map[string]int{}
				for range times {
					c := w.caller(t, f, manners[2], client)
					answers[c.upload(t, token, size)]++
					c.transport.CloseIdleConnections()
				}
				require.Equal(t, map[string]int{"401": times}, answers)
				require.Equal(t, "200", w.caller(t, f, manners[2], client).upload(t, w.token(t, client), size), "an upload that is accepted")
			})
		}
	})
}

// api starts an API in the test's own process, with a server that is changed.
func (w *world) api(t *testing.T, p product, change func(*http.Server), handler http.Handler) backend {
	t.Helper()
	tokens, err := jwks.New(jwks.Config{Issuer: w.as.Issuer(), Audiences: []string{w.as.Audience()}, Transport: w.as.Transport()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = tokens.Close() })
	source, err := forwarded.New(forwarded.Config{
		Format: forwarded.Format(p.format), Trust: []forwarded.Trust{forwarded.TrustPeers(netip.MustParsePrefix("127.0.0.1/32"))},
	})
	require.NoError(t, err)
	guard, err := binding.New(binding.Config{Tokens: tokens, Certificates: source})
	require.NoError(t, err)
	api := httptest.NewUnstartedServer(bindhttp.Protect(guard)(handler))
	api.Config.ConnContext = forwarded.ConnContext
	if change != nil {
		change(api.Config)
	}
	api.Start()
	t.Cleanup(api.Close)
	_, port, err := net.SplitHostPort(api.Listener.Addr().String())
	require.NoError(t, err)
	return backend{port: port, trust: byAddress}
}

// upload sends a body of zeros, without asking first (Expect), and returns the
// status of the answer, or what went wrong.
func (c *caller) upload(t *testing.T, token string, size int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(make([]byte, size)))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return strconv.Itoa(response.StatusCode)
}
