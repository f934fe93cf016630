// Package tryout runs an example as a user would, as a process, with a client and
// a thief in front of it. Only tests import it.
//
// The examples trust the roots of the machine, and have no setting for others.
// SSL_CERT_FILE names them to a Go program on Linux, and so the tests that use
// this package are for Linux.
package tryout

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/examples/internal/freeport"
	"github.com/certbound/certbound/examples/internal/processlog"
)

// Audience is the examples' own, and of every token.
const Audience = "https://api.bank.example"

// A Server is an example that runs.
type Server struct {
	URL string

	// Client and Thief are a client's certificate and another's.
	Client, Thief tls.Certificate

	as *bindingtest.AuthorizationServer
}

// NewAuthorizationServer starts an authorization server for an example.
func NewAuthorizationServer(t *testing.T, config bindingtest.Config) *bindingtest.AuthorizationServer {
	t.Helper()
	config.Audience = Audience
	as, err := bindingtest.NewAuthorizationServer(config)
	require.NoError(t, err)
	t.Cleanup(as.Close)
	return as
}

// Start builds the program in the folder and runs it until the test ends. The
// first authorization server is ISSUER to it; others it learns of by variables
// of the environment ("NAME=value"), in which {address} is its own.
func Start(t *testing.T, folder string, servers []*bindingtest.AuthorizationServer, environment ...string) *Server {
	t.Helper()
	files := t.TempDir()
	program := filepath.Join(files, "example")
	output, err := exec.Command("go", "build", "-o", program, folder).CombinedOutput()
	require.NoError(t, err, string(output))

	as := servers[0]
	var roots []byte
	for _, server := range servers {
		roots = append(roots, server.RootPEM()...)
	}
	address := freeAddress(t)
	certificate, key := inPEM(t, as.ServerCertificate())
	command := exec.Command(program)
	command.Env = os.Environ()
	for _, variable := range environment {
		command.Env = append(command.Env, strings.ReplaceAll(variable, "{address}", address))
	}
	command.Env = append(command.Env,
		"ISSUER="+as.Issuer(), "AUDIENCE="+Audience, "ADDRESS="+address, "GIN_MODE=release",
		"TLS_CERT="+writeFile(t, files, "api.pem", certificate),
		"TLS_KEY="+writeFile(t, files, "api-key.pem", key),
		"SSL_CERT_FILE="+writeFile(t, files, "roots.pem", roots))
	run(t, command, address)

	s := &Server{URL: "https://" + address, as: as}
	s.Client, err = as.NewClientCertificate("client")
	require.NoError(t, err)
	s.Thief, err = as.NewClientCertificate("thief")
	require.NoError(t, err)
	return s
}

// run runs the program until the test ends, and returns when it listens.
func run(t *testing.T, command *exec.Cmd, address string) {
	t.Helper()
	log := &processlog.Buffer{}
	command.Stdout, command.Stderr = log, log
	require.NoError(t, command.Start())
	ended := make(chan struct{})
	go func() {
		_ = command.Wait() // it is killed
		close(ended)
	}()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("%s said:\n%s", command.Path, log)
		}
		require.NotContains(t, log.String(), "eyJ", "a token is in the log")
	})
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err == nil {
			require.NoError(t, connection.Close())
			return
		}
		select {
		case <-ended:
			require.Fail(t, "it has ended", log.String())
		case <-t.Context().Done():
			require.Fail(t, "it does not listen", log.String())
		case <-again.C:
		}
	}
}

// Token is one of the client's, bound to its certificate.
func (s *Server) Token(t *testing.T, scopes ...string) string {
	t.Helper()
	return Token(t, s.as, s.Client.Leaf, scopes...)
}

// Token is one of the subject alice, bound to the certificate unless that is nil.
func Token(t *testing.T, as *bindingtest.AuthorizationServer, certificate *x509.Certificate, scopes ...string) string {
	t.Helper()
	token, err := as.Token(bindingtest.TokenSpec{Subject: "alice", Certificate: certificate, Scopes: scopes})
	require.NoError(t, err)
	return token
}

// HTTPClient returns one that presents the certificate.
func (s *Server) HTTPClient(t *testing.T, certificate tls.Certificate) *http.Client {
	t.Helper()
	client := s.as.HTTPClient(certificate)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// Requires asserts that the answer has the status, and that its body, or for a
// refusal its challenge, has the text. No token is no credential.
func (s *Server) Requires(t *testing.T, status int, text string, certificate tls.Certificate, token, method, path string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, nil)
	require.NoError(t, err)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := s.HTTPClient(t, certificate).Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, status, response.StatusCode, string(body))
	if status != http.StatusOK {
		body = []byte(response.Header.Get("WWW-Authenticate"))
	}
	require.Contains(t, string(body), text)
}

// Story asserts what every example does: a client gets the accounts of its
// subject, and who has stolen its token gets nothing.
func (s *Server) Story(t *testing.T, path string, scopes ...string) {
	t.Helper()
	s.Requires(t, http.StatusOK, "the accounts of alice", s.Client, s.Token(t, scopes...), http.MethodGet, path)
	s.Requires(t, http.StatusUnauthorized, `error="invalid_token"`, s.Thief, s.Token(t, scopes...), http.MethodGet, path)
	s.Requires(t, http.StatusUnauthorized, "Bearer", s.Client, "", http.MethodGet, path)
}

// freeAddress is one that nothing listens on at the moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := freeport.Address(1)
	require.NoError(t, err)
	return address
}

func inPEM(t *testing.T, pair tls.Certificate) (certificate, key []byte) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func writeFile(t *testing.T, folder, name string, content []byte) string {
	t.Helper()
	file := filepath.Join(folder, name)
	require.NoError(t, os.WriteFile(file, content, 0o600))
	return file
}
