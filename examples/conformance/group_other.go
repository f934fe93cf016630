//go:build !unix

package main

import (
	"os"
	"os/exec"
)

// Without process groups the program alone is stopped, at once.
func ownGroup(*exec.Cmd) {}

func terminate(leader *os.Process) { _ = leader.Kill() }

func kill(leader *os.Process) { _ = leader.Kill() }
