package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/certbound/certbound/examples/benchmarks/internal/measure"
	"github.com/certbound/certbound/examples/benchmarks/internal/report"
)

// A run is one going through all that is measured.
type run struct {
	once     bool // see that it works: everything as briefly as can be
	progress io.Writer
	rows     []report.Row
	start    time.Time
}

// A part is something that can be measured by itself.
type part struct {
	name    string
	measure func(*run) error
}

var parts = []part{
	{"verify", (*run).verify},
	{"adapters", (*run).adapters},
	{"server", (*run).server},
	{"grpc", (*run).grpc},
	{"keys", (*run).keys},
	{"tokens", (*run).tokens},
	{"goroutines", (*run).goroutines},
	{"refused", (*run).refused},
	{"replays", (*run).replays},
	{"proofs", (*run).proofs},
	{"issuers", (*run).issuers},
	{"opaque", (*run).opaque},
	{"extauthz", (*run).extAuthz},
	{"sizes", (*run).sizes},
}

func partNames() []string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

func (r *run) add(rows ...report.Row) { r.rows = report.Merge(append(r.rows, rows...)) }

// measure measures the parts that the names name, or all.
func (r *run) measure(names []string) error {
	for _, part := range parts {
		if len(names) > 0 && !slices.Contains(names, part.name) {
			continue
		}
		if err := part.measure(r); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// begin tells what is measured next, and returns what tells how long it took.
func (r *run) begin(what string) (done func()) {
	start := time.Now()
	fmt.Fprintf(r.progress, "%4.0f s  %s ", start.Sub(r.start).Seconds(), what)
	return func() { fmt.Fprintf(r.progress, " %.1f s\n", time.Since(start).Seconds()) }
}

// round tells that one more round is over.
func (r *run) round(int) { fmt.Fprint(r.progress, ".") }

// plan is how long and how often to measure.
func (r *run) plan(rounds int, slice time.Duration) measure.Plan {
	if r.once {
		return measure.Plan{Rounds: 1, Slice: time.Millisecond}
	}
	return measure.Plan{Rounds: rounds, Slice: slice}
}

// count is how often to do something.
func (r *run) count(n int) int {
	if r.once {
		return min(n, 200)
	}
	return n
}

// onProcessors has the program use that many processors while f runs.
func onProcessors(n int, f func() error) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	return f()
}

// closing closes c, and reports that it could not.
func closing(c io.Closer, err *error) { *err = errors.Join(*err, c.Close()) }
