package main_test

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/examples/internal/builds"
	"github.com/certbound/certbound/examples/internal/processlog"
	"github.com/certbound/certbound/jwks"
)

// program is the client, built once.
var program string

func TestMain(m *testing.M) {
	builds.Main(m, map[string]*string{".": &program})
}

const (
	audience = "https://api.example"
	clientID = "budget-app"
)

func newAuthorizationServer(t *testing.T, config bindingtest.Config) *bindingtest.AuthorizationServer {
	t.Helper()
	config.Audience = audience
	as, err := bindingtest.NewAuthorizationServer(config)
	require.NoError(t, err)
	t.Cleanup(as.Close)
	return as
}

// byItsSubject is the client, registered for tls_client_auth: a renewed
// certificate is as good as the first.
func byItsSubject() []bindingtest.Client {
	return []bindingtest.Client{{
		ID: clientID, AuthMethod: bindingtest.TLSClientAuth, SubjectDN: "CN=" + clientID, Scopes: []string{"accounts"},
	}}
}

// An api is a protected API that remembers what it let in.
type api struct {
	url string

	mu    sync.Mutex
	calls []call
}

// A call is a request that the API let in.
type call struct {
	from       string // the connection's other end
	resumed    bool
	thumbprint string // of the token's binding
	token      string
}

// newAPI guards an API as any user does.
func newAPI(t *testing.T, as *bindingtest.AuthorizationServer, config binding.Config) *api {
	t.Helper()
	tokens, err := jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{audience}, Transport: as.Transport()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = tokens.Close() })
	config.Tokens = tokens
	guard, err := binding.New(config)
	require.NoError(t, err)

	a := &api{}
	server := httptest.NewUnstartedServer(bindhttp.Protect(guard)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := binding.TokenFromContext(r.Context())
		thumbprint, _ := token.Thumbprint()
		a.mu.Lock()
		defer a.mu.Unlock()
		a.calls = append(a.calls, call{r.RemoteAddr, r.TLS.DidResume, thumbprint.String(), r.Header.Get("Authorization")})
		_, _ = w.Write([]byte("the accounts of " + token.ClientID()))
	})))
	server.TLS = binding.TLSConfig(&tls.Config{Certificates: []tls.Certificate{as.ServerCertificate()}})
	server.Config.ErrorLog = log.New(new(bytes.Buffer), "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

func (a *api) accepted() []call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]call(nil), a.calls...)
}

func newCertificate(t *testing.T, as *bindingtest.AuthorizationServer) tls.Certificate {
	t.Helper()
	certificate, err := as.NewClientCertificate(clientID)
	require.NoError(t, err)
	return certificate
}

// files are the client's files, in a folder of their own.
type files struct{ cert, key, ca string }

func newFiles(t *testing.T, as *bindingtest.AuthorizationServer, certificate tls.Certificate) files {
	t.Helper()
	folder := t.TempDir()
	f := files{filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem"), filepath.Join(folder, "ca.pem")}
	f.writeKey(t, certificate)
	f.writeCertificate(t, certificate)
	writeFile(t, f.ca, as.RootPEM())
	return f
}

func (f files) writeKey(t *testing.T, certificate tls.Certificate) {
	t.Helper()
	writeFile(t, f.key, keyPEM(t, certificate.PrivateKey))
}

func (f files) writeCertificate(t *testing.T, certificate tls.Certificate) {
	t.Helper()
	writeFile(t, f.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}))
}

func keyPEM(t *testing.T, key crypto.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// writeFile replaces a file at once, as what renews a certificate does.
func writeFile(t *testing.T, file string, content []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(file+".new", content, 0o600))
	require.NoError(t, os.Rename(file+".new", file))
}

func (f files) flags(as *bindingtest.AuthorizationServer, a *api, more ...string) []string {
	return append([]string{
		"-issuer", as.Issuer(), "-client-id", clientID,
		"-cert", f.cert, "-key", f.key, "-ca", f.ca, "-url", a.url,
	}, more...)
}

// A run is what the client did.
type run struct {
	status         int
	stdout, stderr string
}

func runClient(t *testing.T, flags ...string) run {
	t.Helper()
	p := startClient(t, flags...)
	return p.wait(t)
}

// A process is a running client.
type process struct {
	command        *exec.Cmd
	stdout, stderr processlog.Buffer
}

func startClient(t *testing.T, flags ...string) *process {
	t.Helper()
	p := &process{command: exec.Command(program, flags...)}
	p.command.Stdout, p.command.Stderr = &p.stdout, &p.stderr
	require.NoError(t, p.command.Start())
	t.Cleanup(func() {
		_ = p.command.Process.Kill()
		_ = p.command.Wait()
	})
	return p
}

func (p *process) stop(t *testing.T) run {
	t.Helper()
	require.NoError(t, p.command.Process.Signal(syscall.SIGTERM))
	return p.wait(t)
}

func (p *process) wait(t *testing.T) run {
	t.Helper()
	err := p.command.Wait()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	r := run{p.command.ProcessState.ExitCode(), p.stdout.String(), p.stderr.String()}
	require.NotContains(t, r.stdout+r.stderr, "eyJhbGci", "a token is printed")
	return r
}
