package main_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/examples/internal/builds"
	"github.com/certbound/certbound/examples/internal/processlog"
)

// program is the server, built once.
var program string

func TestMain(m *testing.M) {
	builds.Main(m, map[string]*string{".": &program})
}

const audience = "https://api.example"

// A process is a running server.
type process struct {
	url     string
	command *exec.Cmd
	log     *processlog.Buffer
}

// start runs the server against an authorization server, with more flags.
func start(t *testing.T, as *bindingtest.AuthorizationServer, flags ...string) *process {
	t.Helper()
	folder := t.TempDir()
	args := []string{
		"-listen", "127.0.0.1:0",
		"-issuer", as.Issuer(), "-audience", audience,
		"-as-ca", writeFile(t, folder, "ca.pem", as.RootPEM()),
	}
	args = append(args, flags...)
	p := &process{command: exec.Command(program, args...), log: &processlog.Buffer{}}
	p.command.Stderr = p.log
	stdout, err := p.command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.command.Start())
	t.Cleanup(func() {
		_ = p.command.Process.Kill()
		_ = p.command.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, p.log.String())
	address, found := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	require.True(t, found, line)
	p.url = address
	return p
}

// withTLS are the flags that give the server the kit's certificate.
func withTLS(t *testing.T, as *bindingtest.AuthorizationServer, flags ...string) []string {
	t.Helper()
	folder := t.TempDir()
	certificate := as.ServerCertificate()
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	require.NoError(t, err)
	var chain []byte
	for _, der := range certificate.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return append(flags,
		"-tls-cert", writeFile(t, folder, "cert.pem", chain),
		"-tls-key", writeFile(t, folder, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
}

func writeFile(t *testing.T, folder, name string, content []byte) string {
	t.Helper()
	file := filepath.Join(folder, name)
	require.NoError(t, os.WriteFile(file, content, 0o600))
	return file
}

// stop asks the server to stop and returns its exit status. Windows has no signal that asks; there it is ended, and 0.
func (p *process) stop(t *testing.T) int {
	t.Helper()
	if runtime.GOOS == "windows" {
		require.NoError(t, p.command.Process.Kill())
		_ = p.command.Wait()
		return 0
	}
	require.NoError(t, p.command.Process.Signal(syscall.SIGTERM))
	_ = p.command.Wait()
	return p.command.ProcessState.ExitCode()
}

// An answer is what the server said.
type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func get(t *testing.T, client *http.Client, url, authorization string) answer {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	return do(t, client, request)
}

func do(t *testing.T, client *http.Client, request *http.Request) answer {
	t.Helper()
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	a := answer{status: response.StatusCode, header: response.Header}
	require.NoError(t, json.Unmarshal(text, &a.body), string(text))
	return a
}

// A party is a client of the server.
type party struct {
	certificate tls.Certificate
	client      *http.Client
}

func newParty(t *testing.T, as *bindingtest.AuthorizationServer, name string) party {
	t.Helper()
	certificate, err := as.NewClientCertificate(name)
	require.NoError(t, err)
	client := as.HTTPClient(certificate)
	t.Cleanup(client.CloseIdleConnections)
	return party{certificate, client}
}

func newAuthorizationServer(t *testing.T, config bindingtest.Config) *bindingtest.AuthorizationServer {
	t.Helper()
	config.Audience = audience
	as, err := bindingtest.NewAuthorizationServer(config)
	require.NoError(t, err)
	t.Cleanup(as.Close)
	return as
}

// boundTo makes the Authorization value of a token that is bound to a party.
func boundTo(t *testing.T, as *bindingtest.AuthorizationServer, p party, scopes ...string) string {
	t.Helper()
	token, err := as.Token(bindingtest.TokenSpec{Certificate: p.certificate.Leaf, Scopes: scopes})
	require.NoError(t, err)
	return "Bearer " + token
}
