package proxies_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
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
		cert, key := w.files(t, client)
		for name, test := range map[string]struct {
			change  func(string) string
			status  int
			unasked int // the status where clients with a certificate are not asked
		}{
			"the right configuration": {nil, 0, 3},
			"without the line":        {p.without(t), 1, 1},
		} {
			t.Run(name, func(t *testing.T) {
				f := w.front(t, p, empty, test.change)
				status, output := w.proxycheck(t, f, p, "", "-listen", "127.0.0.1:"+empty.port)
				require.Equal(t, test.status, status, output)
				t.Log(output)

				f = w.front(t, p, api, test.change)
				status, output = w.proxycheck(t, f, p, token, "-token", "-")
				require.Equal(t, max(test.status, test.unasked), status, output)

				status, output = w.proxycheck(t, f, p, token, "-token", "-", "-cert", cert)
				require.Equal(t, test.status, status, output)
				require.NotContains(t, output, token)

				status, output = w.proxycheck(t, f, p, token, "-token", "-", "-cert", cert, "-key", key)
				require.Equal(t, test.status, status, output)
			})
		}
	})
}

// files writes the party's certificate and key.
func (w *world) files(t *testing.T, p *party) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(p.certificate.PrivateKey)
	require.NoError(t, err)
	return w.write(t, "client.pem", []byte(pemOf(p.leaf()))),
		w.write(t, "client-key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func (w *world) proxycheck(t *testing.T, f front, p product, stdin string, flags ...string) (status int, output string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, program(t, buildProxycheck), append([]string{
		"-url", f.url, "-format", p.format, "-header", p.header, "-ca", filepath.Join(w.dir, "roots.pem"),
	}, flags...)...)
	command.Stdin = strings.NewReader(stdin)
	text, _ := command.CombinedOutput() // the status says it
	return command.ProcessState.ExitCode(), string(text)
}
