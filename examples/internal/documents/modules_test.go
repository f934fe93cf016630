package documents_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Dependabot looks after each module of Go and of npm that is in this repository, and after no other.
func TestDependabotKnowsEveryModule(t *testing.T) {
	t.Parallel()
	found := make(map[string][]string) // folders from the root, by the file that makes a module of one
	require.NoError(t, filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if entry.Name() == "go.mod" || entry.Name() == "package-lock.json" {
			folder, err := filepath.Rel(root, filepath.Dir(name))
			if err != nil {
				return err
			}
			found[entry.Name()] = append(found[entry.Name()], path.Join("/", filepath.ToSlash(folder)))
		}
		return nil
	}))
	text, err := os.ReadFile(filepath.Join(root, ".github", "dependabot.yml"))
	require.NoError(t, err)
	known := make(map[string][]string)
	ecosystem := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if after, is := strings.CutPrefix(line, "- package-ecosystem: "); is {
			ecosystem = after
		}
		after, _ := strings.CutPrefix(line, "directory: ")
		folder, _ := strings.CutPrefix(after, "- ")
		if strings.HasPrefix(folder, "/") {
			known[ecosystem] = append(known[ecosystem], folder)
		}
	}
	require.ElementsMatch(t, found["go.mod"], known["gomod"])
	require.ElementsMatch(t, found["package-lock.json"], known["npm"])
}
