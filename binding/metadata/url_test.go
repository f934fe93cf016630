package metadata_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/metadata"
)

func TestCheckURL(t *testing.T) {
	t.Parallel()
	strict, lax := metadata.Client{}, metadata.Client{DangerouslyAllowHTTP: true}
	for _, address := range []string{
		"https://a.example", "https://a.example/", "https://a.example:8443/b?c=d&e", "https://127.0.0.1/", "https://[::1]:1/", "https://xn--nxasmq6b.example/",
		"HTTPS://a.example/", "https://a.example/%20", "https://a.example/~alice", "https://a.example/caf%C3%A9",
	} {
		require.NoError(t, strict.CheckURL(address), address)
		require.NoError(t, lax.CheckURL(address), address)
	}
	for _, address := range []string{"http://a.example", "http://127.0.0.1:8080/jwks", "HTTP://a.example"} {
		require.ErrorIs(t, strict.CheckURL(address), metadata.ErrURL, address)
		require.NoError(t, lax.CheckURL(address), address)
	}
	for name, address := range map[string]string{
		"empty":                    "",
		"relative":                 "/jwks",
		"without scheme":           "a.example/jwks",
		"by the scheme of another": "//a.example/jwks",
		"ftp":                      "ftp://a.example/jwks",
		"I/229 a file":             "file:///etc/passwd",
		"data":                     "data:application/json,{}",
		"opaque":                   "https:a.example/jwks",
		"without host":             "https:///jwks",
		"port alone":               "https://:443/jwks",
		"with a user":              "https://u@a.example/jwks",
		"with a password":          "https://u:p@a.example/jwks",
		"with an empty user":       "https://@a.example/jwks",
		"with a fragment":          "https://a.example/jwks#a",
		"with an empty fragment":   "https://a.example/jwks#",
		"with a space":             "https://a.example/a b",
		"with a space in front":    " https://a.example/",
		"with a space behind":      "https://a.example/ ",
		"with a line end":          "https://a.example/\r\nHost: x",
		"with a NUL":               "https://a.example/\x00",
		"with a space in the host": "https://a .example/",
		"with a backslash":         `https://a.example\@b.example/`,
		"a port that is none":      "https://a.example:x/",
		"an escape that is none":   "https://a.example/%zz",
		// net/http turns these into 127.0.0.1, localhost and 169.254.169.254 when it dials.
		"wide digits":            "https://１２７.０.０.１/",
		"wide digits, escaped":   "https://%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1/",
		"a name, escaped":        "https://caf%C3%A9.example/",
		"a soft hyphen":          "https://local\u00adhost/",
		"letters in circles":     "https://ⓛocalhost/",
		"ideographic full stops": "https://169。254。169。254/",
		"a percent sign":         "https://a%25b.example/",
		"IPv4 with a zone":       "https://127.0.0.1%25lo/",
		"a name in Unicode":      "https://caf\u00e9.example/",
		"a path in Unicode":      "https://a.example/caf\u00e9",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, client := range []*metadata.Client{&strict, &lax} {
				client = &metadata.Client{DangerouslyAllowHTTP: client.DangerouslyAllowHTTP, Transport: &fixture{}}
				require.ErrorIs(t, client.CheckURL(address), metadata.ErrURL)
				_, err := client.Get(t.Context(), address)
				require.ErrorIs(t, err, metadata.ErrURL)
				require.Empty(t, client.Transport.(*fixture).asked)
			}
		})
	}
}

// That a host is a local one can be hidden from a reader of names, but not from
// the dialer: the server here is reached by all the names that are not refused.
func TestWideDigitsReachNobody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(answer("{}"))
	t.Cleanup(server.Close)
	client := metadata.Client{DangerouslyAllowHTTP: true}
	wide := strings.Replace(server.URL, "127.0.0.1", "１２７.０.０.１", 1)
	_, err := client.Get(t.Context(), wide)
	require.ErrorIs(t, err, metadata.ErrURL)
	// The twin: net/http alone gets there.
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, wide, nil)
	require.NoError(t, err)
	transport := metadata.NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
}

var localHosts = map[string]string{
	"loopback":                 "127.0.0.1",
	"loopback, another":        "127.255.255.254",
	"loopback in IPv6":         "[::1]",
	"mapped into IPv6":         "[::ffff:127.0.0.1]",
	"mapped, in hexadecimal":   "[::ffff:7f00:1]",
	"private 10":               "10.1.2.3",
	"private 172.16":           "172.31.255.255",
	"private 192.168":          "192.168.0.1",
	"J/261 the cloud":          "169.254.169.254",
	"J/261 the cloud in IPv6":  "[fd00:ec2::254]",
	"J/261 the cloud, Alibaba": "100.100.100.200",
	"J/261 the cloud by NAT64": "[64:ff9b::a9fe:a9fe]",
	"shared address space":     "100.64.0.1",
	"shared, mapped into IPv6": "[::ffff:100.64.0.1]",
	"its last address":         "100.127.255.255",
	"link-local in IPv6":       "[fe80::1]",
	"link-local with a zone":   "[fe80::1%25eth0]",
	"unique local":             "[fc00::1]",
	"unspecified":              "0.0.0.0",
	"this network":             "0.0.0.1",
	"unspecified in IPv6":      "[::]",
	"compatible, in IPv6":      "[::127.0.0.1]",
	"by a NAT64 of one's own":  "[64:ff9b:1::a9fe:a9fe]",
	"broadcast":                "255.255.255.255",
	"M/414 loopback, a zone":   "[::1%25lo]",
	"M/414 nothing, a zone":    "[::%25lo]",
	"M/414 mapped, a zone":     "[::ffff:127.0.0.1%25lo]",
	"M/414 compatible, zone":   "[::127.0.0.1%25lo]",
	"M/414 NAT64, a zone":      "[64:ff9b::7f00:1%25lo]",
	"M/414 public, a zone":     "[2606:2800:220:1::1%25lo]",
	"M/414 protocols":          "192.0.0.170",
	"M/414 relays of 6to4":     "192.88.99.1",
	"M/414 benchmarks":         "198.18.0.1",
	"M/414 its last address":   "198.19.255.255",
	"M/414 reserved":           "240.0.0.1",
	"M/414 6to4":               "[2002:7f00:1::1]",
	"M/414 Teredo":             "[2001:0:7f00:1::1]",
	"M/414 translated":         "[::ffff:0:127.0.0.1]",
	"M/414 discarded":          "[100::1]",
	"M/414 site-local":         "[fec0::1]",
	"M/414 its last ":          "[feff::1]",
	"multicast":                "224.0.0.1",
	"multicast in IPv6":        "[ff02::1]",
	"localhost":                "localhost",
	"LOCALHOST":                "LocalHost",
	"below localhost":          "a.localhost",
	"localhost with a dot":     "localhost.",
	"address with a dot":       "127.0.0.1.",
	"address with two dots":    "127.0.0.1..",
	"address of one number":    "2130706433",
	"address in hexadecimal":   "0x7f000001",
	"address in octal":         "0177.0.0.1",
	"address of two parts":     "127.1",
	"last part hexadecimal":    "127.0.0.0x1",
	"last part begins with 9":  "127.0.0.9x",
}

// J/261: what a document may name, by where it came from.
func TestLocalAddresses(t *testing.T) {
	t.Parallel()
	for name, host := range localHosts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endpoint := "https://" + host + "/token"
			text := document(map[string]any{
				"token_endpoint":        endpoint,
				"mtls_endpoint_aliases": map[string]string{"token_endpoint": endpoint},
			})
			server := requireRead(t, text)
			require.Empty(t, server.TokenEndpoint)
			require.Equal(t, map[string]string{"token_endpoint": ""}, server.MTLSEndpointAliases)
			require.Empty(t, server.MTLSEndpoint("token_endpoint"))
			keys := requireRead(t, document(map[string]any{"jwks_uri": endpoint}))
			require.Empty(t, keys.JWKSURI)
			for _, need := range []struct {
				server      *metadata.AuthorizationServer
				member      string
				certificate bool
			}{{keys, "jwks_uri", false}, {server, "token_endpoint", false}, {server, "token_endpoint", true}} {
				_, err := need.server.NeedURL(need.member, need.certificate) // M/401, N/435
				require.ErrorIs(t, err, metadata.ErrLocal)
				require.ErrorContains(t, err, endpoint)
				require.ErrorContains(t, err, need.member)
			}

			// The twin: the document came from that very host, on whichever port.
			base := "https://" + host + ":8443/m"
			client := metadata.Client{Transport: &fixture{documents: map[string]string{base: text}}}
			server, err := client.AuthorizationServerAt(t.Context(), issuer, base)
			require.NoError(t, err)
			require.Equal(t, endpoint, server.TokenEndpoint)

			// From another local host it is refused all the same.
			const other = "https://10.255.255.1/m"
			client = metadata.Client{Transport: &fixture{documents: map[string]string{other: text}}}
			server, err = client.AuthorizationServerAt(t.Context(), issuer, other)
			require.NoError(t, err)
			require.Empty(t, server.TokenEndpoint)
		})
	}
	for name, host := range map[string]string{
		"with a dot at its end":   "keys.example.",
		"the same host":           "auth.example",
		"another port":            "auth.example:8443",
		"another host":            "keys.example",
		"a public address":        "93.184.216.34",
		"beside the private ones": "172.32.0.1",
		"beside the shared ones":  "100.128.0.1",
		"below the shared ones":   "100.63.255.255",
		"a public IPv6 address":   "[2606:2800:220:1::1]",
		"beside NAT64":            "[64:ff9c::1]",
		"above this network":      "1.0.0.1",
		"beside the protocols":    "192.0.1.1",
		"beside benchmarks":       "198.20.0.1",
		"below what is reserved":  "223.255.255.255",
		"beside 6to4":             "[2003::1]",
		"beside the protocols 6":  "[2001:200::1]",
		"a name that ends so":     "notlocalhost",
		"a label with a digit":    "1.example",
		"a name of digits inside": "a1.b2.example",
		"a label with a hyphen":   "a.-example",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endpoint := "https://" + host + "/token"
			require.Equal(t, endpoint, requireRead(t, document(map[string]any{"token_endpoint": endpoint})).TokenEndpoint)
			require.Equal(t, endpoint, requireRead(t, document(map[string]any{"jwks_uri": endpoint})).JWKSURI)
		})
	}
}

func TestWellKnown(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string][2]string{
		"https://a.example":           {"https://a.example/.well-known/oauth-authorization-server", "https://a.example/.well-known/openid-configuration"},
		"https://a.example/":          {"https://a.example/.well-known/oauth-authorization-server", "https://a.example/.well-known/openid-configuration"},
		"https://a.example:8443":      {"https://a.example:8443/.well-known/oauth-authorization-server", "https://a.example:8443/.well-known/openid-configuration"},
		"https://a.example/t1":        {"https://a.example/.well-known/oauth-authorization-server/t1", "https://a.example/t1/.well-known/openid-configuration"},
		"https://a.example/t1/":       {"https://a.example/.well-known/oauth-authorization-server/t1", "https://a.example/t1/.well-known/openid-configuration"},
		"https://a.example/t1/v2.0":   {"https://a.example/.well-known/oauth-authorization-server/t1/v2.0", "https://a.example/t1/v2.0/.well-known/openid-configuration"},
		"https://a.example/a%2Fb/%20": {"https://a.example/.well-known/oauth-authorization-server/a%2Fb/%20", "https://a.example/a%2Fb/%20/.well-known/openid-configuration"},
		"https://[fe80::1%25e]/t":     {"https://[fe80::1%25e]/.well-known/oauth-authorization-server/t", "https://[fe80::1%25e]/t/.well-known/openid-configuration"},
		"http://127.0.0.1:1/t":        {"http://127.0.0.1:1/.well-known/oauth-authorization-server/t", "http://127.0.0.1:1/t/.well-known/openid-configuration"},
	} {
		addresses, err := metadata.WellKnown(issuer)
		require.NoError(t, err)
		require.Equal(t, want[:], addresses)
	}
	for _, issuer := range []string{
		"", "joe", "/a", "https:///a", "https://u@a.example", "https://a.example?b", "https://a.example/?", "https://a.example#", "https://a.example/#b",
		"https://a.example/%zz", "mailto:a@a.example",
	} {
		_, err := metadata.WellKnown(issuer)
		require.Error(t, err, issuer)
		client := metadata.Client{Transport: &fixture{}}
		_, err = client.AuthorizationServer(t.Context(), issuer)
		require.Error(t, err, issuer)
		require.Empty(t, client.Transport.(*fixture).asked)
	}
}
