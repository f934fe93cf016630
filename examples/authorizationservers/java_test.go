package authorizationservers_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/examples/internal/processlog"
)

// built returns the folder where ./install has put a server of Java's. Without
// one the test is skipped aloud, but not where CERTBOUND_JAVA says that there
// must be one.
func built(t *testing.T, name string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	folder := filepath.Join(cache, "certbound", name)
	_, err = os.Stat(folder)
	if err == nil {
		_, err = exec.LookPath("java")
	}
	if err != nil {
		if os.Getenv("CERTBOUND_JAVA") != "" {
			t.Fatalf("%v, and CERTBOUND_JAVA says that it must be there: examples/authorizationservers/install", err)
		}
		t.Skipf("SKIPPED: %v: examples/authorizationservers/install makes it, and needs Java 17 and Maven", err)
	}
	return folder
}

// runJava starts a server that a JVM runs, waits until it answers at a URL, and
// ends it with the test.
func runJava(t *testing.T, pki pki, command *exec.Cmd, answers string) {
	t.Helper()
	log := &processlog.Buffer{}
	command.Stdout, command.Stderr = log, log
	require.NoError(t, command.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = command.Wait() // how it ended is in its log
	}()
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		hanging := time.AfterFunc(30*time.Second, func() { _ = command.Process.Kill() })
		<-ended
		hanging.Stop()
		if t.Failed() {
			t.Logf("the last that %s said:\n%s", command.Path, lastLines(log.String(), 40))
		}
	})

	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	client := pki.HTTPClient()
	defer client.CloseIdleConnections()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, answers, nil)
		require.NoError(t, err)
		response, err := client.Do(request)
		if err == nil {
			require.NoError(t, response.Body.Close())
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ended:
			require.FailNow(t, "the server has ended")
		case <-ctx.Done():
			require.FailNow(t, "the server did not start in time")
		case <-again.C:
		}
	}
}

func lastLines(text string, count int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}
