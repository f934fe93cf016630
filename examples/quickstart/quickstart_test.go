package main_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/examples/internal/builds"
	"github.com/certbound/certbound/examples/internal/freeport"
	"github.com/certbound/certbound/examples/internal/processlog"
)

// The programs, built once, by what each calls its framework.
var program, echo, gin string

func TestMain(m *testing.M) {
	builds.Main(m, map[string]*string{".": &program, "echo": &echo, "gin": &gin})
}

// sgr is how a terminal is told of a colour.
var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestTheStoryEndsWellInEveryFramework(t *testing.T) {
	t.Parallel()
	for framework, program := range map[string]*string{"net/http": &program, "echo": &echo, "gin": &gin} {
		t.Run(framework, func(t *testing.T) {
			t.Parallel()
			output, err := exec.Command(*program, "-color", "always").CombinedOutput()
			require.NoError(t, err, string(output))
			require.Regexp(t, sgr, string(output))
			transcript := sgr.ReplaceAllString(string(output), "")
			require.Contains(t, transcript, "with "+framework)
			before, after, found := strings.Cut(transcript, "With Certbound: ")
			require.True(t, found)
			require.Equal(t, 1, strings.Count(before, " |   GET /accounts -> 200 OK\n"), "the thief is served where bearer tokens are taken")
			require.Equal(t, 2, strings.Count(after, "-> 200 OK"))
			require.NotContains(t, after, " |   GET /accounts -> 200", "the thief is served")
			require.Equal(t, 1, strings.Count(after, "-> 403 Forbidden"))
			require.Equal(t, 9, strings.Count(after, "-> 401 Unauthorized"))
			require.Equal(t, 7, strings.Count(after, " |   GET "), "what a thief does stands behind a bar")
			require.Equal(t, 7, strings.Count(after, `error="invalid_token"`))
			require.Equal(t, 1, strings.Count(after, `error="invalid_dpop_proof"`))
			require.Contains(t, after, `cnf: {"jkt":`)
			require.NotContains(t, transcript, "WRONG")
			require.NotContains(t, transcript, "eyJ", "a token is in the transcript")
			for line := range strings.Lines(transcript) {
				require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), 80, line)
			}
		})
	}
}

func TestNoColourWithoutATerminal(t *testing.T) {
	t.Parallel()
	output, err := exec.Command(program).Output()
	require.NoError(t, err)
	require.NotRegexp(t, sgr, string(output))
}

// What a newcomer downloads and compiles first is no framework.
func TestTheFirstStoryNeedsNoFramework(t *testing.T) {
	t.Parallel()
	output, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".").Output()
	require.NoError(t, err)
	modules := strings.Fields(string(output))
	slices.Sort(modules)
	require.Equal(t, []string{
		"github.com/certbound/certbound",
		"github.com/lestrrat-go/blackmagic", "github.com/lestrrat-go/httpcc", "github.com/lestrrat-go/httprc",
		"github.com/lestrrat-go/iter", "github.com/lestrrat-go/jwx/v2", "github.com/lestrrat-go/option",
		"github.com/maypok86/otter/v2",
		"golang.org/x/crypto",
	}, slices.Compact(modules))
}

func TestMistakesOfTheCommandLine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		arguments []string
		said      string
	}{
		"the framework as an argument": {[]string{"echo"}, "./examples/quickstart/echo"},
		"a port, and no -serve":        {[]string{"-port", "8443"}, "-port:"},
		"no room for four ports":       {[]string{"-serve", "-port", "65533"}, "-port:"},
		"a folder, and no -serve":      {[]string{"-dir", "."}, "-dir:"},
		"a proof of nobody":            {[]string{"-prove", "https://api.example"}, "-prove:"},
		"an unknown colour":            {[]string{"-color", "blue"}, "-color:"},
		"an unknown flag":              {[]string{"-framework", "echo"}, "-framework"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			output, err := exec.Command(program, test.arguments...).CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, 2, exit.ExitCode())
			require.Contains(t, string(output), test.said)
		})
	}
}

// A served is a program that stays up, and what it says to its user.
type served struct {
	command  *exec.Cmd
	folder   string
	said     []string
	log      *processlog.Buffer // the API's
	commands map[string][]string
	tokens   map[string]string // by the name of the file, the status of GET /accounts
}

var tokenLine = regexp.MustCompile(`^  (token[a-z-]*) +.*: (\d{3})\b`)

// serve runs the program until the test ends, and reads what it says: commands
// under a comment that ends in the status of the last one.
func serve(t *testing.T, arguments ...string) *served {
	t.Helper()
	s := &served{
		command: exec.Command(program, append([]string{"-serve"}, arguments...)...), log: &processlog.Buffer{},
		commands: make(map[string][]string), tokens: make(map[string]string),
	}
	s.command.Stderr = s.log
	stdout, err := s.command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.command.Start())
	t.Cleanup(func() { _ = s.command.Process.Kill() })

	comment := ""
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		line := lines.Text()
		s.said = append(s.said, line)
		after, begins := strings.CutPrefix(line, "# ")
		token := tokenLine.FindStringSubmatch(line)
		folder, moves := strings.CutPrefix(line, "cd ")
		switch {
		case moves:
			s.folder = folder
		case begins:
			comment = after
		case token != nil:
			s.tokens[token[1]] = token[2]
		case line == "":
			comment = ""
		case comment != "":
			s.commands[comment] = append(s.commands[comment], line)
		}
		if strings.HasSuffix(line, "The API's log:") {
			break
		}
	}
	require.NotEmpty(t, s.folder, s.said)
	return s
}

// The curl commands that -serve prints for another terminal are run, and get the
// answers that it says; so does each token that it leaves.
func TestServeStaysUpForAnotherTerminal(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("curl differs: which TLS it has, and which keys that reads")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip(err)
	}
	s := serve(t)
	for _, line := range s.said {
		if !strings.HasPrefix(line, "cd ") {
			require.LessOrEqual(t, len(line), 80, line)
		}
	}
	here, err := os.Getwd()
	require.NoError(t, err)
	// The program is the one of go run, and the proof is made before it is used twice.
	run := func(commands []string) (string, error) {
		script := strings.ReplaceAll(strings.Join(commands, "\n"), "go run github.com/certbound/certbound/examples/quickstart", program)
		script = strings.ReplaceAll(script, "go run github.com/certbound/certbound/examples/inspect", "go run -C "+here+" ../inspect")
		for _, file := range []string{"ca.pem", "thief.pem"} { // go run -C is elsewhere
			script = strings.ReplaceAll(script, " "+file+" -", " \"$PWD\"/"+file+" -")
		}
		command := exec.Command("sh", "-c", script)
		command.Dir = s.folder
		var stderr bytes.Buffer
		command.Stderr = &stderr
		output, err := command.Output()
		return string(output) + stderr.String(), err
	}
	statuses := 0
	var proof []string
	for _, comment := range slices.Sorted(func(yield func(string) bool) {
		for comment := range s.commands {
			if !yield(comment) {
				return
			}
		}
	}) {
		commands := s.commands[comment]
		what, status, found := strings.Cut(comment, ": ")
		switch {
		case !found:
			continue
		case strings.HasPrefix(commands[0], "PROOF="):
			proof = commands
		case strings.Contains(what, "captured"):
			continue // below
		}
		statuses++
		output, err := run(commands)
		require.NoError(t, err, "%s: %s", comment, output)
		require.Regexp(t, `^HTTP/[0-9.]+ `+status+` `, output, comment)
	}
	require.Equal(t, 8, statuses)

	require.NotEmpty(t, proof)
	output, err := run(append(proof, s.commands["a thief who has captured both, for the proof was used: 401"]...))
	require.NoError(t, err)
	require.Contains(t, output, " 401 ")
	require.Contains(t, output, "invalid_dpop_proof")

	// Why the thief is refused.
	output, err = run(s.commands["why the thief is refused"])
	require.Error(t, err, "the thief would get in")
	require.Regexp(t, `(?m)^signature +ok `, output)
	require.Regexp(t, `(?m)^audience +ok `, output)
	require.Regexp(t, `(?m)^verdict +FAIL .*\(thumbprint_mismatch\)$`, output)

	// Every kind of token.
	require.Len(t, s.tokens, 9)
	client := s.commands["the client: 200"]
	for token, status := range s.tokens {
		output, err := run([]string{strings.ReplaceAll(strings.Join(client, "\n"), "$(cat token)", "$(cat "+token+")")})
		require.NoError(t, err)
		require.Regexp(t, `^HTTP/[0-9.]+ `+status+` `, output, token)
	}
	require.Contains(t, s.log.String(), "reason=thumbprint_mismatch", "the API's log")
	require.NotContains(t, s.log.String(), "eyJ")

	// An API of your own has a certificate for localhost, of the same root.
	read := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join(s.folder, name))
		require.NoError(t, err)
		return content
	}
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(read("ca.pem")))
	identity, err := tls.X509KeyPair(read("server.pem"), read("server-key.pem"))
	require.NoError(t, err)
	_, err = identity.Leaf.Verify(x509.VerifyOptions{DNSName: "localhost", Roots: roots})
	require.NoError(t, err)

	require.NoError(t, s.command.Process.Signal(syscall.SIGTERM))
	require.NoError(t, s.command.Wait())
	require.NoDirExists(t, s.folder, "private keys are left behind")
}

// A folder that was named stays, and is written anew with the next start; the
// ports are those that were asked for.
func TestServeWithPortsAndAFolderThatStays(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no signal asks a process to stop")
	}
	folder := filepath.Join(t.TempDir(), "new")
	first, err := freeport.Address(4)
	require.NoError(t, err)
	_, text, err := net.SplitHostPort(first)
	require.NoError(t, err)
	port, err := strconv.Atoi(text)
	require.NoError(t, err)
	var tokens []string
	for range 2 {
		s := serve(t, "-port", fmt.Sprint(port), "-dir", folder)
		require.Contains(t, s.said[0], fmt.Sprintf("https://127.0.0.1:%d", port+2))
		require.Contains(t, s.said[1], fmt.Sprintf("https://127.0.0.1:%d", port))
		require.Contains(t, s.said[2], fmt.Sprintf("https://127.0.0.1:%d", port+1))
		require.NoError(t, s.command.Process.Signal(syscall.SIGTERM))
		require.NoError(t, s.command.Wait())
		token, err := os.ReadFile(filepath.Join(folder, "token"))
		require.NoError(t, err)
		tokens = append(tokens, string(token))
		key, err := os.Stat(filepath.Join(folder, "client-key.pem"))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), key.Mode().Perm())
	}
	require.NotEqual(t, tokens[0], tokens[1])
}
