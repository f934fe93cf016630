package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The command as somebody starts it: it says where the metrics are, the story leaves its traces there, and it ends when asked.
func TestCommand(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stdout, written := io.Pipe()
	var log strings.Builder
	ended := make(chan error, 1)
	go func() {
		defer written.Close()
		ended <- run(ctx, []string{"-metrics", "127.0.0.1:0", "-every", "10ms"}, written, &log)
	}()
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan())
	address, found := strings.CutPrefix(lines.Text(), "metrics at ")
	require.True(t, found)
	timetable := ""
	for !strings.HasPrefix(lines.Text(), "until") {
		require.True(t, lines.Scan())
		timetable += lines.Text() + "\n"
	}
	require.Contains(t, timetable, "after 60ms  a thief with a stolen token")
	require.Contains(t, timetable, "after 120ms it takes another one")
	require.Eventually(t, func() bool {
		response, err := http.Get(address)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return err == nil && strings.Contains(string(body), `error_type="token_unbound"`)
	}, time.Minute, 10*time.Millisecond)
	cancel()
	require.NoError(t, <-ended)
	require.Contains(t, log.String(), "reason=thumbprint_mismatch")

	require.Error(t, run(t.Context(), []string{"-no-such-flag"}, io.Discard, io.Discard))
	require.Error(t, run(t.Context(), []string{"-every", "0s"}, io.Discard, io.Discard))
	require.Error(t, run(t.Context(), []string{"-metrics", "no address"}, io.Discard, io.Discard))
}
