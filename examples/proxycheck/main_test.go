package main_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/examples/internal/builds"
	"github.com/certbound/certbound/examples/internal/freeport"
)

// program is proxycheck, built once.
var program string

func TestMain(m *testing.M) {
	builds.Main(m, map[string]*string{".": &program})
}

// check runs the program to its end.
func check(t *testing.T, stdin string, args ...string) (status int, output string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, program, args...)
	command.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	_ = command.Run() // the status says it
	return command.ProcessState.ExitCode(), out.String()
}

// freeAddress is one that nothing listens on at the moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := freeport.Address(1)
	require.NoError(t, err)
	return address
}

func writeFile(t *testing.T, content []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, content, 0o600))
	return file
}

func certificateFile(t *testing.T, der []byte) string {
	t.Helper()
	return writeFile(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func keyFile(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return writeFile(t, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestEveryMistakeAtOnce(t *testing.T) {
	t.Parallel()
	status, output := check(t, "",
		"-url", "ftp://api.example", "-header", "Connection", "-format", "pem", "-ca", "/nowhere", "-listen", "9000",
		"-token", "-", "-key", "/nowhere", "stray", "-colour", "blue")
	require.Equal(t, 2, status, output)
	for _, name := range []string{"-url:", "-header:", "-format:", "-ca:", "-listen:", "-token", "-key:", "colour", "stray"} {
		require.Contains(t, output, name)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		stdin string
		args  []string
		want  string
	}{
		"nothing":                 {"", nil, "-url: required"},
		"no format":               {"", []string{"-url", "https://api.example"}, "-format: required"},
		"no format, listening":    {"", []string{"-listen", "127.0.0.1:0", "-header", "Client-Cert"}, "-format: required"},
		"a format without name":   {"", []string{"-url", "https://api.example", "-format", "url-pem"}, "-header: required"},
		"a token over http":       {"t", []string{"-url", "http://api.example", "-token", "-"}, "never over plain http"},
		"no token":                {" \n", []string{"-url", "https://api.example", "-token", "-"}, "-token: holds no access token"},
		"two tokens":              {"secret1 secret2", []string{"-url", "https://api.example", "-token", "-"}, "-token: holds more than one"},
		"a certificate alone":     {"", []string{"-url", "https://api.example", "-cert", "/nowhere"}, "-cert: needs -key, or -token"},
		"a pair that is none":     {"", []string{"-url", "https://api.example", "-cert", "/nowhere", "-key", "/nowhere"}, "-cert, -key:"},
		"a certificate not there": {"t", []string{"-url", "https://api.example", "-token", "-", "-cert", "/nowhere"}, "-cert: open /nowhere"},
		"a unix socket nowhere":   {"", []string{"-listen", "unix:"}, "-listen: unix:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, output := check(t, test.stdin, test.args...)
			require.Equal(t, 2, status, output)
			require.Contains(t, output, test.want)
			require.NotContains(t, output, "secret")
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	status, output := check(t, "", "-help")
	require.Zero(t, status)
	require.Contains(t, output, "rfc9440")
}
