//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup starts a program in a process group of its own, so that its children
// can be stopped with it.
func ownGroup(command *exec.Cmd) { command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// terminate and kill signal the whole group, which outlives its leader as long
// as a child is left.
func terminate(leader *os.Process) { _ = syscall.Kill(-leader.Pid, syscall.SIGTERM) }

func kill(leader *os.Process) { _ = syscall.Kill(-leader.Pid, syscall.SIGKILL) }
