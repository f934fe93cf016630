package main_test

import (
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// After SIGTERM the server says that it is not ready, and goes on serving new connections for the delay.
func TestReadinessEndsBeforeTheListener(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no signal asks a process to stop")
	}
	for _, framework := range []string{"nethttp", "echo", "gin"} {
		t.Run(framework, func(t *testing.T) {
			t.Parallel()
			as := newAuthorizationServer(t, bindingtest.Config{})
			server := start(t, as, withTLS(t, as, "-framework", framework, "-stop-delay", "1h")...)
			client := newParty(t, as, "client")
			get(t, client.client, server.url+"/whoami", boundTo(t, as, client)) // the keys are there
			require.Equal(t, http.StatusOK, get(t, as.HTTPClient(), server.url+"/readyz", "").status)

			require.NoError(t, server.command.Process.Signal(syscall.SIGTERM))
			anew := func(path, authorization string) answer {
				client.client.CloseIdleConnections() // each request has a connection of its own
				return get(t, client.client, server.url+path, authorization)
			}
			require.Eventually(t, func() bool { return anew("/readyz", "").status == http.StatusServiceUnavailable }, time.Minute, 10*time.Millisecond)
			require.Equal(t, "stopping", anew("/readyz", "").body["status"])
			require.Equal(t, http.StatusOK, anew("/whoami", boundTo(t, as, client)).status)
			require.Equal(t, http.StatusOK, anew("/healthz", "").status)

			// An hour is long: the second signal ends it.
			require.NoError(t, server.command.Process.Signal(syscall.SIGTERM))
			require.Error(t, server.command.Wait())
			require.Equal(t, "signal: terminated", server.command.ProcessState.String())
		})
	}
}

// When the delay is over the server stops by itself, and 0 is no delay.
func TestStopDelay(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no signal asks a process to stop")
	}
	as := newAuthorizationServer(t, bindingtest.Config{})
	const delay = time.Second
	server := start(t, as, withTLS(t, as, "-stop-delay", delay.String())...)
	began := time.Now()
	require.Zero(t, server.stop(t), server.log.String())
	require.GreaterOrEqual(t, time.Since(began), delay)
	require.True(t, strings.Contains(server.log.String(), "delay=1s"), server.log.String())
}
