package jwks_test

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// soakServer is examples/server in a process of its own.
type soakServer struct {
	url     string
	process *exec.Cmd
	log     *tailLog
}

// startSoakServer builds examples/server, starts it, and stops it in the end.
func startSoakServer(t *testing.T, issuer string, flags ...string) *soakServer {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "server")
	// Not with go run, whose child would outlive it.
	built, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../examples/server").CombinedOutput()
	require.NoError(t, err, "%s", built)

	certificate := filepath.Join(dir, "certificate.pem")
	key := filepath.Join(dir, "key.pem")
	der, err := x509.MarshalPKCS8PrivateKey(faultCertificate().PrivateKey)
	require.NoError(t, err)
	for file, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: faultCertificate().Certificate[0]},
		key:         {Type: "PRIVATE KEY", Bytes: der},
	} {
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	}
	s := &soakServer{log: &tailLog{}}
	s.process = exec.Command(program, append([]string{
		"-listen", "127.0.0.1:0", "-tls-cert", certificate, "-tls-key", key,
		"-issuer", issuer, "-audience", faultAudience, "-as-ca", certificate,
	}, flags...)...)
	s.process.Stderr = s.log
	stdout, err := s.process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.process.Start())
	var reading sync.WaitGroup
	t.Cleanup(func() {
		if s.process.ProcessState == nil { // the test has failed before it stopped it
			_ = s.process.Process.Kill()
			reading.Wait()
			_ = s.process.Wait()
		}
	})
	lines := bufio.NewReader(stdout)
	line, err := lines.ReadString('\n')
	require.NoError(t, err, "the server did not start: %s", s.log)
	s.url = strings.TrimPrefix(strings.TrimSpace(line), "listening on ")
	require.True(t, strings.HasPrefix(s.url, "https://"), line)
	reading.Go(func() { _, _ = io.Copy(io.Discard, lines) })
	return s
}

// stop ends the server as an operator does, and requires that it ends well.
func (s *soakServer) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, s.process.Process.Signal(syscall.SIGTERM))
	done := make(chan error, 1)
	go func() { done <- s.process.Wait() }()
	select {
	case err := <-done:
		require.NoError(t, err, "%s", s.log)
	case <-time.After(time.Minute):
		_ = s.process.Process.Kill()
		require.NoError(t, errors.Join(errors.New("the server did not stop"), <-done))
	}
	require.False(t, s.log.panicked(), "%s", s.log)
}

// residentMiB is the server's resident memory.
func (s *soakServer) residentMiB(t *testing.T) int {
	t.Helper()
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.process.Process.Pid))
	require.NoError(t, err)
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	require.NoError(t, err)
	return pages * os.Getpagesize() >> 20
}

// tailLog keeps the end of a log.
type tailLog struct {
	mu    sync.Mutex
	tail  []byte
	panic bool
}

func (l *tailLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bytes.Contains(p, []byte("panic:")) || bytes.Contains(p, []byte("reason=panicked")) {
		l.panic = true
	}
	if !l.panic || len(l.tail) < 64<<10 { // what follows a panic is where it was
		l.tail = append(l.tail, p...)
	}
	if over := len(l.tail) - 64<<10; over > 0 && !l.panic {
		l.tail = append([]byte(nil), l.tail[over:]...)
	}
	return len(p), nil
}

func (l *tailLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.tail)
}

func (l *tailLog) panicked() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.panic
}
