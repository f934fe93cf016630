package documents_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// handwrittenProgram is a reader's test, around what handwritten.md shows: of a handler that refuses everybody, of one that
// accepts everybody, and of the guard.
const handwrittenProgram = `package main

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

func always(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })
}

func judge(t *testing.T, check func(as *bindingtest.AuthorizationServer) http.Handler) {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer as.Close()
	handler := check(as)
FROM THE GUIDE
}

func TestRefusesEverybody(t *testing.T) {
	judge(t, func(*bindingtest.AuthorizationServer) http.Handler { return always(http.StatusUnauthorized) })
}

func TestAcceptsEverybody(t *testing.T) {
	judge(t, func(*bindingtest.AuthorizationServer) http.Handler { return always(http.StatusOK) })
}

func TestGuard(t *testing.T) {
	judge(t, func(as *bindingtest.AuthorizationServer) http.Handler {
		tokens, err := jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tokens.Close() })
		guard, err := binding.New(binding.Config{Tokens: tokens})
		if err != nil {
			t.Fatal(err)
		}
		return bindhttp.Protect(guard)(always(http.StatusOK))
	})
}
`

// The test that handwritten.md gives its reader fails for a check that is useless either way, and passes for the guard.
func TestTestOfHandwrittenChecks(t *testing.T) {
	t.Parallel()
	const name = "binding/handwritten.md"
	shown := ""
	for _, b := range blocks(name, documents(t)[name]) {
		if strings.Contains(b.text, "as.Serve(handler)") {
			shown = b.text
		}
	}
	require.NotEmpty(t, shown)
	folder := t.TempDir()
	gomod, gosum := readersModule(t)
	for file, text := range map[string]string{
		"go.mod": gomod, "go.sum": gosum, "check_test.go": strings.Replace(handwrittenProgram, "FROM THE GUIDE", shown, 1),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600))
	}
	output, err := inModule(folder, "test", "-count=1", "-v", "./...")
	require.Error(t, err)
	require.Contains(t, output, "--- FAIL: TestRefusesEverybody")
	require.Contains(t, output, "--- FAIL: TestAcceptsEverybody")
	require.Contains(t, output, "--- PASS: TestGuard", output)
	require.Equal(t, 1, strings.Count(output, "got 401 Unauthorized, want 200"), output)
	require.Equal(t, 6, strings.Count(output, "got 200 OK, want 401"), output)
}
