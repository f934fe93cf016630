package main_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// On a terminal the story is in colour, unless its user wants none.
func TestColourOnATerminal(t *testing.T) {
	t.Parallel()
	require.Regexp(t, sgr, onTerminal(t))
	require.NotRegexp(t, sgr, onTerminal(t, "NO_COLOR=1"))
	require.NotRegexp(t, sgr, onTerminal(t, "TERM=dumb"))
}

// onTerminal is what the program writes to a terminal (pty(7)).
func onTerminal(t *testing.T, environment ...string) string {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer master.Close()
	var number, locked uint32
	for request, argument := range map[uintptr]*uint32{syscall.TIOCGPTN: &number, syscall.TIOCSPTLCK: &locked} {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(unsafe.Pointer(argument)))
		require.Zero(t, errno)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	command := exec.Command(program)
	command.Stdout = terminal
	command.Env = append(append(os.Environ(), "TERM=xterm", "NO_COLOR="), environment...)
	require.NoError(t, command.Start())
	require.NoError(t, terminal.Close())
	var said bytes.Buffer
	_, _ = io.Copy(&said, master) // it ends with an error when nobody holds the terminal any more
	require.NoError(t, command.Wait())
	require.Contains(t, said.String(), "worth nothing")
	return said.String()
}
