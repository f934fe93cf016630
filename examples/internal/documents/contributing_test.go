package documents_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	// inCommand is a file or a folder of this repository in a command.
	inCommand = regexp.MustCompile(`(?:^| )(?:\./)?((?:\.ci|examples|binding)/?[\w./-]*)`)
	// flagsIn are the flags in a command, but for the go command's capitals.
	flagsIn = regexp.MustCompile(`(?:^| )-([a-z]+)\b`)
	// ofGo are the go command's own, in that table.
	ofGo = []string{"json", "run"}
)

// What CONTRIBUTING.md says runs what is there, and knows the flags that it says.
func TestCommandsOfCONTRIBUTING(t *testing.T) {
	t.Parallel()
	_, table, found := strings.Cut(documents(t)[".github/CONTRIBUTING.md"], "| command | what it does |\n|---|---|\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	checked := 0
	for line := range strings.Lines(table) {
		codes := quoted.FindAllStringSubmatch(line, -1)
		require.NotEmpty(t, codes, line)
		source := ""
		for _, match := range inCommand.FindAllStringSubmatch(codes[0][1], -1) {
			source += sourceOf(t, filepath.Join(root, match[1]))
		}
		for _, code := range codes {
			for _, flag := range flagsIn.FindAllStringSubmatch(code[1], -1) {
				if !slices.Contains(ofGo, flag[1]) {
					checked++ // a flag.String("name", ...), or a case of a script
					require.Regexp(t, `"`+flag[1]+`",|\s-`+flag[1]+`\)`, source, "%s: -%s", codes[0][1], flag[1])
				}
			}
		}
	}
	require.NotZero(t, checked)
}

// Every file that CONTRIBUTING.md's reading list names is there.
func TestReadingListOfCONTRIBUTING(t *testing.T) {
	t.Parallel()
	_, list, found := strings.Cut(documents(t)[".github/CONTRIBUTING.md"], "## Where to begin reading\n")
	require.True(t, found)
	list, _, _ = strings.Cut(list, "\n## ")
	var files []string
	require.NoError(t, filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		files = append(files, filepath.ToSlash(path))
		return err
	}))
	named := 0
	for _, match := range quoted.FindAllStringSubmatch(list, -1) {
		if strings.HasSuffix(match[1], ".go") {
			named++
			require.True(t, slices.ContainsFunc(files, func(file string) bool { return strings.HasSuffix(file, "/"+match[1]) }), match[1])
		}
	}
	require.Greater(t, named, 30)
}

// sourceOf is the text of a file, or of the Go files of a folder.
func sourceOf(t *testing.T, name string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(name, "*.go"))
	require.NoError(t, err)
	if len(files) == 0 {
		files = []string{name}
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(text)
	}
	return all.String()
}
