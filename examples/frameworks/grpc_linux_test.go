package frameworks_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/examples/internal/tryout"
)

// The server and the client of ./grpc, each as a process.
func TestGRPC(t *testing.T) {
	t.Parallel()
	as := tryout.NewAuthorizationServer(t, bindingtest.Config{})
	api := tryout.Start(t, "./grpc", []*bindingtest.AuthorizationServer{as}, "ORIGIN="+tryout.Audience)
	address := strings.TrimPrefix(api.URL, "https://")
	folder := t.TempDir()
	client := filepath.Join(folder, "client")
	output, err := exec.Command("go", "build", "-o", client, "./grpc/client").CombinedOutput()
	require.NoError(t, err, string(output))
	roots := write(t, "roots.pem", as.RootPEM())
	calls := func(t *testing.T, spec bindingtest.TokenSpec, arguments ...string) string {
		t.Helper()
		spec.Subject, spec.ExpiresIn = "alice", 10*time.Second
		token, err := as.Token(spec)
		require.NoError(t, err)
		command := exec.CommandContext(t.Context(), client, append(arguments,
			"-address", address, "-origin", tryout.Audience, "-token", write(t, "token.txt", []byte(token)))...)
		command.Env = append(os.Environ(), "SSL_CERT_FILE="+roots)
		output, err := command.CombinedOutput()
		require.NoError(t, err, string(output))
		return string(output)
	}
	key, thief := newKey(t), newKey(t)
	scopes := []string{"payments"}
	mine, others := files(t, api.Client), files(t, api.Thief)

	accepted := []string{"/List the accounts of alice", "/Pay paid", "/Watch a payment came in", "/Watch rpc error: code = Unauthenticated desc = the access token expired"}
	for name, test := range map[string]struct {
		spec      bindingtest.TokenSpec
		arguments []string
		want      []string
	}{
		"a certificate":        {bindingtest.TokenSpec{Certificate: api.Client.Leaf, Scopes: scopes}, mine, accepted},
		"a thief's":            {bindingtest.TokenSpec{Certificate: api.Client.Leaf, Scopes: scopes}, others, []string{"/List rpc error: code = Unauthenticated desc = the access token is bound to another client certificate", "/Watch rpc error: code = Unauthenticated"}},
		"without the scope":    {bindingtest.TokenSpec{Certificate: api.Client.Leaf}, mine, []string{"/List the accounts of alice", "/Pay rpc error: code = PermissionDenied"}},
		"-dpop":                {bindingtest.TokenSpec{Key: key.Public(), Scopes: scopes}, []string{"-dpop", keyFile(t, key)}, accepted},
		"-dpop of a thief":     {bindingtest.TokenSpec{Key: key.Public(), Scopes: scopes}, []string{"-dpop", keyFile(t, thief)}, []string{"/List rpc error: code = Unauthenticated desc = the access token is bound to another DPoP key"}},
		"a stolen bound token": {bindingtest.TokenSpec{Key: key.Public(), Scopes: scopes}, nil, []string{"/List rpc error: code = Unauthenticated"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			output := calls(t, test.spec, test.arguments...)
			for _, want := range test.want {
				require.Contains(t, output, want)
			}
		})
	}
	t.Run("everybody may ask for its health", func(t *testing.T) {
		t.Parallel()
		connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: as.RootCAs()})))
		require.NoError(t, err)
		defer func() { _ = connection.Close() }()
		answer, err := healthpb.NewHealthClient(connection).Check(t.Context(), &healthpb.HealthCheckRequest{})
		require.NoError(t, err)
		require.Equal(t, healthpb.HealthCheckResponse_SERVING, answer.GetStatus())
	})
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// write writes a file of the test's and returns its name.
func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, content, 0o600))
	return file
}

func keyFile(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return write(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// files are the client's arguments for a certificate.
func files(t *testing.T, certificate tls.Certificate) []string {
	t.Helper()
	return []string{
		"-cert", write(t, "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Leaf.Raw})),
		"-key", keyFile(t, certificate.PrivateKey),
	}
}
