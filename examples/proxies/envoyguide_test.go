package proxies_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const envoyGuide = "../../binding/forwarded/envoy.md"

// The guide's own lines are run: in a configuration that has only what they
// leave out.
func TestEnvoyGuide(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(envoyGuide)
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	require.GreaterOrEqual(t, len(blocks), 2)
	chains, headers := blocks[0][1], blocks[1][1]
	require.True(t, strings.HasPrefix(chains, "filter_chains:\n"), chains)
	require.True(t, strings.HasPrefix(headers, "request_headers_to_remove:"), headers)

	indent := func(by, text string) string {
		return by + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+by) + "\n"
	}
	configuration := func(headers string) func(string) string {
		return func(config string) string {
			_, cluster, found := strings.Cut(config, "  clusters:\n")
			require.True(t, found)
			chains := strings.NewReplacer("/etc/envoy/server.pem", "{{.Dir}}/server.pem", "/etc/envoy/server-key.pem", "{{.Dir}}/server-key.pem").Replace(chains)
			return `static_resources:
  listeners:
  - name: api
    address: { socket_address: { address: 127.0.0.1, port_value: {{.Port}} } }
` + indent("    ", chains) + `          stat_prefix: api
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
          route_config:
            virtual_hosts:
            - name: api
              domains: [ "*" ]
              routes: [ { match: { prefix: / }, route: { cluster: resource_server, timeout: 60s } } ]
` + headers + "  clusters:\n" + cluster
		}
	}
	w := newWorld(t)
	client := newClient(t)
	cert, key := w.files(t, client)
	token := w.token(t, client)
	for name, test := range map[string]struct{ format, header, headers string }{
		"x-forwarded-client-cert": {"envoy", "X-Forwarded-Client-Cert", ""},
		"another header":          {"url-pem", "X-Client-Cert", indent("              ", headers)},
	} {
		t.Run(name, func(t *testing.T) {
			p := envoy(t)
			p.format, p.header = test.format, test.header
			api, _ := w.server(t, p, backend{trust: byAddress})
			f := w.front(t, p, api, configuration(test.headers))
			for _, m := range []manner{manners[0], manners[2]} { // the guide says nothing of ALPN
				require.Equal(t, 200, w.caller(t, f, m, client).call(t, token, nil).status)
				require.Equal(t, 401, w.caller(t, f, m, newClient(t)).call(t, token, nil).status)
				require.Equal(t, 401, w.caller(t, f, m, nil).call(t, token, nil).status)
			}
			status, output := w.proxycheck(t, f, p, token, "-token", "-", "-cert", cert, "-key", key)
			require.Zero(t, status, output)
		})
	}

	// What it says of each mode is what TestEnvoyModes sees.
	for _, mode := range []string{"SANITIZE_SET", "SANITIZE", "APPEND_FORWARD", "FORWARD_ONLY", "ALWAYS_FORWARD_ONLY"} {
		require.Contains(t, string(text), "| `"+mode+"`")
	}
}
