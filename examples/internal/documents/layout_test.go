package documents_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// ofThisModule is public because packages in several folders need it, and no user does.
const ofThisModule = "binding/events"

// README.md names every package that users import, and examples/README.md every example.
func TestLayout(t *testing.T) {
	t.Parallel()
	_, layout, found := strings.Cut(documents(t)["README.md"], "\n## Packages\n")
	require.True(t, found)

	command := exec.Command("go", "list", "./...")
	command.Dir = root
	output, err := command.Output()
	require.NoError(t, err)
	packages := 0
	for name := range strings.FieldsSeq(string(output)) {
		name = strings.TrimPrefix(name, module+"/")
		if strings.HasPrefix(name, "examples/") || strings.Contains(name, "/internal/") || name == ofThisModule {
			continue
		}
		packages++
		if _, adapter, ok := strings.Cut(name, "adapters/"); ok && !strings.Contains(layout, "`"+name+"`") {
			name = adapter
		}
		require.Contains(t, layout, "`"+name+"`")
	}
	require.NotZero(t, packages)

	examples, err := os.ReadDir(filepath.Join(root, "examples"))
	require.NoError(t, err)
	for _, example := range examples {
		if name := example.Name(); example.IsDir() && name != "internal" {
			require.Contains(t, documents(t)["examples/README.md"], fmt.Sprintf("| [`%s`](%[1]s) |", name))
		}
	}
}
