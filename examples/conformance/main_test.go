package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/examples/internal/builds"
	"github.com/certbound/certbound/examples/internal/freeport"
)

// The programs, built once: the command, the server of examples/server, and one
// that checks nothing.
var conformance, server, broken string

func TestMain(m *testing.M) {
	builds.Main(m, map[string]*string{".": &conformance, "../server": &server, "./testdata/broken": &broken})
}

// serverLine is the command line of examples/server.
func serverLine(flags ...string) []string {
	return append([]string{server, "-issuer", "{issuer}", "-audience", "{audience}", "-as-ca", "{ca-file}",
		"-listen", "{listen}", "-tls-cert", "{cert-file}", "-tls-key", "{key-file}"}, flags...)
}

// call runs the command to its end.
func call(t *testing.T, flags, line []string) (status int, stdout, stderr string) {
	t.Helper()
	if line != nil {
		flags = append(append(flags[:len(flags):len(flags)], "--"), line...)
	}
	command := exec.Command(conformance, append([]string{"-timeout", "1m"}, flags...)...)
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		require.NoError(t, err)
	}
	for _, sign := range []string{"eyJ", "-----BEGIN", "MII"} {
		require.NotContains(t, out.String()+errs.String(), sign, "a token or a certificate is in the output")
	}
	return command.ProcessState.ExitCode(), out.String(), errs.String()
}

// summary is the last line of the output.
func summary(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return lines[len(lines)-1]
}

func TestExampleServerPassesAllRows(t *testing.T) {
	t.Parallel()
	for _, framework := range []string{"nethttp", "echo", "gin"} {
		t.Run(framework, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := call(t,
				[]string{"-dpop", "-level", "should", "-path", "/whoami", "-scope-path", "/payments", "-removed-key-after", "30s", "-key-wait", "30s", "-wait", "1m"},
				serverLine("-framework", framework, "-jwks-refresh", "1s", "-dpop-origins", "https://{listen}"))
			require.Zero(t, status, stdout+stderr)
			counts := regexp.MustCompile(`^conformance: (\d+) rows, (\d+) as expected, 11 skipped; \d+ cases, none failed$`).FindStringSubmatch(summary(stdout))
			require.Len(t, counts, 3, stdout)
			require.Equal(t, counts[1], counts[2])
			t.Log(summary(stdout))
		})
	}
}

func TestExampleServerThatWantsNonces(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := call(t,
		[]string{"-once", "-dpop", "-dpop-origin", "https://api.example", "-dpop-nonces", "-level", "should", "-path", "/whoami", "-scope-path", "/payments"},
		serverLine("-dpop-origins", "https://api.example", "-dpop-nonce"))
	require.Zero(t, status, stdout+stderr)
	require.Regexp(t, `; \d+ cases, none failed$`, summary(stdout))
}

func TestExampleServerThatAcceptsUnboundTokens(t *testing.T) {
	t.Parallel()
	line := serverLine("-policy", "if-bound")
	status, stdout, _ := call(t, []string{"-once", "-level", "should", "-path", "/whoami"}, line)
	require.Equal(t, 1, status)
	require.Contains(t, stdout, "deviates     F/148 no cnf\n    got 200; should be 401 invalid_token (RFC 8705 §3)")
	status, stdout, _ = call(t, []string{"-once", "-path", "/whoami"}, line)
	require.Zero(t, status, stdout)
	status, stdout, _ = call(t, []string{"-once", "-level", "should", "-path", "/whoami", "-accepts-unbound"}, line)
	require.Zero(t, status, stdout)
}

func TestExampleServerWithOpaqueTokens(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := call(t, []string{"-opaque", "-dpop", "-level", "should", "-except", "431=the next step of ByForm", "-path", "/whoami", "-scope-path", "/payments"},
		serverLine("-dpop-origins", "https://{listen}", "-introspection={introspection}", "-client-id", "api", "-client-cert", "{cert-file}", "-client-key", "{key-file}"))
	require.Zero(t, status, stdout+stderr)
	require.Regexp(t, `^conformance: \d+ rows, .*; \d+ cases, none failed$`, summary(stdout))
}

func TestBrokenServer(t *testing.T) {
	t.Parallel()
	line := []string{broken, "listen", "{listen}", "{cert-file}", "{key-file}"}
	status, stdout, stderr := call(t, []string{"-once"}, line)
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "section A")
	require.Contains(t, stderr, "started up to 1 times")
	require.NotContains(t, stdout, "deviates ")
	require.Contains(t, stdout, "violates     F/147 another certificate\n    got 200; must be 401 invalid_token (RFC 8705 §3)")
	require.Contains(t, stdout, "violates     C/66 alg none, no signature")
	require.NotContains(t, stdout, "F/145")
	require.Regexp(t, `^conformance: \d+ rows, \d+ as expected, \d+ deviating, \d+ violating, \d+ skipped; \d+ cases, \d+ failed$`, summary(stdout))

	t.Run("a row that is excepted does not count", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "report.json")
		status, stdout, _ := call(t, []string{"-once", "-v", "-json", file, "-except", "147=we like thieves"}, line)
		require.Equal(t, 1, status)
		require.Contains(t, stdout, "not counted: we like thieves")
		require.Contains(t, stdout, "as expected  F/145 the right certificate: 200")
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var report struct {
			Level   string
			Summary struct{ Rows, Violating, Failed int }
			Results []struct {
				Row    int
				Failed bool
			}
		}
		require.NoError(t, json.Unmarshal(text, &report))
		require.Equal(t, "must", report.Level)
		require.Greater(t, report.Summary.Rows, 100)
		for _, result := range report.Results {
			require.False(t, result.Row == 147 && result.Failed)
		}
	})
	t.Run("JSON in place of the text", func(t *testing.T) {
		t.Parallel()
		status, stdout, _ := call(t, []string{"-once", "-json", "-"}, line)
		require.Equal(t, 1, status)
		require.True(t, json.Valid([]byte(stdout)))
	})
}

func TestWhatCannotBeTold(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		flags, line []string
		says        []string
	}{
		"refuses everybody":      {[]string{"-start-wait", "10ms"}, []string{broken, "refuse", "{listen}", "{cert-file}", "{key-file}"}, []string{"the good request was not accepted", "401 without a Bearer challenge", "it printed:", "-verifies-clients"}},
		"ends":                   {nil, []string{broken, "exit"}, []string{"ended before it could be reached", "this is what is wrong"}},
		"does not listen":        {[]string{"-wait", "100ms"}, []string{broken, "deaf"}, []string{"cannot be reached"}},
		"no such program":        {nil, []string{"./no-such-program"}, []string{"no-such-program"}},
		"nothing to ask":         {nil, nil, []string{"either -url, or --"}},
		"both":                   {[]string{"-url", "https://127.0.0.1:1"}, []string{"x"}, []string{"either -url, or --"}},
		"an empty command line":  {nil, []string{}, []string{"no command line"}},
		"a claim without JSON":   {[]string{"-claim", "a=b"}, []string{"x"}, []string{"-claim", "JSON"}},
		"a variable without =":   {[]string{"-env", "a"}, []string{"x"}, []string{"-env"}},
		"an unknown placeholder": {nil, []string{"x", "-a={isuer}"}, []string{"{isuer}", "{issuer}"}},
		"many mistakes": {
			[]string{"-level", "may", "-url", "http://x", "-except", "1", "-wait", "-1s"}, nil, []string{"-except"},
		},
		"more mistakes":        {[]string{"-level", "may", "-url", "http://x", "-wait", "-1s", "-root-ca", "missing"}, nil, []string{"-level", "-url", "-wait", "-root-ca"}},
		"the kit's own":        {[]string{"-path", "x", "-algorithm", "HS256"}, []string{"x"}, []string{"Path"}},
		"no server at the URL": {[]string{"-url", "https://127.0.0.1:1", "-wait", "1ms", "-start-wait", "1ms"}, nil, []string{"the good request was not accepted"}},
		"arguments before --":  {[]string{"x"}, []string{"x"}, []string{"unexpected argument"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := call(t, row.flags, row.line)
			for try := 0; try < 3 && len(row.line) > 0 && strings.Contains(stderr, "connection refused"); try++ {
				// Another program had the port for a moment, and was taken for the server.
				status, stdout, stderr = call(t, row.flags, row.line)
			}
			require.Equal(t, 2, status, stdout+stderr)
			for _, text := range row.says {
				require.Contains(t, stderr, text)
			}
			require.NotContains(t, stdout, "rows", "a summary of nothing")
		})
	}
}

func TestHelpAndList(t *testing.T) {
	t.Parallel()
	status, stdout, _ := call(t, []string{"-help"}, nil)
	require.Zero(t, status)
	require.Contains(t, stdout, "-scope-path")
	status, stdout, _ = call(t, []string{"-list"}, nil)
	require.Zero(t, status)
	require.Contains(t, stdout, "F/147 another certificate\n    must be 401 invalid_token; should be 401 invalid_token (RFC 8705 §3)\n")
}

// A server that runs already is told by hand what the command prints.
func TestURL(t *testing.T) {
	t.Parallel()
	address, err := freeport.Address(1)
	require.NoError(t, err)
	command := exec.Command(conformance, "-url", "https://"+address, "-path", "/whoami", "-level", "should", "-wait", "2m")
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill() })
	said, lines := make(map[string]string), bufio.NewScanner(output)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "waiting") {
		if name, value, found := strings.Cut(strings.TrimSpace(lines.Text()), " "); found {
			said[name] = strings.TrimSpace(value)
		}
	}
	api := exec.Command(server, "-issuer", said["issuer"], "-audience", said["audience"], "-as-ca", said["ca-file"],
		"-tls-cert", said["cert-file"], "-tls-key", said["key-file"], "-listen", address)
	require.NoError(t, api.Start())
	t.Cleanup(func() {
		_ = api.Process.Kill()
		_ = api.Wait()
	})
	var last string
	for lines.Scan() {
		last = lines.Text()
	}
	require.NoError(t, command.Wait(), last)
	require.Regexp(t, `^conformance: (\d+) rows, \d+ as expected`, last)
	require.NoFileExists(t, said["key-file"], "the private key is left behind")
}
