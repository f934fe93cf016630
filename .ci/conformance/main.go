// Command conformance reads the output of go test -json and writes which rows
// of the project's table of attacks the tests have shown:
//
//	go test -json ./... | go run ./.ci/conformance -write
//
// It prints what go test would have printed. Without -write it fails where
// CONFORMANCE.md is not what it would write. It also fails where a test failed,
// and where a row has neither a test that passed nor a line in rows.tsv that
// says why.
//
// It believes no comment: a row is tested where a test that bears its number
// (TestX/A/8_tab), or that rows.tsv names, has passed. What is sent, and what
// the answer must be, is what the conformance kit says of its cases.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

const (
	table    = ".ci/conformance/rows.tsv"
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
	lines, err := os.ReadFile(table)
	if err != nil {
		return err
	}
	rows, err := newRows(string(lines))
	if err != nil {
		return err
	}
	if err := rows.addKit(); err != nil {
		return err
	}
	missing := rows.attribute(passed)
	text := rows.document()
	if write {
		err = os.WriteFile(document, []byte(text), 0o644) //nolint:gosec // a document
	} else if before, readErr := os.ReadFile(document); readErr != nil || string(before) != text {
		err = errors.New(document + " is not current: go test -json ./... | go run ./.ci/conformance -write")
	}
	fmt.Fprintln(out, "conformance table:", rows.summary())
	return errors.Join(missing, err)
}
