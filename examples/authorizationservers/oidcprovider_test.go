package authorizationservers_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/examples/internal/processlog"
)

const oidcProviderFolder = "oidc-provider"

// startOIDCProvider starts oidc-provider as a process of Node's.
func startOIDCProvider(t *testing.T, w *world) {
	t.Helper()
	pki, formats, clients := w.pki, w.formats(), w.clients
	_, err := os.Stat(oidcProviderFolder + "/node_modules/oidc-provider/package.json")
	require.NoError(t, err, "run `npm ci --ignore-scripts` in examples/authorizationservers/"+oidcProviderFolder)
	node, err := exec.LookPath("node")
	require.NoError(t, err, "Node 20 or later is needed")

	server := pki.ServerCertificate()
	lifetimes, registered := make(map[string]int), make([]json.RawMessage, 0, len(clients))
	for _, r := range clients {
		registered = append(registered, r.metadata(t))
		if r.lifetime != 0 {
			lifetimes[r.id] = int(r.lifetime / time.Second)
		}
	}
	config, err := json.Marshal(map[string]any{
		"cert":      string(certificatePEM(server)),
		"key":       string(keyPEM(t, server.PrivateKey)),
		"clientCA":  string(pki.ClientCAPEM()),
		"clients":   registered,
		"formats":   formats,
		"lifetimes": lifetimes,
		"resources": []string{audience, another},
		"scope":     scope,
	})
	require.NoError(t, err)

	command := exec.Command(node, "server.mjs")
	command.Dir = oidcProviderFolder
	var stderr processlog.Buffer
	command.Stderr = &stderr
	stdin, err := command.StdinPipe()
	require.NoError(t, err)
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		// The end of its input ends it, ours by a crash as well; Kill is for a
		// server that hangs.
		_ = stdin.Close()
		hanging := time.AfterFunc(10*time.Second, func() { _ = command.Process.Kill() })
		_ = command.Wait()
		hanging.Stop()
		if t.Failed() {
			t.Log(stderr.String())
		}
	})
	_, err = stdin.Write(append(config, '\n'))
	require.NoError(t, err)
	lines := bufio.NewScanner(stdout)
	for lines.Scan() { // it prints advice as well
		var ready struct {
			Issuer string `json:"issuer"`
		}
		if json.Unmarshal(lines.Bytes(), &ready) == nil && ready.Issuer != "" {
			go func() { // whatever else it prints
				for lines.Scan() {
				}
			}()
			w.issuer = ready.Issuer
			return
		}
	}
	require.FailNow(t, "oidc-provider did not start", stderr.String())
}
