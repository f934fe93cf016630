package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"

	"github.com/certbound/certbound/examples/benchmarks/internal/report"
)

// cpuLine is what BenchmarkDecision of examples/extauthz says of one way to be asked.
var cpuLine = regexp.MustCompile(`(?m)^BenchmarkDecision/(\S+?)(?:-\d+)?\s.*?([\d.]+) cpu-ns/op`)

// extAuthz measures a decision that a proxy asks examples/extauthz for, in rounds with the guard in the process. That program
// is a module of its own, and so is its benchmark.
func (r *run) extAuthz() error {
	defer r.begin("external authorization")()
	const inProcess = "guard_in_the_process"
	took := make(map[string][]float64)
	for round := range r.plan(7, 0).Rounds {
		command := exec.Command("go", "test", "-run", "^$", "-bench", "^BenchmarkDecision$", "-benchtime", fmt.Sprintf("%dx", r.count(20_000)), ".")
		command.Dir = "../extauthz"
		output, err := command.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}
		for _, line := range cpuLine.FindAllSubmatch(output, -1) {
			nanos, err := strconv.ParseFloat(string(line[2]), 64)
			if err != nil {
				return err
			}
			took[string(line[1])] = append(took[string(line[1])], nanos)
		}
		r.round(round)
	}
	middle := func(name string) float64 {
		slices.Sort(took[name])
		return took[name][len(took[name])/2]
	}
	for _, way := range []struct{ benchmark, name string }{
		{"nginx's_question", "nginx's"}, {"Envoy's_question_over_gRPC", "Envoy's over gRPC"},
	} {
		if len(took[way.benchmark]) == 0 || len(took[inProcess]) == 0 {
			return fmt.Errorf("no time for %q", way.benchmark)
		}
		r.add(report.NewRow("a proxy's question to examples/extauthz, seen token: processor time of both sides", "stated", way.name,
			fmt.Sprintf("%%.0f µs, the guard in the process %.1f µs", middle(inProcess)/1e3), middle(way.benchmark)/1e3, true))
	}
	return nil
}
