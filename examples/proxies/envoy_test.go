package proxies_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

func envoyArgs(config, _ string) []string {
	return []string{"-c", config, "--concurrency", "1", "--disable-hot-restart", "-l", "warning"}
}

func envoy(t *testing.T) product {
	t.Helper()
	p := products[4]
	require.Equal(t, "envoy", p.name)
	return p
}

// changed changes a configuration in one place after the other.
func changed(t *testing.T, oldnew ...string) func(string) string {
	return func(config string) string {
		for i := 0; i < len(oldnew); i += 2 {
			require.Equal(t, 1, strings.Count(config, oldnew[i]), oldnew[i])
			config = strings.Replace(config, oldnew[i], oldnew[i+1], 1)
		}
		return config
	}
}

const (
	envoyMode  = "forward_client_cert_details: SANITIZE_SET"
	envoyCert  = "set_current_client_cert_details: { cert: true }"
	envoyTrust = "trust_chain_verification: ACCEPT_UNTRUSTED"
	envoyRoute = "              - match: { prefix: / }\n                route: { cluster: resource_server, timeout: 60s } # the default is 15 s\n"
)

// What each mode lets a client do, and what proxycheck says of it.
func TestEnvoyModes(t *testing.T) {
	t.Parallel()
	p, w := envoy(t), newWorld(t)
	api, _ := w.server(t, p, backend{trust: byAddress})
	victim, thief := newClient(t), newClient(t)
	cert, key := w.files(t, victim)
	token := w.token(t, victim)
	for mode, want := range map[string]struct {
		own             int // the client itself
		forged, without int // a thief, with a certificate of their own and without one
		status          int // of proxycheck
	}{
		"SANITIZE_SET":        {200, 401, 401, 0},
		"SANITIZE":            {401, 401, 401, 3},
		"APPEND_FORWARD":      {200, 401, 401, 1},
		"FORWARD_ONLY":        {401, 200, 401, 1},
		"ALWAYS_FORWARD_ONLY": {401, 200, 200, 1},
	} {
		t.Run(mode, func(t *testing.T) {
			f := w.front(t, p, api, changed(t, envoyMode, "forward_client_cert_details: "+mode))
			forge := func(h http.Header) { h.Set(p.header, p.encode(victim.leaf())) }
			for _, m := range manners {
				require.Equal(t, want.own, w.caller(t, f, m, victim).call(t, token, nil).status, m.name)
				require.Equal(t, want.forged, w.caller(t, f, m, thief).call(t, token, forge).status, m.name)
				require.Equal(t, want.without, w.caller(t, f, m, nil).call(t, token, forge).status, m.name)
			}
			status, output := w.proxycheck(t, f, p, token, "-token", "-", "-cert", cert, "-key", key)
			require.Equal(t, want.status, status, output)
		})
	}
}

// FORWARD_ONLY, where only clients with a certificate of the operator's own
// authority get in: each of them can pose as any other.
func TestEnvoyForwardsOnly(t *testing.T) {
	t.Parallel()
	p, w := envoy(t), newWorld(t)
	api, _ := w.server(t, p, backend{trust: byAddress})
	empty := backend{port: freePort(t), trust: byAddress} // proxycheck -listen will be there
	victim := newParty(t, "issued", p256, true, plainSubject)
	thief := newParty(t, "issued as well", p256, true, plainSubject)
	cert, key := w.files(t, victim)
	token := w.token(t, victim)
	const ask, demand = "require_client_certificate: false", "require_client_certificate: true"
	listen := []string{"-listen", "127.0.0.1:" + empty.port}
	asked := []string{"-token", "-"}
	for _, test := range []struct {
		name   string
		mode   string
		demand string
		api    backend
		flags  []string
		status int
	}{
		{"N/446 optional, token", "FORWARD_ONLY", ask, api, asked, 3},
		{"N/446 optional, certificate", "FORWARD_ONLY", ask, api, append(asked, "-cert", cert), 3},
		{"N/446 optional, key", "FORWARD_ONLY", ask, api, append(asked, "-cert", cert, "-key", key), 1},
		{"N/446 optional, listening", "FORWARD_ONLY", ask, empty, listen, 3},
		{"N/446 optional, listening, key", "FORWARD_ONLY", ask, empty, append(listen, "-cert", cert, "-key", key), 1},
		{"N/446 required, certificate", "FORWARD_ONLY", demand, api, append(asked, "-cert", cert), 3},
		{"N/446 required, key", "FORWARD_ONLY", demand, api, append(asked, "-cert", cert, "-key", key), 1},
		{"N/446 required, listening", "FORWARD_ONLY", demand, empty, listen, 3},
		{"N/446 required, listening, key", "FORWARD_ONLY", demand, empty, append(listen, "-cert", cert, "-key", key), 1},
		{"N/446 optional and right, key", "SANITIZE_SET", ask, api, append(asked, "-cert", cert, "-key", key), 0},
		{"N/446 required and right, key", "SANITIZE_SET", demand, api, append(asked, "-cert", cert, "-key", key), 0},
		{"N/446 required and right, certificate", "SANITIZE_SET", demand, api, append(asked, "-cert", cert), 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := w.front(t, p, test.api, changed(t, envoyMode, "forward_client_cert_details: "+test.mode,
				envoyTrust, "trusted_ca: { filename: {{.Dir}}/client-ca.pem }", ask, test.demand))
			status, output := w.proxycheck(t, f, p, token, test.flags...)
			require.Equal(t, test.status, status, output)
			if test.mode == "FORWARD_ONLY" && test.api.port == api.port {
				got := w.caller(t, f, manners[2], thief).call(t, token, func(h http.Header) { h.Set(p.header, p.encode(victim.leaf())) })
				require.Equal(t, answer{status: 200, thumbprint: bindingtest.Thumbprint(victim.leaf())}, got)
			}
		})
	}
}

// One connection to the API, for HTTP/1.1 and for HTTP/2, carries the requests
// of forty clients: each is itself.
func TestEnvoyPool(t *testing.T) {
	t.Parallel()
	const clients, calls = 40, 5
	p, w := envoy(t), newWorld(t)
	var parties []*party
	var tokens []string
	for range clients {
		c := newClient(t)
		parties, tokens = append(parties, c), append(tokens, w.token(t, c))
	}
	const one = "    circuit_breakers: { thresholds: [ { max_connections: 1, max_pending_requests: 1000, max_requests: 1000 } ] }\n"
	const inHTTP2 = one + "    typed_extension_protocol_options:\n      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n" +
		"        \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n" +
		"        explicit_http_config: { http2_protocol_options: {} }\n"
	for name, options := range map[string]string{"HTTP/1.1": one, "HTTP/2": inHTTP2} {
		t.Run(name, func(t *testing.T) {
			var connections atomic.Int32
			api := w.api(t, p, func(s *http.Server) {
				s.Protocols = new(http.Protocols)
				s.Protocols.SetHTTP1(true)
				s.Protocols.SetUnencryptedHTTP2(true)
				s.ConnState = func(_ net.Conn, state http.ConnState) {
					if state == http.StateNew {
						connections.Add(1)
					}
				}
			}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				token, _ := binding.TokenFromContext(r.Context())
				thumbprint, _ := token.Thumbprint()
				fmt.Fprintf(w, `{"x5t#S256":%q}`, thumbprint)
			}))
			f := w.front(t, p, api, changed(t, "    connect_timeout: 5s\n", "    connect_timeout: 5s\n"+options))
			errs := make(chan error)
			for i := range clients {
				c := w.caller(t, f, manners[2+i%2], parties[i])
				go func() {
					var all error
					for range calls {
						got, err := c.ask(t.Context(), tokens[i], nil)
						if err == nil && (got.status != 200 || got.thumbprint != bindingtest.Thumbprint(parties[i].leaf())) {
							err = fmt.Errorf("client %d: %+v", i, got)
						}
						stolen, err2 := c.ask(t.Context(), tokens[(i+1)%clients], nil)
						if err2 == nil && stolen.status != 401 {
							err2 = fmt.Errorf("client %d with its neighbour's token: %+v", i, stolen)
						}
						all = errors.Join(all, err, err2)
					}
					errs <- all
				}()
			}
			for range clients {
				require.NoError(t, <-errs)
			}
			require.EqualValues(t, 1, connections.Load(), "connections to the API")
		})
	}
}

// Recipes for other headers: those that are wrong let the client's own pass
// where it has no certificate, or beside the real one.
func TestEnvoyRecipes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client := newClient(t)
	cert, key := w.files(t, client)
	token := w.token(t, client)
	add := func(value, action string) string {
		return envoyRoute + "              request_headers_to_add:\n              - header: { key: X-Client-Cert, value: \"" + value + "\" }\n" +
			"                append_action: " + action + "\n"
	}
	const remove = "              request_headers_to_remove: [ X-Client-Cert ]\n"
	lua := func(forget string) string {
		return strings.Replace(`          http_filters:
          - name: envoy.filters.http.lua
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
              default_source_code:
                inline_string: |
                  function envoy_on_request(handle)
                    local headers = handle:headers()
                    headers:remove("client-cert")
                    headers:remove("client-cert-chain")
                    local tls = handle:streamInfo():downstreamSslConnection()
                    if tls == nil or not tls:peerCertificatePresented() then return end
                    local pem = tls:urlEncodedPemEncodedPeerCertificate()
                    local text = pem:gsub("%%(%x%x)", function(h) return string.char(tonumber(h, 16)) end)
                    local body = text:match("^%-%-%-%-%-BEGIN CERTIFICATE%-%-%-%-%-\n(.-)\n%-%-%-%-%-END CERTIFICATE%-%-%-%-%-")
                    if body == nil then return end
                    headers:add("client-cert", ":" .. body:gsub("\n", "") .. ":")
                  end
`, forget, "", 1)
	}
	for name, test := range map[string]struct {
		format, header string
		old, new       string
		status         int
	}{
		"add, and do not remove":          {"url-pem", "X-Client-Cert", envoyRoute, add("%DOWNSTREAM_PEER_CERT%", "OVERWRITE_IF_EXISTS_OR_ADD"), 1},
		"append, and do not remove":       {"url-pem", "X-Client-Cert", envoyRoute, add("%DOWNSTREAM_PEER_CERT%", "APPEND_IF_EXISTS_OR_ADD"), 1},
		"add if absent":                   {"url-pem", "X-Client-Cert", envoyRoute, add("%DOWNSTREAM_PEER_CERT%", "ADD_IF_ABSENT"), 1},
		"remove and add":                  {"url-pem", "X-Client-Cert", envoyRoute, add("%DOWNSTREAM_PEER_CERT%", "OVERWRITE_IF_EXISTS_OR_ADD") + remove, 0},
		"remove and add the digest":       {"sha256-hex", "X-Client-Cert", envoyRoute, add("%DOWNSTREAM_PEER_FINGERPRINT_256%", "OVERWRITE_IF_EXISTS_OR_ADD") + remove, 0},
		"RFC 9440 by Lua":                 {"rfc9440", "Client-Cert", "          http_filters:\n", lua("\x00"), 0},
		"RFC 9440 by Lua, and not remove": {"rfc9440", "Client-Cert", "          http_filters:\n", lua(`headers:remove("client-cert")`), 1},
		"N/445 JSON":                      {"xfcc-json", "X-Forwarded-Client-Cert", envoyCert, "set_current_client_cert_details: { cert: true, format: JSON }", 0},
		"N/445 JSON, the text is read":    {"envoy", "X-Forwarded-Client-Cert", envoyCert, "set_current_client_cert_details: { cert: true, format: JSON }", 3},
		"N/445 text, JSON is read":        {"xfcc-json", "X-Forwarded-Client-Cert", envoyCert, envoyCert, 3},
		"N/448 names with underscores refused": {"envoy", "X-Forwarded-Client-Cert",
			"headers_with_underscores_action: DROP_HEADER", "headers_with_underscores_action: REJECT_REQUEST", 0},
		"names with underscores pass": {"envoy", "X-Forwarded-Client-Cert",
			"headers_with_underscores_action: DROP_HEADER", "headers_with_underscores_action: ALLOW", 0},
		"no certificate is asked for": {"envoy", "X-Forwarded-Client-Cert", "            validation_context:\n              " + envoyTrust + "\n", "", 3},
	} {
		t.Run(name, func(t *testing.T) {
			p := envoy(t)
			p.format, p.header = test.format, test.header
			api, _ := w.server(t, p, backend{trust: byAddress})
			f := w.front(t, p, api, changed(t, test.old, test.new))
			status, output := w.proxycheck(t, f, p, token, "-token", "-", "-cert", cert, "-key", key)
			require.Equal(t, test.status, status, output)
			want := 200
			if test.status == 3 {
				want = 401
			}
			require.Equal(t, want, w.caller(t, f, manners[3], client).call(t, token, nil).status, "the client itself")
			require.Equal(t, 401, w.caller(t, f, manners[3], newClient(t)).call(t, token, nil).status, "a thief")
		})
	}
}

// A client whose certificate has commas, semicolons and quotes in its names: in
// what is forwarded as envoy.yaml has it, it says nothing.
func TestEnvoyForwardsNoNames(t *testing.T) {
	t.Parallel()
	p, w := envoy(t), newWorld(t)
	api, _ := w.server(t, p, backend{trust: byAddress})
	client := newParty(t, "odd", p256, false, oddSubject)
	token := w.token(t, client)
	for details, want := range map[string]int{
		"{ cert: true }": 200, "{}": 200, "{ cert: true, subject: true }": 200, "{ cert: true, chain: true }": 200,
		"{ cert: true, uri: true }": 401, // ;Hash=0,By=b
	} {
		f := w.front(t, p, api, changed(t, envoyCert, "set_current_client_cert_details: "+details))
		require.Equal(t, want, w.caller(t, f, manners[2], client).call(t, token, nil).status, details)
	}
}
