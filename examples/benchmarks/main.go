// The benchmarks of the library, beside other libraries that are put to the same work.
//
//	go test -bench . -count 10     the ordinary benchmarks of Go, in the processor time of one machine
//	go run .                       the same and more, in ratios that hold on a busy machine too, beside their targets
//	go run . verify server         parts of it
//	go run . -runs 3 -results RESULTS.md
//	                               all of it three times, of which the middle counts, and puts the table into that file
//	go run . -load                 a server under load instead: latencies, and processor time
//
// With go run it takes some minutes, and ends with 1 if a target is missed. The part replays starts a redis-server, which must
// be installed.
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
	o := options{runs: 1}
	flags := flag.NewFlagSet("benchmarks", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.once, "once", false, "as briefly as can be, to see that it works: nothing is judged, and no file written")
	flags.BoolVar(&o.load, "load", false, "instead, put load on a server and tell how long it takes to answer")
	flags.IntVar(&o.runs, "runs", 1, "measure all of it so often, an odd `number`: what is between the others counts")
	flags.StringVar(&o.results, "results", "", "put the table into this `file`")
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
	parts      []string
	once, load bool
	runs       int
	results    string
}

func (o options) check() error {
	if o.results != "" && len(o.parts) > 0 {
		return errors.New("benchmarks: the table of -results is the whole")
	}
	if o.runs < 1 || o.runs%2 == 0 {
		return errors.New("benchmarks: -runs must be odd, so that one is in the middle")
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
	var all [][]report.Row
	for range o.runs {
		r.rows = nil
		if err := r.measure(o.parts); err != nil {
			return err
		}
		all = append(all, r.rows)
	}
	rows := report.Middle(all)
	if r.once {
		_, err := fmt.Fprintf(stdout, "%d rows, each measured once\n", len(rows))
		return err
	}
	if err := report.Print(stdout, rows); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\n%s\n%s\n", machine(), versions())
	if err := o.write(rows); err != nil {
		return err
	}
	if slices.ContainsFunc(rows, func(r report.Row) bool { return !r.Met() }) {
		return errShort
	}
	return nil
}

// write writes the file that comes of it.
func (o options) write(rows []report.Row) error {
	if o.results == "" {
		return nil
	}
	measured := fmt.Sprintf("\nMeasured on %s, with %s.\n", machine(), versions())
	return report.WriteTable(o.results, report.Markdown(rows)+measured)
}
