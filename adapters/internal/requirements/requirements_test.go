package requirements_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const ours = "github.com/certbound/certbound"

// frameworks are what the adapters are for, as the beginning of a module's path.
var frameworks = map[string]string{
	"bindhttp":  "net/http",
	"bindecho":  "github.com/labstack/echo/v4",
	"bindecho5": "github.com/labstack/echo/v5",
	"bindgin":   "github.com/gin-gonic/gin",
	"bindgrpc":  "google.golang.org/grpc",
	"bindotel":  "go.opentelemetry.io/",
	"bindredis": "github.com/valkey-io/",
}

// A program that imports one adapter compiles no other framework, and its go.mod names none. The module graph names those
// of the root module, because this module's go.mod does, and no line more: the go command reads nothing that they require.
// It names none of a nested module.
func TestAnAdapterPullsNoOtherFramework(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob(filepath.Join("..", "..", "bind*"))
	require.NoError(t, err)
	require.Greater(t, len(folders), 5)
	for _, folder := range folders {
		adapter := filepath.Base(folder)
		t.Run(adapter, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, frameworks, adapter)
			read(t, folder)
			others := maps.Clone(frameworks)
			delete(others, adapter)
			delete(others, "bindhttp")

			program := newProgram(t, adapter)
			packages := program.run(t, "list", "-deps", ".")
			require.Contains(t, packages, ours+"/adapters/"+adapter)
			require.Contains(t, strings.Join(packages, "\n")+"\n", frameworks[adapter])
			gomod, err := os.ReadFile(filepath.Join(program.folder, "go.mod"))
			require.NoError(t, err)
			graph := program.run(t, "mod", "graph")
			require.Contains(t, graph, program.module+" "+ours+"@v0.1.0")

			for other, framework := range others {
				for _, name := range packages {
					require.False(t, strings.HasPrefix(name, framework), "it compiles %s", name)
				}
				require.NotContains(t, string(gomod), "\t"+framework)
				for _, line := range graph {
					from, to, _ := strings.Cut(line, " ")
					require.False(t, strings.HasPrefix(from, framework), "the go command reads what it requires: %s", line)
					if isNested(other) && strings.HasPrefix(from, ours) {
						require.False(t, strings.HasPrefix(to, framework), line)
					}
				}
			}
		})
	}
}

// read reads what the go command will: so go test knows it, and runs this again when it is another.
func read(t *testing.T, folder string) {
	t.Helper()
	for _, pattern := range []string{"*.go", "go.mod"} {
		files, err := filepath.Glob(filepath.Join(folder, pattern))
		require.NoError(t, err)
		for _, file := range files {
			_, err := os.ReadFile(file)
			require.NoError(t, err)
		}
	}
}

// isNested says whether the adapter is a module of its own.
func isNested(adapter string) bool {
	_, err := os.Stat(filepath.Join("..", "..", adapter, "go.mod"))
	return err == nil
}

// A program is a user's module that imports one adapter.
type program struct{ module, folder string }

func newProgram(t *testing.T, adapter string) program {
	t.Helper()
	p := program{module: "bank.example/api", folder: t.TempDir()}
	home := filepath.Join("..", "..", "..") // of the module that the adapter is in
	gomod := fmt.Sprintf("module %s\n\ngo 1.25.0\n", p.module) + needs(t, ours, home)
	if isNested(adapter) {
		home = filepath.Join(home, "adapters", adapter)
		gomod += needs(t, ours+"/adapters/"+adapter, home)
	}
	gosum, err := os.ReadFile(filepath.Join(home, "go.sum"))
	require.NoError(t, err)
	for file, text := range map[string]string{
		"go.mod":  gomod,
		"go.sum":  string(gosum),
		"main.go": fmt.Sprintf("package main\n\nimport _ %q\n\nfunc main() {}\n", ours+"/adapters/"+adapter),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(p.folder, file), []byte(text), 0o600))
	}
	return p
}

// needs requires a module of ours in the version that will be, from this checkout.
func needs(t *testing.T, module, folder string) string {
	t.Helper()
	absolute, err := filepath.Abs(folder)
	require.NoError(t, err)
	return fmt.Sprintf("\nrequire %s v0.1.0\n\nreplace %[1]s => %q\n", module, absolute)
}

// run runs the go command there, and returns the lines that it prints.
func (p program) run(t *testing.T, arguments ...string) []string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", arguments...)
	command.Dir = p.folder
	command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	command.Stderr = os.Stderr
	output, err := command.Output()
	require.NoError(t, err)
	return strings.Split(strings.TrimSpace(string(output)), "\n")
}
