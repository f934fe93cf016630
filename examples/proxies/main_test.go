package proxies_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// folder holds the programs that the tests build.
var folder string

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "proxies-test-"); err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// Each is built once.
var (
	buildServer     = built("server", "../..", "./examples/server")
	buildProxycheck = built("proxycheck", "../..", "./examples/proxycheck")
)

func built(name, module, source string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		program := filepath.Join(folder, name)
		command := exec.Command("go", "build", "-o", program, source)
		command.Dir = module
		if output, err := command.CombinedOutput(); err != nil {
			return "", fmt.Errorf("go build %s: %w\n%s", source, err, output)
		}
		return program, nil
	})
}

func program(t *testing.T, build func() (string, error)) string {
	t.Helper()
	file, err := build()
	require.NoError(t, err)
	return file
}

// installed finds a program of the system's, or one that .ci/run put into the
// cache.
func installed(name, how string) func() (string, error) {
	return func() (string, error) {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		for _, file := range []string{filepath.Join(cache, "certbound", name), name, "/usr/sbin/" + name} { // which is not in everybody's path
			if found, err := exec.LookPath(file); err == nil {
				return found, nil
			}
		}
		return "", errors.New(name + " is missing: " + how)
	}
}
