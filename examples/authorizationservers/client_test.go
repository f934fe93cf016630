package authorizationservers_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// The program examples/client, from the issuer's name to the API's answer.
func testTheClientProgram(t *testing.T, w *world) {
	a := startAPI(t, w.pki, w.issuer, "nethttp")
	for _, method := range []string{tlsClientAuth, selfSignedTLSClientAuth, privateKeyJWT} {
		r, has := w.clients["PS256."+method]
		if !has {
			continue
		}
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			certificate, key, assertionKey := r.files(t)
			flags := []string{"-auth", method, "-cert", certificate, "-key", key}
			if assertionKey != "" {
				flags = append(flags, "-assertion-key", assertionKey)
			}
			who := runClientProgram(t, w, r, a, flags...)
			w.requireWho(t, r, map[string]any{"scope": "accounts", "x5t#S256": bindingtest.Thumbprint(r.certificate.Leaf)}, who)
		})
	}
}

// runClientProgram returns what the API says to the client program.
func runClientProgram(t *testing.T, w *world, r registration, a *api, more ...string) (who map[string]any) {
	t.Helper()
	form := w.forScope("accounts", audience)
	if form.Has("resource") {
		more = append(more, "-param", "resource="+form.Get("resource"))
	}
	command := exec.Command(clientProgram, append([]string{
		"-issuer", w.issuer, "-client-id", r.id, "-ca", writeFile(t, t.TempDir(), "ca.pem", w.pki.RootPEM()),
		"-scope", form.Get("scope"), "-url", a.url + "/whoami",
	}, more...)...)
	var stdout, stderr strings.Builder
	command.Stdout, command.Stderr = &stdout, &stderr
	require.NoError(t, command.Run(), stderr.String())
	require.Empty(t, stderr.String())
	require.Contains(t, stdout.String(), "-> 200 OK\n")
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &who), stdout.String())
	return who
}
