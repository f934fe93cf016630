package main_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// program is the quickstart, built once.
var program string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "quickstart-test-")
	if err != nil {
		log.Fatal(err)
	}
	program = filepath.Join(folder, "quickstart.exe")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

func TestTheStoryEndsWellInEveryFramework(t *testing.T) {
	t.Parallel()
	for _, framework := range []string{"nethttp", "echo", "gin"} {
		t.Run(framework, func(t *testing.T) {
			t.Parallel()
			output, err := exec.Command(program, "-framework", framework).CombinedOutput()
			transcript := string(output)
			require.NoError(t, err, transcript)
			require.Contains(t, transcript, "with "+framework)
			require.Equal(t, 1, strings.Count(transcript, "-> 200 OK"))
			require.Equal(t, 1, strings.Count(transcript, "-> 403 Forbidden"))
			require.Equal(t, 6, strings.Count(transcript, "-> 401 Unauthorized"))
			require.Equal(t, 5, strings.Count(transcript, `error="invalid_token"`))
			require.NotContains(t, transcript, "WRONG")
			require.NotContains(t, transcript, "eyJ", "a token is in the transcript")
		})
	}
}

func TestAnUnknownFrameworkIsRefused(t *testing.T) {
	t.Parallel()
	output, err := exec.Command(program, "-framework", "chi").CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 2, exit.ExitCode())
	require.Contains(t, string(output), "nethttp, echo, gin")
}

// What -serve leaves for another terminal is used here as its curl commands
// use it, and its command that asks why is run.
func TestServeStaysUpForAnotherTerminal(t *testing.T) {
	t.Parallel()
	command := exec.Command(program, "-serve")
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill() })

	var folder, url, inspect, own string
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if after, found := strings.CutPrefix(lines.Text(), "cd "); found {
			folder = after
		}
		if after, found := strings.CutPrefix(lines.Text(), "The protected API"); found {
			url = strings.TrimSpace(after)
		}
		if strings.HasPrefix(lines.Text(), "go run ") || strings.HasSuffix(inspect, "\\\n") {
			inspect += lines.Text() + "\n"
		}
		if strings.Contains(lines.Text(), " grant_type=") {
			own = lines.Text()
		}
		if strings.HasPrefix(lines.Text(), "The token lives") {
			break
		}
	}
	read := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		return content
	}
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(read("ca.pem")))
	send := func(who string, request *http.Request) (int, []byte) {
		config := &tls.Config{RootCAs: roots}
		if who != "" {
			certificate, err := tls.X509KeyPair(read(who+".pem"), read(who+"-key.pem"))
			require.NoError(t, err)
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
		defer client.CloseIdleConnections()
		response, err := client.Do(request)
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode, body
	}
	call := func(who, path, token string) int {
		request, err := http.NewRequest(http.MethodGet, url+path, nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+token)
		status, _ := send(who, request)
		return status
	}
	token := string(read("token"))
	require.Equal(t, http.StatusOK, call("client", "/accounts", token))
	require.Equal(t, http.StatusForbidden, call("client", "/payments", token))
	require.Equal(t, http.StatusUnauthorized, call("thief", "/accounts", token))
	require.Equal(t, http.StatusUnauthorized, call("", "/accounts", token))

	// A token of your own, by what the printed command sends.
	var form []string
	words := strings.Fields(own)
	for i, word := range words {
		if word == "-d" {
			form = append(form, words[i+1])
		}
	}
	request, err := http.NewRequest(http.MethodPost, words[len(words)-1], strings.NewReader(strings.Join(form, "&")))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, body := send("client", request)
	require.Equal(t, http.StatusOK, status, string(body))
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	require.NoError(t, json.Unmarshal(body, &answer))
	require.Equal(t, http.StatusOK, call("client", "/payments", answer.AccessToken))

	// An API of your own has a certificate for localhost, of the same root.
	identity, err := tls.X509KeyPair(read("server.pem"), read("server-key.pem"))
	require.NoError(t, err)
	_, err = identity.Leaf.Verify(x509.VerifyOptions{DNSName: "localhost", Roots: roots})
	require.NoError(t, err)

	if runtime.GOOS == "windows" {
		return // no shell, and no signal asks a process to stop
	}
	output, err := exec.Command("sh", "-c", inspect).Output()
	require.Error(t, err, "the thief would get in")
	require.Regexp(t, `(?m)^signature +ok `, string(output))
	require.Regexp(t, `(?m)^audience +ok `, string(output))
	require.Regexp(t, `(?m)^verdict +FAIL .*\(thumbprint_mismatch\)$`, string(output))
	require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	require.NoError(t, command.Wait())
	require.NoDirExists(t, folder, "private keys are left behind")
}
