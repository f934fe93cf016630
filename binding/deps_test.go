package binding_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The decision, the header formats and the net/http adapter bring nothing into a user's module graph: they need the standard
// library and this module alone. golang.org/x is not the standard library.
func TestImportsAreOfTheStandardLibrary(t *testing.T) {
	t.Parallel()
	goTool, err := exec.LookPath("go")
	require.NoError(t, err, "this test asks the go command")
	const module = "github.com/certbound/certbound"
	for _, path := range []string{"binding", "binding/internal/strictjson", "binding/internal/grammar", "binding/events", "binding/forwarded", "adapters/bindhttp"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join("..", filepath.FromSlash(path))
			files, err := filepath.Glob(filepath.Join(folder, "*.go"))
			require.NoError(t, err)
			require.NotEmpty(t, files, "there is no Go file in %s", path)

			command := exec.CommandContext(t.Context(), goTool, "list", "-deps",
				"-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", module+"/"+path)
			command.Stderr = os.Stderr
			output, err := command.Output()
			require.NoError(t, err)
			packages := strings.Fields(string(output))
			require.Contains(t, packages, module+"/"+path)
			for _, name := range packages {
				require.True(t, strings.HasPrefix(name, module+"/"), "%s needs %s", path, name)
				require.NotContains(t, name, "/jwks", path)
				require.NotContains(t, name, "/bindingtest", path)
			}
		})
	}
}
