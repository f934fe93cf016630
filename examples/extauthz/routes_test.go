package main_test

import (
	"bufio"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// start starts the program, to be asked over HTTP, and returns where it is.
func start(t *testing.T, as *bindingtest.AuthorizationServer, from string, flags ...string) (address string) {
	t.Helper()
	roots := filepath.Join(t.TempDir(), "roots.pem")
	require.NoError(t, os.WriteFile(roots, as.RootPEM(), 0o600))
	command := exec.Command(program, append([]string{
		"-issuer", as.Issuer(), "-audience", as.Audience(), "-as-ca", roots,
		"-http", "127.0.0.1:0", "-from", from, "-trust", "cidr:127.0.0.1/32",
	}, flags...)...)
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(strings.TrimPrefix(line, "http on "))
}

func newAuthorizationServer(t *testing.T) *bindingtest.AuthorizationServer {
	t.Helper()
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	require.NoError(t, err)
	t.Cleanup(as.Close)
	return as
}

// asNginx starts the program and returns what asks it as nginx does, with a token
// that has no scope.
func asNginx(t *testing.T, flags ...string) (ask func(method, target string) (status int)) {
	t.Helper()
	as := newAuthorizationServer(t)
	address := start(t, as, "nginx", flags...)
	client, err := bindingtest.NewSelfSignedCertificate("client")
	require.NoError(t, err)
	token, err := as.Token(bindingtest.TokenSpec{Certificate: client.Leaf})
	require.NoError(t, err)
	certificate := url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: client.Leaf.Raw})))
	return func(method, target string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/_authz", nil)
		require.NoError(t, err)
		r.Header = http.Header{
			"Authorization": {"Bearer " + token}, "X-Ssl-Client-Cert": {certificate},
			"X-Original-Method": {method}, "X-Original-Uri": {target},
		}
		response, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
}

// The route that the program finds must be the one that the API runs, whatever
// the API makes of the path before it looks for a route: it may decode dots and
// then resolve them, or end the path where a fragment begins.
func TestPathsThatTheAPIMayReadOtherwise(t *testing.T) {
	t.Parallel()
	ask := asNginx(t, "-route", "GET /files/", "-route", "GET /users/{id}", "-route", "GET /users/{id}/name",
		"-route", "GET /admin/=admin", "-route", "GET /payments=payments")
	for target, status := range map[string]int{
		"/files/a":             204,
		"/files/a.b..c/...":    204,
		"/files/a%2eb":         204, // a dot in a name stays one
		"/files/%2e%2ehidden":  204,
		"/files/50%25":         204,
		"/files/a?to=/../b#c;": 204, // what is behind the path is not of it
		"/users/7":             204,
		"/users/7/name":        204,
		"/admin/keys":          403,

		"/files/../admin/keys":         403,
		"/files/%2e%2e/admin/keys":     403,
		"/files/%2E%2e/admin/keys":     403,
		"/files/.%2e/admin/keys":       403,
		"/files/%2e./admin/keys":       403,
		"/files/%2e/%2e%2e/admin/keys": 403,
		"/users/%2e%2e":                403,
		"/users/%2e/name":              403,
		"/users/%2e%2e/name":           403,
		"/files/%2e%2e%2fadmin/keys":   403,
		"/files/..;/admin/keys":        403,
		`/files/..\admin/keys`:         403,
		"/users/7#/name":               403,
		"/users/7%00/name":             403,
		"/files/a#/../../admin":        403,
		"//admin/keys":                 403,
	} {
		require.Equal(t, status, ask(http.MethodGet, target), target)
	}
}

// The guard decides about every request, also one that net/http's server would
// answer by itself: Envoy takes any 200 for a yes.
func TestEveryQuestionIsDecided(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"with routes": {"-route", "/"}, "without": nil} {
		address := start(t, newAuthorizationServer(t), "envoy", flags...)
		for _, line := range []string{"OPTIONS * HTTP/1.1", "GET / HTTP/1.1", "CONNECT api.example:443 HTTP/1.1"} {
			connection, err := net.Dial("tcp", address)
			require.NoError(t, err)
			_, err = fmt.Fprintf(connection, "%s\r\nHost: api.example\r\nConnection: close\r\n\r\n", line)
			require.NoError(t, err)
			response, err := http.ReadResponse(bufio.NewReader(connection), nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusUnauthorized, response.StatusCode, "%s: %s", name, line)
			require.NoError(t, response.Body.Close())
			require.NoError(t, connection.Close())
		}
	}
}
