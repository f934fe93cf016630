// The benchmarks of the library, beside other libraries that are put to the same work.
//
//	go test -bench . -count 10     the ordinary benchmarks of Go, in the processor time of one machine
//	go run .                       the same and more, in ratios that hold on a busy machine too, beside their targets
//	go run . verify server         parts of it
//
// With go run it takes some minutes, and ends with 1 if a target is missed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/certbound/certbound/examples/benchmarks/internal/server"
)

func main() {
	server.IfChild()
	if err := command(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var errShort = errors.New("benchmarks: a target is missed")

func command(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("benchmarks", flag.ContinueOnError)
	flags.SetOutput(stderr)
	if err := flags.Parse(args); err != nil {
		return err
	}
	for _, name := range flags.Args() {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			return fmt.Errorf("benchmarks: no part %q", name)
		}
	}
	r := &run{progress: stderr, start: time.Now()}
	if err := r.measure(flags.Args()); err != nil {
		return err
	}
	if err := printTable(stdout, r.rows); err != nil {
		return err
	}
	if shortfalls(r.rows) > 0 {
		return errShort
	}
	return nil
}
