package main_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/examples/internal/builds"
	"github.com/certbound/certbound/jwks"
)

// program is the inspector, built once.
var program string

func TestMain(m *testing.M) {
	builds.Main(m, map[string]*string{".": &program})
}

// inspect runs the program to its end.
func inspect(t *testing.T, stdin string, args ...string) (status int, output string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, program, args...)
	command.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	_ = command.Run() // the status says it
	return command.ProcessState.ExitCode(), out.String()
}

const audience = "https://api.example"

// A world is an authorization server, a client with a certificate from its CA,
// and files that the inspector reads.
type world struct {
	as     *bindingtest.AuthorizationServer
	client tls.Certificate
	file   string // of the client's certificate
	roots  string
}

func newWorld(t *testing.T, config bindingtest.Config) *world {
	t.Helper()
	as, err := bindingtest.NewAuthorizationServer(config)
	require.NoError(t, err)
	t.Cleanup(as.Close)
	client, err := as.NewClientCertificate("client")
	require.NoError(t, err)
	return &world{as: as, client: client, file: writeFile(t, inPEM(client)), roots: writeFile(t, as.RootPEM())}
}

// flags are those of an inspection that leaves nothing unchecked.
func (w *world) flags() []string {
	return []string{"-cert", w.file, "-issuer", w.as.Issuer(), "-audience", audience, "-as-ca", w.roots}
}

// token is one that is good but for what the change does to it.
func (w *world) token(t *testing.T, change bindingtest.TokenSpec) string {
	t.Helper()
	change.Certificate = w.client.Leaf
	token, err := w.as.Token(change)
	require.NoError(t, err)
	return token
}

// confirmed is a good token with another value of cnf's x5t#S256.
func (w *world) confirmed(t *testing.T, thumbprint any) string {
	t.Helper()
	return w.token(t, bindingtest.TokenSpec{Claims: map[string]any{"cnf": map[string]any{"x5t#S256": thumbprint}}})
}

// server is a resource server as the flags describe one. It returns what it
// answers a request with the token and the client's certificate, over TLS, and
// the reason that it logs.
func (w *world) server(t *testing.T) func(authorization string) (status int, reason binding.Reason) {
	t.Helper()
	tokens, err := jwks.New(jwks.Config{Issuer: w.as.Issuer(), Audiences: []string{audience}, Transport: w.as.Transport()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = tokens.Close() })
	return func(authorization string) (int, binding.Reason) {
		var reason binding.Reason
		guard, err := binding.New(binding.Config{Tokens: tokens, Observe: func(_ context.Context, event binding.Event) { reason = event.Reason() }})
		require.NoError(t, err)
		api := httptest.NewUnstartedServer(bindhttp.Protect(guard)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
		api.TLS = binding.TLSConfig(&tls.Config{Certificates: []tls.Certificate{w.as.ServerCertificate()}, MinVersion: tls.VersionTLS13})
		api.StartTLS()
		defer api.Close()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api.URL, nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", authorization)
		client := w.as.HTTPClient(w.client)
		defer client.CloseIdleConnections()
		response, err := client.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode, reason
	}
}

func inPEM(certificates ...tls.Certificate) []byte {
	var text []byte
	for _, c := range certificates {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Leaf.Raw})...)
	}
	return text
}

func writeFile(t *testing.T, content []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, content, 0o600))
	return file
}

// requireSays asserts that the line of the label has the verdict, and that it or
// what stands below it has each of the texts.
func requireSays(t *testing.T, output, label, verdict string, texts ...string) {
	t.Helper()
	var block []string
	for line := range strings.Lines(output) {
		if !strings.HasPrefix(line, " ") {
			if block != nil {
				break
			}
			if !strings.HasPrefix(line, label+" ") {
				continue
			}
			require.Equal(t, verdict, strings.TrimSpace(line[13:18]), output)
		} else if block == nil {
			continue
		}
		block = append(block, strings.TrimSpace(line[13:]))
	}
	require.NotNil(t, block, "no line for %s in:\n%s", label, output)
	for _, text := range texts {
		require.Contains(t, strings.Join(block, "\n"), text, output)
	}
}

// requireDiscreet asserts that nothing of the token is in the output but claims,
// and nothing that a terminal would obey.
func requireDiscreet(t *testing.T, output, token string) {
	t.Helper()
	for _, segment := range strings.Split(token, ".") {
		if len(segment) > 12 {
			require.NotContains(t, output, segment[:12], "a part of the token is in the output")
			require.NotContains(t, output, segment[len(segment)-12:], "a part of the token is in the output")
		}
	}
	for _, b := range []byte(output) {
		require.True(t, b == '\n' || b >= ' ' && b <= '~', "byte %#x is in the output:\n%s", b, output)
	}
}
