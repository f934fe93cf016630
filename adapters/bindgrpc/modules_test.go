package bindgrpc_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A program that imports this adapter links no other framework, and requires none; one that imports another adapter does not
// even hear of grpc-go.
func TestModuleOfAUser(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	const module = "github.com/certbound/certbound"
	for adapter, test := range map[string]struct {
		requires                   string // of go.mod
		notLinked, notRequired, no string // patterns of what is not among them
	}{
		"bindgrpc": {module + "/adapters/bindgrpc v0.1.0", `gin-gonic|labstack|opentelemetry|valkey|redis|jwx`, `gin-gonic|labstack|valkey|redis`, `opentelemetry\.io/otel/sdk `},
		"bindhttp": {module + " v0.1.0", `gin-gonic|labstack|opentelemetry|valkey|redis|jwx|google\.golang\.org/grpc`, `gin-gonic|labstack|valkey|redis|google\.golang\.org/grpc`, `google\.golang\.org/grpc@|opentelemetry`},
		"bindecho": {module + " v0.1.0", `gin-gonic|opentelemetry|valkey|redis|jwx|google\.golang\.org/grpc`, `gin-gonic|valkey|redis|google\.golang\.org/grpc`, `google\.golang\.org/grpc@|opentelemetry`},
	} {
		t.Run(adapter, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			write := func(name, content string) {
				require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
			}
			write("go.mod", "module bank.example/accounts\n\ngo 1.25.0\n\nrequire "+test.requires+"\n\n"+
				"replace "+module+" => "+root+"\n\nreplace "+module+"/adapters/bindgrpc => "+root+"/adapters/bindgrpc\n")
			write("main.go", "package main\n\nimport _ \""+module+"/adapters/"+adapter+"\"\n\nfunc main() {}\n")
			run := func(arguments ...string) string {
				command := exec.CommandContext(t.Context(), "go", arguments...)
				command.Dir, command.Stderr = folder, os.Stderr
				output, err := command.Output()
				require.NoError(t, err, arguments)
				return string(output)
			}
			run("mod", "tidy")
			linked := run("list", "-deps", ".")
			require.Contains(t, linked, module+"/adapters/"+adapter+"\n")
			require.NotRegexp(t, test.notLinked, linked)
			required, err := os.ReadFile(filepath.Join(folder, "go.mod"))
			require.NoError(t, err)
			require.NotRegexp(t, test.notRequired, string(required))
			require.NotRegexp(t, test.no, run("mod", "graph"))
		})
	}
}
