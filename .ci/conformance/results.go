package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

const module = "github.com/certbound/certbound/"

// A test is one that passed: its package, from the module's root, and its name,
// as go test prints it.
type test struct{ pkg, name string }

// An event is a line of go test -json (go doc test2json).
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

var errFailed = errors.New("a test failed")

// readResults returns the tests that passed, and prints what go test without
// -json would print.
func readResults(results io.Reader, out io.Writer) ([]test, error) {
	var passed []test
	outputs := make(map[test]*strings.Builder)
	failed := false
	lines := bufio.NewReader(results)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) != nil {
				e = event{Action: "build-output", Output: line}
			}
			name := test{strings.TrimPrefix(e.Package, module), e.Test}
			switch {
			case e.Action == "output" && (e.Test != "" || strings.HasPrefix(e.Output, "-test.shuffle ")):
				if outputs[name] == nil {
					outputs[name] = new(strings.Builder)
				}
				outputs[name].WriteString(e.Output)
			case e.Action == "output" && e.Output == "PASS\n":
			case e.Action == "output" || e.Action == "build-output":
				fmt.Fprint(out, e.Output)
			case e.Action == "pass":
				if e.Test != "" {
					passed = append(passed, name)
				}
				delete(outputs, name)
			case e.Action == "fail" || e.Action == "build-fail":
				failed = true
				if text := outputs[name]; text != nil {
					fmt.Fprint(out, text)
					delete(outputs, name)
				}
			case e.Action == "skip" && e.Test != "":
				delete(outputs, name)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	// A package that panicked, or ran out of time, has no result for what it
	// was at.
	for name, text := range outputs {
		if failed {
			fmt.Fprintf(out, "without a result: %s %s\n%s", name.pkg, name.name, text)
		}
	}
	if failed {
		return nil, errFailed
	}
	return passed, nil
}
