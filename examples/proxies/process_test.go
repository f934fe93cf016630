package proxies_test

import (
	"bufio"
	"context"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/examples/internal/freeport"
	"github.com/certbound/certbound/examples/internal/processlog"
)

// A process is a program that runs in the foreground.
type process struct {
	command *exec.Cmd
	log     *processlog.Buffer
	ended   chan struct{}
}

// start runs a program until the test ends.
func start(t *testing.T, name string, args, environment []string) *process {
	t.Helper()
	p := &process{command: exec.Command(name, args...), log: &processlog.Buffer{}, ended: make(chan struct{})}
	p.command.Stdout, p.command.Stderr = p.log, p.log
	p.command.Env = append(p.command.Environ(), environment...)
	require.NoError(t, p.command.Start())
	go func() {
		_ = p.command.Wait() // how it ended is in its log
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			t.Logf("%s said:\n%s", name, p.log)
		}
	})
	return p
}

// stop ends the program, and with it the processes that it started.
func (p *process) stop(t *testing.T) {
	t.Helper()
	_ = p.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		_ = p.command.Process.Kill()
		t.Errorf("%s does not end", p.command.Path)
	}
}

// listens waits until somebody listens, and reports whether that is so before
// the program ends.
func (p *process) listens(t *testing.T, address string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		connection, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			require.NoError(t, connection.Close())
			return true
		}
		select {
		case <-p.ended:
			return false
		case <-ctx.Done():
			require.Fail(t, "nobody listens", "%s\n%s", address, p.log)
		case <-again.C:
		}
	}
}

// firstLine waits for the line that says where the program listens.
func (p *process) firstLine(t *testing.T, prefix string) string {
	t.Helper()
	deadline := time.After(time.Minute)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		text := p.log.String()
		text = text[:strings.LastIndexByte(text, '\n')+1] // a program may write a line in parts
		lines := bufio.NewScanner(strings.NewReader(text))
		for lines.Scan() {
			if rest, found := strings.CutPrefix(lines.Text(), prefix); found {
				return rest
			}
		}
		select {
		case <-p.ended:
			require.Fail(t, "the program has ended", p.log.String())
		case <-deadline:
			require.Fail(t, "the program does not say where it listens", p.log.String())
		case <-again.C:
		}
	}
}

// freePort is one that nobody listens on at the moment.
func freePort(t *testing.T) string {
	t.Helper()
	address, err := freeport.Address(1)
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	return port
}
