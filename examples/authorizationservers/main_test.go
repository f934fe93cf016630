package authorizationservers_test

import (
	"bytes"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/gin-gonic/gin"
)

// The programs of ../server and ../client, built once.
var serverProgram, clientProgram string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "authorizationservers-test-")
	if err != nil {
		log.Fatal(err)
	}
	serverProgram, clientProgram = filepath.Join(folder, "server"), filepath.Join(folder, "client")
	for _, build := range []*exec.Cmd{
		exec.Command("go", "build", "-C", "../..", "-o", serverProgram, "./examples/server"),
		exec.Command("go", "build", "-C", "../client", "-o", clientProgram, "."),
	} {
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			log.Fatal(err)
		}
	}
	gin.SetMode(gin.ReleaseMode)
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// lockedBuffer takes the log of a process while a test reads it.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
