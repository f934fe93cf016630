package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The tests of one package, compiled when they are first needed.
type tests struct {
	folder  string
	prepare func() error
	binary  string
	each    []*test // the cheapest first

	mu      sync.Mutex
	killers map[string][]*test // by file: those that its mutants died of, the last first
}

// A test as it was alone, without a mutant.
type test struct {
	name    string
	took    time.Duration // by the clock
	cost    time.Duration // of the processor's time, which on a busy machine is the same
	reaches map[int]bool  // mutants, by number: no other can make it fail
}

// build compiles the tests of a package and runs each alone, without a mutant, to
// learn which mutants it reaches.
func (t *tests) build(overlay string) error {
	out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", t.binary, "./"+t.folder).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go test -c %s: %w\n%s", t.folder, err, out)
	}
	out, err = exec.Command(t.binary, "-test.list=^(Test|Fuzz|Example)").Output()
	if err != nil {
		return fmt.Errorf("the tests of %s: %w\n%s", t.folder, err, out)
	}
	for _, name := range strings.Fields(string(out)) {
		t.each = append(t.each, &test{name: name})
	}
	if err := inParallel(2*runtime.NumCPU(), t.each, t.look); err != nil {
		return err
	}
	slices.SortFunc(t.each, func(a, b *test) int { return cmp.Compare(a.cost, b.cost) })
	return nil
}

// look runs one test to see what it reaches.
func (t *tests) look(one *test) error {
	list, err := os.CreateTemp("", "reached-")
	if err != nil {
		return err
	}
	_ = list.Close()
	defer func() { _ = os.Remove(list.Name()) }()
	if one.took, one.cost, err = t.sound([]*test{one}, "CERTBOUND_MUTANTS_REACHED="+list.Name()); err != nil {
		return err
	}
	text, err := os.ReadFile(list.Name())
	if err != nil {
		return err
	}
	one.reaches = make(map[int]bool)
	for _, field := range strings.Fields(string(text)) {
		number, err := strconv.Atoi(field)
		if err != nil {
			return fmt.Errorf("%s of %s: %w", one.name, t.folder, err)
		}
		one.reaches[number] = true
	}
	return nil
}

// sound runs tests without a mutant, which must pass, at the second try at the
// latest, and measures how long they take and what they cost.
func (t *tests) sound(some []*test, environment ...string) (took, cost time.Duration, err error) {
	for range 2 {
		start := time.Now()
		command := t.command(0, some, 20*time.Minute)
		command.Env = append(command.Env, environment...)
		text, failure := command.CombinedOutput()
		if failure == nil {
			return time.Since(start), command.ProcessState.UserTime() + command.ProcessState.SystemTime(), nil
		}
		err = fmt.Errorf("the tests of %s fail without a mutant:\n%s", t.folder, text)
	}
	return 0, 0, err
}

// passAll reports whether all tests that reach a mutant pass with it. Those that
// its neighbours died of come first, and then the cheap ones.
func (t *tests) passAll(m *mutant) (bool, error) {
	if err := t.prepare(); err != nil {
		return false, err
	}
	const cheap = 200 * time.Millisecond // all of them
	var parts [3][]*test
	known := t.suspects(m.file)
	sum := time.Duration(0)
	for _, one := range t.each {
		switch {
		case !one.reaches[m.number]:
		case slices.Contains(known, one):
			parts[0] = append(parts[0], one)
		case sum+one.cost <= cheap:
			sum += one.cost
			parts[1] = append(parts[1], one)
		default:
			parts[2] = append(parts[2], one)
		}
	}
	for _, part := range parts {
		if len(part) == 0 {
			continue
		}
		if passes, err := t.passInTime(m, part); !passes || err != nil {
			return false, err
		}
	}
	return true, nil
}

// passInTime reports whether tests pass with a mutant, where neither a busy machine
// nor a test's bad luck is a mutant's fault. Tests that came to their deadline have
// failed only if without a mutant they take no more than half of it there and then;
// if they take more they get another. What fails three times has failed.
func (t *tests) passInTime(m *mutant, some []*test) (bool, error) {
	took := time.Duration(0)
	for _, one := range some {
		took += one.took
	}
	deadline := deadlineOf(took)
	for range 3 {
		passes, text := t.pass(m.number, some, deadline)
		switch {
		case passes:
			return true, nil
		case !bytes.Contains(text, []byte("panic: test timed out after")):
			if t.failAgain(m, some, deadline, text) {
				return false, nil
			}
		default:
			took, _, err := t.sound(some)
			if took <= deadline/2 || err != nil {
				return false, err
			}
			deadline = deadlineOf(took)
		}
	}
	return false, nil
}

// deadlineOf is short, for many a mutant waits for ever: passInTime asks again.
func deadlineOf(took time.Duration) time.Duration { return 3*time.Second + 3*took }

// failAgain reports whether what failed fails again, alone, and then suspects it.
func (t *tests) failAgain(m *mutant, some []*test, deadline time.Duration, text []byte) bool {
	var those []*test
	for _, found := range failed.FindAllSubmatch(text, -1) {
		for _, one := range some {
			if one.name == string(found[1]) {
				those = append(those, one)
			}
		}
	}
	if those == nil {
		those = some
	}
	passes := true
	for range 3 { // what fails now and then has failed
		if passes, _ = t.pass(m.number, those, deadline); !passes {
			break
		}
	}
	if passes {
		fmt.Printf("%s: failed once, and then not: %s\n", t.folder, patternOf(those))
		return false
	}
	if len(those) < len(some) || len(some) == 1 {
		t.suspect(m.file, those[0])
	}
	return true
}

var failed = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)

func (t *tests) suspects(file string) []*test {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.killers[file])
}

func (t *tests) suspect(file string, one *test) {
	const most = 6
	t.mu.Lock()
	defer t.mu.Unlock()
	if known := t.killers[file]; !slices.Contains(known, one) {
		t.killers[file] = append([]*test{one}, known[:min(len(known), most-1)]...)
	}
}

func patternOf(some []*test) string {
	names := make([]string, len(some))
	for i, one := range some {
		names[i] = one.name
	}
	return "^(" + strings.Join(names, "|") + ")$"
}

// pass runs tests against a mutant (0 is none) and reports whether all passed.
func (t *tests) pass(number int, some []*test, deadline time.Duration) (bool, []byte) {
	out, err := t.command(number, some, deadline).CombinedOutput()
	return err == nil, out
}

// command runs tests. They have 4 GiB, and ten times what they cost: a loop that
// lost its end is a mutant that dies, however busy the machine.
func (t *tests) command(number int, some []*test, deadline time.Duration) *exec.Cmd {
	limits := "ulimit -d 4194304"
	if number > 0 {
		cost := time.Duration(0)
		for _, one := range some {
			cost += one.cost
		}
		limits += fmt.Sprintf(" -t %d", int((3*time.Second + 10*cost).Seconds()))
	}
	command := exec.Command("bash", "-c", limits+`; exec "$0" "$@"`, t.binary,
		"-test.failfast", "-test.timeout="+deadline.String(), "-test.run="+patternOf(some))
	command.Dir = t.folder
	command.Env = append(os.Environ(), "CERTBOUND_MUTANT="+strconv.Itoa(number))
	return command
}
