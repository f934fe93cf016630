package documents_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var blanks = regexp.MustCompile(`\s+`)

// directives are the lines of a configuration, without comments and indentation.
func directives(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(" "+line, " #")
		if line = strings.TrimSpace(blanks.ReplaceAllString(line, " ")); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// checkNginx: what examples/proxies fills in with values of its tests is written with values of an example here.
func checkNginx(t *testing.T, b block, _ []block) {
	tested, err := os.ReadFile(filepath.Join(root, "examples", "proxies", "nginx", "nginx.conf"))
	require.NoError(t, err)
	known := directives(string(tested))
	for _, directive := range directives(b.text) {
		found := false
		for _, k := range known {
			pattern := regexp.QuoteMeta(k)
			pattern = regexp.MustCompile(`\\\{\\\{\\?\.\w+\\\}\\\}`).ReplaceAllString(pattern, `[^ ;]+`)
			found = found || regexp.MustCompile("^"+pattern+"$").MatchString(directive)
		}
		require.True(t, found, "%s:%d: examples/proxies/nginx/nginx.conf has no %q", b.document, b.line, directive)
	}
}

func checkYAML(t *testing.T, b block, _ []block) {
	t.Helper()
	depth := 0
	for _, line := range strings.Split(strings.TrimRight(b.text, "\n"), "\n") {
		indented := len(line) - len(strings.TrimLeft(line, " "))
		require.NotContains(t, line, "\t", "%s:%d", b.document, b.line)
		require.True(t, indented%2 == 0 && indented <= depth+4, "%s:%d: %q is indented by %d", b.document, b.line, line, indented)
		depth = indented
	}
}

// checkJava: each line is one of the program that examples/authorizationservers runs.
func checkJava(t *testing.T, b block, _ []block) {
	tested, err := os.ReadFile(filepath.Join(root, "examples", "authorizationservers", "spring", "src", "main", "java", "example", "Server.java"))
	require.NoError(t, err)
	known := directives(string(tested))
	for _, line := range directives(b.text) {
		require.Contains(t, known, line, "%s:%d", b.document, b.line)
	}
}

// checkJSON: examples/authorizationservers gives it to the server that it is for.
func checkJSON(t *testing.T, b block, _ []block) {
	require.True(t, json.Valid([]byte(b.text)), "%s:%d", b.document, b.line)
}
