package main_test

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// The certificate in the formats of the tests below.
func escapedPEM(p party) string {
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.certificate.Certificate[0]})
	return url.PathEscape(string(block))
}

func byteSequence(p party) string {
	return ":" + base64.StdEncoding.EncodeToString(p.certificate.Certificate[0]) + ":"
}

// through calls the server as a proxy does: with header fields of its own.
func through(t *testing.T, client *http.Client, address, authorization string, fields map[string]string) answer {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, address, nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", authorization)
	for name, value := range fields {
		request.Header.Set(name, value)
	}
	return do(t, client, request)
}

func TestForwardedCertificateInEveryFramework(t *testing.T) {
	t.Parallel()
	for _, framework := range []string{"nethttp", "echo", "gin"} {
		t.Run(framework, func(t *testing.T) {
			t.Parallel()
			as := newAuthorizationServer(t, bindingtest.Config{})
			server := start(t, as, "-framework", framework,
				"-forwarded-format", "url-pem", "-forwarded-header", "X-SSL-Client-Cert", "-trust", "cidr:127.0.0.0/8")
			client, thief := newParty(t, as, "client"), newParty(t, as, "thief")
			authorization := boundTo(t, as, client)
			plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			call := func(fields map[string]string) int {
				return through(t, plain, server.url+"/whoami", authorization, fields).status
			}
			require.Equal(t, 200, call(map[string]string{"X-SSL-Client-Cert": escapedPEM(client)}))
			require.Equal(t, 401, call(map[string]string{"X-SSL-Client-Cert": escapedPEM(thief)}))
			require.Equal(t, 401, call(map[string]string{"X-SSL-Client-Cert": "%%%"}))
			require.Equal(t, 401, call(nil))
			require.Equal(t, 401, call(map[string]string{
				"X-SSL-Client-Cert": escapedPEM(client), "X_SSL_Client_Cert": escapedPEM(client)}))
			require.Zero(t, server.stop(t))
			for _, reason := range []string{"thumbprint_mismatch", "forwarded_malformed", "certificate_missing", "forwarded_ambiguous"} {
				require.Contains(t, server.log.String(), "reason="+reason)
			}
		})
	}
}

func TestTrust(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{})
	client, proxy, other := newParty(t, as, "client"), newParty(t, as, "proxy"), newParty(t, as, "other")
	authorization := boundTo(t, as, client)
	const secret, next = "0123456789abcdef-now", "0123456789abcdef-next"
	file := writeFile(t, t.TempDir(), "secret", []byte(next+"\n"))
	fields := map[string]string{"Client-Cert": byteSequence(client)}
	with := func(value string) map[string]string {
		return map[string]string{"Client-Cert": byteSequence(client), "X-Proxy-Secret": value}
	}

	t.Run("another address", func(t *testing.T) {
		t.Parallel()
		server := start(t, as, "-forwarded-format", "rfc9440", "-trust", "cidr:192.0.2.0/24")
		require.Equal(t, 401, through(t, http.DefaultClient, server.url+"/whoami", authorization, fields).status)
		require.Zero(t, server.stop(t))
		require.Contains(t, server.log.String(), "reason=forwarded_untrusted")
	})
	t.Run("a secret, and the next", func(t *testing.T) {
		t.Parallel()
		server := start(t, as, "-forwarded-format", "rfc9440",
			"-trust", "secret:X-Proxy-Secret="+secret, "-trust", "secret:X-Proxy-Secret=@"+file)
		require.Equal(t, 200, through(t, http.DefaultClient, server.url+"/whoami", authorization, with(secret)).status)
		require.Equal(t, 200, through(t, http.DefaultClient, server.url+"/whoami", authorization, with(next)).status)
		require.Equal(t, 401, through(t, http.DefaultClient, server.url+"/whoami", authorization, with("0123456789abcdef")).status)
		require.Equal(t, 401, through(t, http.DefaultClient, server.url+"/whoami", authorization, fields).status)
		require.Zero(t, server.stop(t))
		require.NotContains(t, server.log.String(), "0123456789abcdef", "the secret is in the log")
	})
	t.Run("the proxy's certificate, and an address", func(t *testing.T) {
		t.Parallel()
		server := start(t, as, withTLS(t, as, "-forwarded-format", "haproxy",
			"-trust", "cert:"+bindingtest.Thumbprint(proxy.certificate.Leaf), "-trust", "cidr:127.0.0.1/32")...)
		require.Equal(t, 200, through(t, proxy.client, server.url+"/whoami", authorization, fields).status)
		require.Equal(t, 401, through(t, other.client, server.url+"/whoami", authorization, fields).status)
		// The proxy's own certificate is never the client's.
		require.Equal(t, 401, get(t, proxy.client, server.url+"/whoami", boundTo(t, as, proxy)).status)
		require.Equal(t, 401, get(t, client.client, server.url+"/whoami", authorization).status)
	})
	t.Run("a unix socket", func(t *testing.T) {
		t.Parallel()
		socket := filepath.Join(t.TempDir(), "socket")
		start(t, as, "-listen", "unix:"+socket, "-forwarded-format", "rfc9440", "-trust", "unix")
		dialed := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}}
		t.Cleanup(dialed.CloseIdleConnections)
		require.Equal(t, 200, through(t, dialed, "http://api/whoami", authorization, fields).status)
		require.Equal(t, 401, through(t, dialed, "http://api/whoami", authorization, nil).status)
	})
	t.Run("no socket but a rule for one", func(t *testing.T) {
		t.Parallel()
		server := start(t, as, "-forwarded-format", "rfc9440", "-trust", "unix")
		require.Equal(t, 401, through(t, http.DefaultClient, server.url+"/whoami", authorization, fields).status)
	})
}

func TestAFormatWithoutTrustDoesNotStart(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		flags []string
		named string
	}{
		"no trust":                {[]string{"-forwarded-format", "nginx"}, "-trust"},
		"trust without a format":  {[]string{"-trust", "unix"}, "-forwarded-format"},
		"header without a format": {[]string{"-forwarded-header", "X-Cert"}, "-forwarded-format"},
		"everybody":               {[]string{"-forwarded-format", "nginx", "-trust", "cidr:0.0.0.0/0"}, "-trust"},
		"no range":                {[]string{"-forwarded-format", "nginx", "-trust", "cidr:localhost"}, "-trust"},
		"no thumbprint":           {[]string{"-forwarded-format", "nginx", "-trust", "cert:c9d108fd"}, "-trust"},
		"a short secret":          {[]string{"-forwarded-format", "nginx", "-trust", "secret:X-Secret=abc"}, "-trust"},
		"no secret":               {[]string{"-forwarded-format", "nginx", "-trust", "secret:X-Secret"}, "-trust"},
		"no file":                 {[]string{"-forwarded-format", "nginx", "-trust", "secret:X-Secret=@/missing"}, "-trust"},
		"another kind":            {[]string{"-forwarded-format", "nginx", "-trust", "dns:proxy.example"}, "-trust"},
		"an unknown format":       {[]string{"-forwarded-format", "squid", "-trust", "unix"}, "-forwarded-format"},
		"no header's name":        {[]string{"-forwarded-format", "url-pem", "-trust", "unix"}, "-forwarded-header"},
		"a hop-by-hop header":     {[]string{"-forwarded-format", "url-pem", "-forwarded-header", "connection", "-trust", "unix"}, "-forwarded-header"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"-issuer", "https://as.example", "-audience", audience}, row.flags...)
			output, err := exec.Command(program, args...).CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, 2, exit.ExitCode())
			require.Contains(t, string(output), row.named)
			require.NotContains(t, string(output), "listening")
		})
	}
}
