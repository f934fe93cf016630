package authorizationservers_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/examples/internal/processlog"
)

var frameworks = []string{"nethttp", "echo", "gin"}

// An api is a running examples/server.
type api struct {
	url string
	log *processlog.Buffer
}

// startAPI starts examples/server for an issuer. That and the audience is all it
// is told of the authorization server, beside whom to trust as a TLS server.
func startAPI(t *testing.T, pki pki, issuer, framework string, more ...string) *api {
	t.Helper()
	folder := t.TempDir()
	certificate, key := writePair(t, folder, pki.ServerCertificate())
	command := exec.Command(serverProgram, append([]string{
		"-framework", framework, "-listen", "127.0.0.1:0", "-tls-cert", certificate, "-tls-key", key,
		"-issuer", issuer, "-audience", audience, "-as-ca", writeFile(t, folder, "ca.pem", pki.RootPEM()),
	}, more...)...)
	a := &api{log: &processlog.Buffer{}}
	command.Stderr = a.log
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		if err := command.Wait(); err != nil {
			t.Errorf("examples/server: %v", err)
		}
		if t.Failed() {
			t.Log(a.log.String())
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, a.log)
	address, found := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	require.True(t, found, line)
	a.url = address
	return a
}

// An answer is what the API said.
type answer struct {
	status    int
	challenge string
	body      map[string]any
}

// whoami calls the API with a client's TLS certificate, or none, and a token.
func (a *api) whoami(t *testing.T, client *http.Client, token string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url+"/whoami", nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	got := answer{status: response.StatusCode, challenge: response.Header.Get("WWW-Authenticate")}
	require.NoError(t, json.Unmarshal(text, &got.body), string(text))
	return got
}

// requireRefused: 401 invalid_token, and nothing of what is behind the guard.
func requireRefused(t *testing.T, got answer) {
	t.Helper()
	require.Equal(t, http.StatusUnauthorized, got.status)
	require.True(t, strings.HasPrefix(got.challenge, "Bearer "), got.challenge)
	require.Contains(t, got.challenge, `error="invalid_token"`)
	require.NotContains(t, got.body, "client_id")
	require.NotContains(t, got.body, "x5t#S256")
}
