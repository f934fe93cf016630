// Package builds makes the programs that tests run.
package builds

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Main is TestMain for tests of programs: it builds the commands in the folders,
// says where each program is, runs the tests and ends the process.
func Main(m *testing.M, programs map[string]*string) {
	code, err := run(m, programs)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func run(m *testing.M, programs map[string]*string) (code int, err error) {
	where, err := os.MkdirTemp("", "programs-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(where)
	for folder, program := range programs {
		if *program, err = build(folder, where); err != nil {
			return 1, err
		}
	}
	return m.Run(), nil
}

func build(folder, where string) (program string, err error) {
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	program = filepath.Join(where, filepath.Base(absolute)+".exe") // a name for each system
	command := exec.Command("go", "build", "-C", folder, "-o", program, ".")
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("go build -C %s: %w", folder, err)
	}
	// go test takes its last result for good unless a file that the test has opened is another. The build's are not its own.
	sources, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return "", err
	}
	for _, source := range sources {
		if _, err := os.ReadFile(source); err != nil {
			return "", err
		}
	}
	return program, nil
}
