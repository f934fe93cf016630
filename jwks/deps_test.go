package jwks_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What judges a signature, of a token or of a proof, needs the standard library and this module alone.
func TestImportsAreOfTheStandardLibrary(t *testing.T) {
	t.Parallel()
	goTool, err := exec.LookPath("go")
	require.NoError(t, err, "this test asks the go command")
	const module = "github.com/certbound/certbound"
	for _, path := range []string{"jwks/internal/jws", "jwks/dpop"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			command := exec.CommandContext(t.Context(), goTool, "list", "-deps",
				"-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", module+"/"+path)
			command.Stderr = os.Stderr
			output, err := command.Output()
			require.NoError(t, err)
			packages := strings.Fields(string(output))
			require.Contains(t, packages, module+"/"+path)
			for _, name := range packages {
				isOurs := name == module+"/binding" || strings.HasPrefix(name, module+"/binding/internal/") || name == module+"/binding/events" ||
					name == module+"/jwks/internal/jws" || name == module+"/"+path
				require.True(t, isOurs, "%s needs %s", path, name)
			}
			if path == "jwks/internal/jws" {
				require.Len(t, packages, 1, "nor anything else of this module")
			}
		})
	}
}
