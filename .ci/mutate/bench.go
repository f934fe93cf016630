package main

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A bench runs the tests of each package, compiled with every mutant in.
type bench struct {
	folder string
	tests  map[string]*tests
}

// The tests of one package, compiled when they are first needed.
type tests struct {
	folder   string
	prepare  func() error
	binary   string
	quick    string // a pattern for -test.run; "" where all are quick
	deadline struct{ quick, all time.Duration }

	mu      sync.Mutex
	killers map[string][]string // by file: tests that its mutants died of, the last first
}

//go:embed switch.go.txt
var switches string

func newBench(sources []*source) (*bench, error) {
	folder, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return nil, err
	}
	b := &bench{folder: folder, tests: make(map[string]*tests)}
	overlay, err := b.overlay(sources)
	if err != nil {
		b.close()
		return nil, err
	}
	for _, target := range targets {
		for _, folder := range target.tests {
			t := &tests{folder: folder, killers: make(map[string][]string), binary: filepath.Join(b.folder, strings.ReplaceAll(folder, "/", "-")+".test")}
			t.prepare = sync.OnceValue(func() error { return t.build(overlay) })
			b.tests[folder] = t
		}
	}
	return b, nil
}

func (b *bench) close() { _ = os.RemoveAll(b.folder) }

// overlay writes the changed files, and the file that tells go build of them.
func (b *bench) overlay(sources []*source) (string, error) {
	replace := make(map[string]string)
	write := func(path, text string) error {
		at, err := filepath.Abs(path)
		if err != nil || replace[at] != "" {
			return err
		}
		replace[at] = filepath.Join(b.folder, strconv.Itoa(len(replace))+".go")
		return os.WriteFile(replace[at], []byte(text), 0o600)
	}
	for _, s := range sources {
		if err := write(s.file, apply(s.text, s.edits)); err != nil {
			return "", err
		}
		path := filepath.Join(s.target.folder, "mutant_switch.go")
		if err := write(path, "package "+s.pkg.Name()+"\n"+switches); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(b.folder, "overlay.json")
	return path, os.WriteFile(path, text, 0o600)
}

// build compiles the tests of a package, runs them without a mutant and sorts
// them into quick and slow.
func (t *tests) build(overlay string) error {
	out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", t.binary, "./"+t.folder).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go test -c %s: %w\n%s", t.folder, err, out)
	}
	took, text, err := t.sound("-test.v")
	if err != nil {
		return err
	}
	t.deadline.all = deadlineOf(took)
	if took < 300*time.Millisecond {
		return nil
	}
	t.quick = quickTests(text, max(100*time.Millisecond, took/50))
	took, _, err = t.sound("-test.run=" + t.quick)
	t.deadline.quick = deadlineOf(took)
	return err
}

// deadlineOf is short, for many a mutant waits for ever: passInTime asks again.
func deadlineOf(took time.Duration) time.Duration { return 3*time.Second + 3*took }

// sound runs tests without a mutant, which must pass, at the second try at the
// latest, and measures how long they take.
func (t *tests) sound(args ...string) (took time.Duration, text []byte, err error) {
	for range 2 {
		start := time.Now()
		passes, text := t.pass(0, 5*time.Minute, args...)
		if passes {
			return time.Since(start), text, nil
		}
		err = fmt.Errorf("the tests of %s fail without a mutant:\n%s", t.folder, text)
	}
	return 0, nil, err
}

var passed = regexp.MustCompile(`^--- PASS: (\w+) \(([0-9.]+)s\)`)

// quickTests returns a pattern for the tests that took no longer than that.
func quickTests(output []byte, most time.Duration) string {
	var names []string
	for lines := bufio.NewScanner(bytes.NewReader(output)); lines.Scan(); {
		found := passed.FindStringSubmatch(lines.Text())
		if found == nil {
			continue
		}
		if seconds, err := strconv.ParseFloat(found[2], 64); err == nil && seconds <= most.Seconds() {
			names = append(names, found[1])
		}
	}
	return patternOf(names)
}

// passAll reports whether all tests pass with a mutant. Those that its
// neighbours died of come first.
func (t *tests) passAll(m *mutant) (bool, error) {
	if err := t.prepare(); err != nil {
		return false, err
	}
	if t.quick == "" {
		passes, _, err := t.passInTime(m.number, t.deadline.all)
		return passes, err
	}
	if known := t.suspects(m.file); known != nil {
		passes, _, err := t.passInTime(m.number, t.deadline.quick, "-test.run="+patternOf(known))
		if !passes || err != nil {
			return false, err
		}
	}
	passes, text, err := t.passInTime(m.number, t.deadline.quick, "-test.run="+t.quick)
	if passes && err == nil {
		passes, text, err = t.passInTime(m.number, t.deadline.all, "-test.skip="+t.quick)
	}
	for _, found := range failed.FindAllSubmatch(text, -1) {
		t.suspect(m.file, string(found[1]))
	}
	return passes, err
}

// passInTime is pass, where neither a busy machine nor a test's bad luck is a
// mutant's fault. Tests that came to their deadline have failed only if without
// a mutant they take no more than half of it there and then; if they take more
// they get another. What fails three times has failed.
func (t *tests) passInTime(number int, deadline time.Duration, args ...string) (bool, []byte, error) {
	for range 3 {
		passes, text := t.pass(number, deadline, args...)
		switch {
		case passes:
			return true, text, nil
		case !bytes.Contains(text, []byte("panic: test timed out after")):
			if t.failAgain(number, deadline, args, text) {
				return false, text, nil
			}
		default:
			took, _, err := t.sound(args...)
			if took <= deadline/2 || err != nil {
				return false, text, err
			}
			deadline = deadlineOf(took)
		}
	}
	return false, nil, nil
}

// failAgain reports whether what failed fails again, alone.
func (t *tests) failAgain(number int, deadline time.Duration, args []string, text []byte) bool {
	var names []string
	for _, found := range failed.FindAllSubmatch(text, -1) {
		names = append(names, string(found[1]))
	}
	if names != nil {
		args = []string{"-test.run=" + patternOf(names), "-test.count=5"}
	}
	passes, _ := t.pass(number, deadline, args...)
	if passes {
		fmt.Printf("%s: failed once, and then not: %s\n", t.folder, strings.Join(names, " "))
	}
	return !passes
}

var failed = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)

func (t *tests) suspects(file string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.killers[file])
}

func (t *tests) suspect(file, test string) {
	const most = 6
	t.mu.Lock()
	defer t.mu.Unlock()
	if known := t.killers[file]; !slices.Contains(known, test) {
		t.killers[file] = append([]string{test}, known[:min(len(known), most-1)]...)
	}
}

func patternOf(tests []string) string { return "^(" + strings.Join(tests, "|") + ")$" }

// pass runs tests against a mutant (0 is none) and reports whether all passed.
// They have 4 GiB: a loop that lost its end is a mutant that dies.
func (t *tests) pass(number int, deadline time.Duration, args ...string) (bool, []byte) {
	args = append([]string{"-c", `ulimit -d 4194304; exec "$0" "$@"`, t.binary,
		"-test.failfast", "-test.timeout=" + deadline.String()}, args...)
	command := exec.Command("bash", args...)
	command.Dir = t.folder
	command.Env = append(os.Environ(), "CERTBOUND_MUTANT="+strconv.Itoa(number))
	out, err := command.CombinedOutput()
	return err == nil, out
}

// run runs the tests against each mutant.
func (b *bench) run(chosen []*mutant, workers int) error {
	queue := make(chan *mutant)
	failures := make(chan error, len(chosen))
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for m := range queue {
				failures <- b.kill(m)
			}
		})
	}
	for _, m := range chosen {
		queue <- m
	}
	close(queue)
	running.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

// kill runs tests until a package's fail with the mutant, and tells what should
// not have come of it.
func (b *bench) kill(m *mutant) error {
	for _, folder := range m.source.target.tests {
		passes, err := b.tests[folder].passAll(m)
		if err != nil {
			return err
		}
		if !passes {
			m.killedBy = folder
			break
		}
	}
	switch {
	case m.excuse == "" && m.killedBy == "":
		fmt.Printf("survived, line %d: %s\n", m.line, m.name)
	case m.excuse != "" && m.killedBy != "":
		fmt.Printf("not equivalent, %s fails, line %d: %s\n", m.killedBy, m.line, m.name)
	}
	return nil
}
