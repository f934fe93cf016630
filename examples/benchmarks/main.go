// The benchmarks of the library, beside other libraries that are put to the same work.
//
//	go test -bench . -count 10     the ordinary benchmarks of Go, in the processor time of one machine
//	go run .                       the same and more, in ratios that hold on a busy machine too, beside their targets
//	go run . verify server         parts of it
//	go run . -readme ../../README.md     and puts the table into the README; the chart beside it is chart.svg
//	go run . -load                       a server under load instead: latencies, and processor time
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

	"github.com/certbound/certbound/examples/benchmarks/internal/report"
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
	chartPath := flags.String("chart", "chart.svg", "write the chart to this file, if the part verify is measured")
	once := flags.Bool("once", false, "as briefly as can be, to see that it works: nothing is judged, and no file written")
	load := flags.Bool("load", false, "instead, put load on a server and tell how long it takes to answer")
	readmePath := flags.String("readme", "", "put the table into this file")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r := &run{once: *once, progress: stderr, start: time.Now()}
	if *load {
		return r.load(stdout)
	}
	if *readmePath != "" && flags.NArg() > 0 {
		return errors.New("benchmarks: the table for a README is the whole")
	}
	for _, name := range flags.Args() {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			return fmt.Errorf("benchmarks: no part %q", name)
		}
	}
	if err := r.measure(flags.Args()); err != nil {
		return err
	}
	if r.once {
		_, err := fmt.Fprintf(stdout, "%d rows, each measured once\n", len(r.rows))
		return err
	}
	if err := report.Print(stdout, r.rows); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\n%s\n%s\n", machine(), versions())
	if err := r.write(*chartPath, *readmePath); err != nil {
		return err
	}
	if slices.ContainsFunc(r.rows, func(r report.Row) bool { return !r.Met() }) {
		return errShort
	}
	return nil
}

// write writes the files that come of a run.
func (r *run) write(chartPath, readmePath string) error {
	if len(r.standings) > 0 {
		drawing, err := report.Chart(panels(r.standings), machine(), versions())
		if err != nil {
			return err
		}
		if err := os.WriteFile(chartPath, []byte(drawing), 0o644); err != nil {
			return err
		}
	}
	if readmePath == "" {
		return nil
	}
	text := report.Markdown(r.rows) + fmt.Sprintf("\nMeasured on %s, with %s.\n", machine(), versions())
	return report.WriteReadme(readmePath, text)
}
