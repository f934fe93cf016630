package proxies_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The self-check for operators, through the real proxies: it says of the right
// configuration that nothing passes, and finds the fault in the wrong one.
func TestProxycheck(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p product) {
		w := newWorld(t)
		api, _ := w.server(t, p, backend{trust: byAddress})
		empty := backend{port: freePort(t), trust: byAddress} // proxycheck -listen will be there
		client := newClient(t)
		token := w.token(t, client)
		cert := w.write(t, "client.pem", []byte(pemOf(client.leaf())))
		for name, test := range map[string]struct {
			change func(string) string
			status int
		}{
			"the right configuration": {nil, 0},
			"without the line":        {p.without(t), 1},
		} {
			t.Run(name, func(t *testing.T) {
				f := w.front(t, p, empty, test.change)
				status, output := w.proxycheck(t, f, p, "", "-listen", "127.0.0.1:"+empty.port)
				require.Equal(t, test.status, status, output)
				t.Log(output)

				f = w.front(t, p, api, test.change)
				status, output = w.proxycheck(t, f, p, token, "-token", "-")
				require.Equal(t, test.status, status, output)

				status, output = w.proxycheck(t, f, p, token, "-token", "-", "-cert", cert)
				require.Equal(t, test.status, status, output)
				require.NotContains(t, output, token)
			})
		}
	})
}

func (w *world) proxycheck(t *testing.T, f front, p product, stdin string, flags ...string) (status int, output string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, program(t, buildProxycheck), append([]string{
		"-url", f.url, "-format", p.format, "-ca", filepath.Join(w.dir, "roots.pem"),
	}, flags...)...)
	command.Stdin = strings.NewReader(stdin)
	text, _ := command.CombinedOutput() // the status says it
	return command.ProcessState.ExitCode(), string(text)
}
