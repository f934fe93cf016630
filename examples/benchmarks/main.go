// The benchmarks of the library, beside other libraries that are put to the same work.
//
//	go test -bench . -count 10     the ordinary benchmarks of Go, in the processor time of one machine
//	go run .                       the same and more, in ratios that hold on a busy machine too, beside their targets
//	go run . verify server         parts of it
//	go run . -readme ../../README.md     and puts the short table into the README, and the whole into RESULTS.md
//	go run . -load                       a server under load instead: latencies, and processor time
//
// With go run it takes some minutes, draws chart.svg, which stands in the README, and ends with 1 if a target is missed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/examples/benchmarks/internal/report"
	"github.com/certbound/certbound/examples/benchmarks/internal/server"
)

func main() {
	server.IfChild()
	os.Exit(command(os.Args[1:], os.Stdout, os.Stderr))
}

var errShort = errors.New("benchmarks: a target is missed")

// command is the program: 0 if every target was met, 2 for a wrong command line, 1 for anything else.
func command(args []string, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("benchmarks", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.chart, "chart", "chart.svg", "write the chart to this `file`, if the part verify is measured")
	flags.BoolVar(&o.once, "once", false, "as briefly as can be, to see that it works: nothing is judged, and no file written")
	flags.BoolVar(&o.load, "load", false, "instead, put load on a server and tell how long it takes to answer")
	flags.StringVar(&o.readme, "readme", "", "put the short table into this `file`, and the whole into that of -results")
	flags.StringVar(&o.results, "results", "RESULTS.md", "the `file` for the whole table, with -readme")
	flags.Usage = func() {
		fmt.Fprintf(stderr, "usage: go run . [flags] [part ...]\n\nIt takes minutes. Without a part it measures all of them: %s.\n\n",
			strings.Join(partNames(), ", "))
		flags.PrintDefaults()
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2 // flag has said what is wrong
	}
	o.parts = flags.Args()
	if err := o.check(); err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	if err := o.run(stdout, stderr); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// options are what the command line says.
type options struct {
	parts                  []string
	once, load             bool
	chart, readme, results string
}

func (o options) check() error {
	if o.readme != "" && len(o.parts) > 0 {
		return errors.New("benchmarks: the table for a README is the whole")
	}
	for _, name := range o.parts {
		if !slices.Contains(partNames(), name) {
			return fmt.Errorf("benchmarks: no part %q: there are %s", name, strings.Join(partNames(), ", "))
		}
	}
	return nil
}

func (o options) run(stdout, stderr io.Writer) error {
	r := &run{once: o.once, progress: stderr, start: time.Now()}
	if o.load {
		return r.load(stdout)
	}
	if err := r.measure(o.parts); err != nil {
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
	if err := r.write(o); err != nil {
		return err
	}
	if slices.ContainsFunc(r.rows, func(r report.Row) bool { return !r.Met() }) {
		return errShort
	}
	return nil
}

// write writes the files that come of a run.
func (r *run) write(o options) error {
	if len(r.standings) > 0 {
		drawing, err := report.Chart(panels(r.standings), machine(), versions())
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.chart, []byte(drawing), 0o644); err != nil {
			return err
		}
	}
	if o.readme == "" {
		return nil
	}
	measured := fmt.Sprintf("\nMeasured on %s, with %s.\n", machine(), versions())
	if err := report.WriteTable(o.results, report.Markdown(r.rows)+measured); err != nil {
		return err
	}
	return report.WriteTable(o.readme, report.Markdown(report.Brief(r.rows))+measured)
}
