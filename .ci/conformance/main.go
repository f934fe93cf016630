// Command conformance reads the output of go test -json and says which rows of the project's table of attacks its tests
// have shown. It prints what go test would have printed, and fails where a test failed, where a row has neither a test that
// passed nor a reason, and where CONFORMANCE.md is not what it would write.
//
//	go test -json ./... | go run ./.ci/conformance
//
// It believes no comment: a row is tested where a test that bears its number, or that tests.tsv names, has passed. That
// such a test saw the answer that the row expects is for package adapters/internal/suite to say.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

const (
	data     = "adapters/internal/suite/testdata/"
	document = "binding/bindingtest/CONFORMANCE.md"
)

func main() {
	write := flag.Bool("write", false, "write "+document)
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, *write); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(results io.Reader, out io.Writer, write bool) error {
	passed, err := readResults(results, out)
	if err != nil {
		return err
	}
	table, err := readTable(data)
	if err != nil {
		return err
	}
	if err := table.attribute(passed); err != nil {
		return err
	}
	text := table.document()
	if write {
		err = os.WriteFile(document, []byte(text), 0o644) //nolint:gosec // a document
	} else {
		err = compare(document, text)
	}
	if err != nil {
		return err
	}
	tested, subtests, reasons := table.count()
	_, err = fmt.Fprintf(out, "conformance table: %d rows, %d tested (by %d tests), %d with a reason; %d through each adapter, %d by the kit\n"+
		"client aborts: %d points, each through %d adapters\n",
		len(table.rows), tested, subtests, reasons, table.testedBy(adapters...), table.testedBy(kit), abortPoints(passed), len(adapters))
	return err
}

func compare(path, want string) error {
	got, err := os.ReadFile(path) //nolint:gosec // a document of the project
	if err != nil {
		return err
	}
	if string(got) != want {
		return fmt.Errorf("%s is not current: go test -json ./... | go run ./.ci/conformance -write", path)
	}
	return nil
}
