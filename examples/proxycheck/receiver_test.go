package main_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/forwarded"
)

func TestInTheResourceServersPlace(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		says   []string
	}{
		"right":                                  {0, []string{"Nothing passed.\n", "with underscores, with dots: arrives under another name", "HTTP/2: the certificate of the handshake arrives; nothing passed of 4"}},
		"sends a placeholder":                    {0, []string{"Nothing passed.\n", "no client certificate, HTTP/1.1: arrived: [\"Client-Cert\"] no certificate; nothing passed of 8"}},
		"does not strip":                         {1, []string{"PASSED", "once, lower case: PASSED, arrived"}},
		"adds":                                   {1, []string{"once, lower case: PASSED"}},
		"adds, and strips without a certificate": {1, []string{"no certificate; nothing passed of 8", "once, lower case: PASSED beside the real one"}},
		"strips the first alone":                 {1, []string{"    twice: PASSED"}},
		"takes underscores for dashes":           {1, []string{"    with underscores: PASSED"}},
		"forwards nothing":                       {3, []string{"does not arrive in the header", "cannot be told"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := freeAddress(t)
			args := proxy(t, address, handlings[name], tls.RequestClientCert, nil)
			status, output := check(t, "", append(args, "-header", "client-cert", "-listen", address)...)
			require.Equal(t, test.status, status, output)
			for _, text := range test.says {
				require.Contains(t, output, text)
			}
		})
	}
}

// The receiving end as a process of its own.
func TestApart(t *testing.T) {
	t.Parallel()
	command := exec.Command(program, "-listen", "127.0.0.1:0", "-format", "rfc9440")
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	lines := bufio.NewReader(stdout)
	first, err := lines.ReadString('\n')
	require.NoError(t, err)
	address, found := strings.CutPrefix(strings.TrimSpace(first), "listening on ")
	require.True(t, found, first)
	rest := make(chan string)
	go func() {
		text, _ := io.ReadAll(lines)
		rest <- string(text)
	}()

	for name, want := range map[string]int{"right": 0, "does not strip": 1} {
		status, output := check(t, "", proxy(t, address, handlings[name], tls.RequestClientCert, nil)...)
		require.Equal(t, want, status, output)
	}
	windows := runtime.GOOS == "windows"
	if windows { // no signal asks a process to stop
		require.NoError(t, command.Process.Kill())
	} else {
		require.NoError(t, command.Process.Signal(syscall.SIGTERM))
	}
	said := <-rest
	require.Contains(t, said, `arrived: ["Client-Cert"] certificate `)
	require.Contains(t, said, `arrived: ["Client_cert"] no certificate`)
	if err := command.Wait(); !windows {
		require.NoError(t, err)
	}
}

func TestProxyThatWantsACertificate(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t)
	certificate, err := as.NewClientCertificate("proxycheck")
	require.NoError(t, err)
	pair := []string{"-cert", certificateFile(t, certificate.Certificate[0]), "-key", keyFile(t, certificate.PrivateKey)}
	for name, test := range map[string]struct {
		auth   tls.ClientAuthType
		flags  []string
		handle string
		status int
		others bool // the certificate counts, and many clients would not present it
	}{
		"any":                        {tls.RequireAnyClientCert, nil, "right", 0, true},
		"any, given":                 {tls.RequireAnyClientCert, pair, "right", 0, false},
		"any, and adds":              {tls.RequireAnyClientCert, nil, "adds", 1, true},
		"any if any":                 {tls.RequestClientCert, nil, "right", 0, true},
		"a verified one":             {tls.RequireAndVerifyClientCert, nil, "right", 3, false},
		"a verified one, given":      {tls.RequireAndVerifyClientCert, pair, "right", 0, false},
		"a verified one, and adds":   {tls.RequireAndVerifyClientCert, pair, "adds", 1, false},
		"a verified one if any":      {tls.VerifyClientCertIfGiven, nil, "right", 3, false},
		"a verified one if any, bad": {tls.VerifyClientCertIfGiven, nil, "does not strip", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := freeAddress(t)
			args := proxy(t, address, handlings[test.handle], test.auth, as.ClientCAs())
			status, output := check(t, "", append(append(args, "-listen", address), test.flags...)...)
			require.Equal(t, test.status, status, output)
			require.Equal(t, test.others, strings.Contains(output, "names CAs"), output)
		})
	}
}

// Without any proxy everything passes, and what is forged is of its format.
func TestEveryFormat(t *testing.T) {
	t.Parallel()
	for _, format := range forwarded.Formats() {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			address := freeAddress(t)
			args := []string{"-url", "http://" + address, "-listen", address, "-format", string(format)}
			if format.Header() == "" {
				args = append(args, "-header", "X-SSL-Client-Cert")
			}
			status, output := check(t, "", args...)
			require.Equal(t, 1, status, output)
			if format != forwarded.Istio { // of which a client sends half
				require.Contains(t, output, "] certificate ")
			}
			require.NotContains(t, output, "forwarded_malformed")
		})
	}
}

// An endpoint that answers with its request's headers, as many do.
func TestEcho(t *testing.T) {
	t.Parallel()
	backend := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			fmt.Fprintln(w, name, values)
		}
	}))
	for name, want := range map[string]int{"right": 0, "does not strip": 1, "adds": 1} {
		status, output := check(t, "", proxy(t, backend, handlings[name], tls.RequestClientCert, nil)...)
		require.Equal(t, want, status, output)
	}
}

func TestNothingToSeeItBy(t *testing.T) {
	t.Parallel()
	status, output := check(t, "", proxy(t, api(t, newAuthorizationServer(t)), handlings["does not strip"], tls.RequestClientCert, nil)...)
	require.Equal(t, 3, status, output)
	require.Contains(t, output, "there is no -token")

	status, output = check(t, "", "-url", "https://"+freeAddress(t), "-format", "rfc9440")
	require.Equal(t, 3, status, output)
	require.Contains(t, output, "no answer")
}
