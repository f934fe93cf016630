//go:build unix

package main_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The server's children end with it, also those that it does not end itself.
func TestTheServerIsStoppedWithItsChildren(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	const script = `sleep 1000 & echo $! >"$1"; shift; exec "$@"`
	status, stdout, stderr := call(t, []string{"-once", "-path", "/whoami"},
		append([]string{"sh", "-c", script, "sh", file}, serverLine()...))
	require.Zero(t, status, stdout+stderr)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	child, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	// It was killed; whoever has adopted it has to collect it yet.
	require.Eventually(t, func() bool { return !running(t, child) }, 10*time.Second, 10*time.Millisecond, "a child of the server is left")
}

// running tells a process that runs from one that has ended and waits to be
// collected.
func running(t *testing.T, pid int) bool {
	t.Helper()
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}
