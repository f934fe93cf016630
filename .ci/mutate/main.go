// Command mutate removes one rule of the library at a time and runs its tests:
// a rule that can go without a test that fails is no rule. It prints what
// survived, then one line of counts, and fails if anything did.
//
//	go run ./.ci/mutate            a fortieth of the mutants, the next with each commit
//	go run ./.ci/mutate -all       all of them
//	go run ./.ci/mutate -all -only 'binding/forwarded/.*'
//	go run ./.ci/mutate -list      their names
//
// All mutants are compiled into the tests at once, each behind a switch that the
// variable CERTBOUND_MUTANT turns: see switch.go.txt. The tree is not touched,
// for go build -overlay takes the changed files from elsewhere.
//
// equivalent.txt names the mutants that change nothing that can be seen, and
// why. A name in it that is no mutant any more, or one that dies after all,
// fails the run.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// targets are the packages whose rules are removed, and those whose tests run,
// one after the other until one fails.
var targets = []target{
	{folder: "binding/internal/strictjson", tests: []string{"binding/internal/strictjson", "binding"}},
	{folder: "binding/events", tests: []string{"binding/events", "binding"}},
	{folder: "binding/internal/grammar", tests: []string{"binding/internal/grammar"}},
	{folder: "binding", tests: []string{"binding", "binding/introspection"}},
	{folder: "binding/forwarded", tests: []string{"binding/forwarded"}},
	{folder: "binding/introspection", tests: []string{"binding/introspection"}},
	{folder: "binding/metadata", tests: []string{"binding/metadata", "binding/introspection", "jwks"}},
	{folder: "jwks/internal/jws", tests: []string{"jwks/internal/jws", "jwks/dpop", "jwks/internal/keyset", "jwks"}},
	{folder: "jwks/internal/keyset", tests: []string{"jwks/internal/keyset", "jwks"}},
	{folder: "jwks", tests: []string{"jwks"}},
	{folder: "jwks/dpop", tests: []string{"jwks/dpop"}},
	{folder: "adapters/bindhttp", tests: []string{"adapters/bindhttp"}},
	{folder: "adapters/bindecho", tests: []string{"adapters/bindecho"}},
	{folder: "adapters/bindgin", tests: []string{"adapters/bindgin"}},
}

type target struct {
	folder string
	tests  []string
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("mutate: ")
	all := flag.Bool("all", false, "all mutants, not a fortieth")
	list := flag.Bool("list", false, "print the mutants' names and run nothing")
	only := flag.String("only", "", "only mutants whose name matches the regular expression")
	workers := flag.Int("workers", 2*runtime.NumCPU(), "how many run at once: many a mutant waits")
	flag.Parse()
	if err := run(*all, *list, *only, *workers); err != nil {
		log.Fatal(err)
	}
}

func run(all, list bool, only string, workers int) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	sources, err := load(targets)
	if err != nil {
		return err
	}
	mutants := name(sources)
	if err := excuse(mutants); err != nil {
		return err
	}
	turn := 0
	if !all {
		if turn, err = commits(); err != nil {
			return err
		}
	}
	var chosen []*mutant
	total := 0
	for _, m := range mutants {
		counts := m.excuse == ""
		if counts {
			total++
		}
		if (all || counts && total%40 == turn%40) && pattern.MatchString(m.name) {
			chosen = append(chosen, m)
		}
	}
	if list {
		for _, m := range chosen {
			fmt.Printf("line %d: %s\n", m.line, m.name)
		}
		fmt.Printf("%d, of %d and %d that are excused\n", len(chosen), total, len(mutants)-total)
		return nil
	}
	part := "all"
	switch {
	case !all:
		part = fmt.Sprintf("a fortieth in turn of %d", total)
	case only != "":
		part = fmt.Sprintf("of %d; those with such a name", total)
	}
	return judge(sources, chosen, part, workers)
}

// judge runs the tests against each mutant and prints what came of it.
func judge(sources []*source, chosen []*mutant, part string, workers int) error {
	start := time.Now()
	bench, err := newBench(sources)
	if err != nil {
		return err
	}
	defer bench.close()
	if err := bench.run(chosen, workers); err != nil {
		return err
	}
	killed, made, wrong := 0, 0, 0
	for _, m := range chosen {
		if m.excuse == "" {
			made++
		}
		switch {
		case m.excuse == "" && m.killedBy != "":
			killed++
		case m.excuse == "" || m.killedBy != "":
			wrong++
		}
	}
	fmt.Printf("mutants: %d of %d killed (%s), %d s\n", killed, made, part, int(time.Since(start).Seconds()))
	if wrong > 0 {
		return fmt.Errorf("%d to look at", wrong)
	}
	return nil
}

// commits returns how many commits led here, so that each has its own part.
func commits() (int, error) {
	command := exec.Command("git", "rev-list", "--count", "HEAD")
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return 0, fmt.Errorf("git rev-list: %w", err)
	}
	return strconv.Atoi(strings.TrimSpace(string(out)))
}
