package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// A bench runs the tests of each package, compiled with every mutant in.
type bench struct {
	folder string
	tests  map[string]*tests
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
			t := &tests{folder: folder, killers: make(map[string][]*test), binary: filepath.Join(b.folder, strings.ReplaceAll(folder, "/", "-")+".test")}
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

// run runs the tests against each mutant.
func (b *bench) run(chosen []*mutant, workers int) error {
	return inParallel(workers, chosen, b.kill)
}

// inParallel calls a function for each of a list, so many at once, and returns the
// first error.
func inParallel[T any](workers int, list []T, call func(T) error) error {
	queue := make(chan T)
	failures := make(chan error, len(list))
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for item := range queue {
				failures <- call(item)
			}
		})
	}
	for _, item := range list {
		queue <- item
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
