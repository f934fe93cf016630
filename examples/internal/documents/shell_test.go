package documents_test

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// commands are the lines of a script, those that a backslash continues joined.
func commands(text string) []string {
	var all []string
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		line, _, _ = strings.Cut(" "+line, " #")
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// elsewhere are commands that something else runs than a test of this package.
var elsewhere = []string{
	"go test ./...", // who reads this
	"bash .ci/run",  // the workflow
}

func checkShell(t *testing.T, b block, _ []block) {
	for _, command := range commands(b.text) {
		if slices.Contains(elsewhere, command) {
			continue
		}
		arguments := strings.Fields(command)
		require.GreaterOrEqual(t, len(arguments), 3, "%s:%d: %q", b.document, b.line, command)
		require.Equal(t, "go run", strings.Join(arguments[:2], " "), "%s:%d: nothing tries %q", b.document, b.line, command)
		example := strings.Replace(arguments[2], module, ".", 1)
		require.True(t, strings.HasPrefix(example, "./examples/"), "%s:%d: %q", b.document, b.line, command)
		if len(arguments) == 3 {
			output, err := goCommand("run", example)
			require.NoError(t, err, "%s:%d: %s: %s", b.document, b.line, command, output)
			continue
		}
		// It needs what only its user has. What can be known is that it takes the flags.
		usage, _ := goCommand("run", example, "-help")
		for _, argument := range arguments[3:] {
			if name := flagName.FindString(argument); name != "" {
				require.Regexp(t, `(?m)^\s+`+name+`\b`, usage, "%s:%d: %s", b.document, b.line, command)
			}
		}
	}
}

var flagName = regexp.MustCompile(`^-[a-z][a-z0-9-]*`)

func goCommand(arguments ...string) (string, error) {
	command := exec.Command("go", arguments...)
	command.Dir = root
	output, err := command.CombinedOutput()
	return string(output), err
}
