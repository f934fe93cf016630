package clients_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// byNode runs node/client.mjs.
func byNode(t *testing.T, told task) report {
	t.Helper()
	_, err := os.Stat("node/node_modules/" + told.Client + "/package.json")
	require.NoError(t, err, "run `npm ci --ignore-scripts` in examples/clients/node")
	return runProgram(t, told, "node", "node", "client.mjs")
}

// byPython runs python/client.py.
func byPython(t *testing.T, told task) report {
	t.Helper()
	python, err := filepath.Abs("python/.venv/bin/python")
	require.NoError(t, err)
	_, err = os.Stat(python)
	require.NoError(t, err, "doc.go says how to make examples/clients/python/.venv")
	return runProgram(t, told, "python", python, "client.py")
}

// byJava runs java/Client.java. Without Java it skips aloud, but not where
// CERTBOUND_JAVA says that there must be one.
func byJava(t *testing.T, told task) report {
	t.Helper()
	_, missing := exec.LookPath("java")
	if missing == nil {
		_, missing = os.Stat("java/target/dependency")
	}
	if missing != nil {
		if os.Getenv("CERTBOUND_JAVA") != "" {
			t.Fatalf("%v, and CERTBOUND_JAVA says that it must be there", missing)
		}
		t.Skipf("SKIPPED: %v: doc.go says how to get it", missing)
	}
	return runProgram(t, told, "java", "java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m",
		"-cp", filepath.Join("target", "dependency", "*"), "Client.java")
}

// runProgram gives a program its task, and returns its report.
func runProgram(t *testing.T, told task, folder, program string, args ...string) (got report) {
	t.Helper()
	text, err := json.Marshal(told)
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), program, args...)
	command.Dir = folder
	command.WaitDelay = time.Minute
	var stdout, stderr bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(append(text, '\n')), &stdout, &stderr
	require.NoError(t, command.Run(), "%s\n%s", &stdout, &stderr)
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &got), stdout.String())
	return got
}
