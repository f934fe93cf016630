package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// adapters are the packages that run the suite of adapters/internal/suite.
var adapters = []string{"adapters/bindhttp", "adapters/bindecho", "adapters/bindgin"}

// A row is one of the table's.
type row struct {
	number                           int
	section, input, expected, source string

	notes    []note
	patterns map[string]map[string]bool // by package, what selects its tests: -run
	tests    int
}

// A note is what notes.tsv says of a row.
type note struct{ kind, answers, text string }

type table struct {
	rows  []*row
	named []struct {
		number int
		test
	}
}

func readTable(folder string) (*table, error) {
	t := new(table)
	attacks, err := readCells(folder+"attacks.tsv", 5)
	if err != nil {
		return nil, err
	}
	for i, cells := range attacks {
		if cells[0] != strconv.Itoa(i+1) {
			return nil, fmt.Errorf("row %d of the table has the number %s", i+1, cells[0])
		}
		t.rows = append(t.rows, &row{
			number: i + 1, section: cells[1], input: cells[2], expected: cells[3], source: cells[4],
			patterns: make(map[string]map[string]bool),
		})
	}
	notes, err := readCells(folder+"notes.tsv", 4)
	if err != nil {
		return nil, err
	}
	for _, cells := range notes {
		r, err := t.row(cells[0])
		if err != nil {
			return nil, err
		}
		if !slices.Contains([]string{"design", "also", "elsewhere", "untested"}, cells[1]) {
			return nil, fmt.Errorf("row %s: a note of the kind %q", cells[0], cells[1])
		}
		r.notes = append(r.notes, note{cells[1], cells[2], cells[3]})
	}
	tests, err := readCells(folder+"tests.tsv", 3)
	if err != nil {
		return nil, err
	}
	for _, cells := range tests {
		r, err := t.row(cells[0])
		if err != nil {
			return nil, err
		}
		t.named = append(t.named, struct {
			number int
			test
		}{r.number, test{cells[1], cells[2]}})
	}
	return t, nil
}

// readCells reads lines of cells with tabs between them. The first line is their names.
func readCells(path string, count int) ([][]string, error) {
	text, err := os.ReadFile(path) //nolint:gosec // a table of the project
	if err != nil {
		return nil, err
	}
	var lines [][]string
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(cells) != count {
			return nil, fmt.Errorf("%s: %d cells in %q, want %d", path, len(cells), line, count)
		}
		lines = append(lines, cells)
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("%s is empty", path)
	}
	return lines[1:], nil
}

func (t *table) row(number string) (*row, error) {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > len(t.rows) {
		return nil, fmt.Errorf("there is no row %q", number)
	}
	return t.rows[n-1], nil
}

func (r *row) note(kind string) (note, bool) {
	i := slices.IndexFunc(r.notes, func(n note) bool { return n.kind == kind })
	if i < 0 {
		return note{}, false
	}
	return r.notes[i], true
}

// A claim is a row that a test's name says it shows, and the beginning of the name that says so.
type claim struct {
	section, pattern string
	first, last      int
}

// A section is a letter, alone or in front of more words, and the number follows as the next level of subtests:
// TestSuite/A/8_tab, TestSuite/A_over_the_wire/8_tab, TestX/C/76_C/78_key, TestX/3.6_a_day:_I/251_known, G/182_to_184_x.
var rowsInName = regexp.MustCompile(`(?:^|[/_])([A-K])(?:_[a-z_]+)?/(\d+)(?:_(and|to)_(\d+))?`)

func claims(name string) []claim {
	var all []claim
	for from := 0; from < len(name); {
		found := rowsInName.FindStringSubmatchIndex(name[from:])
		if found == nil {
			break
		}
		at := func(i int) string {
			if found[2*i] < 0 {
				return ""
			}
			return name[from+found[2*i] : from+found[2*i+1]]
		}
		end := from + found[1]
		rest := name[end:]
		if rest == "" || strings.ContainsAny(rest[:1], "_/,:") {
			first, _ := strconv.Atoi(at(2))
			c := claim{section: at(1), pattern: name[:from+found[5]], first: first, last: first}
			if at(3) != "" {
				c.last, _ = strconv.Atoi(at(4))
			}
			if at(3) == "and" {
				all = append(all, claim{c.section, c.pattern, c.last, c.last})
				c.last = first
			}
			all = append(all, c)
		}
		from = end
	}
	return all
}

// attribute says of every row which tests have shown it, and what is wrong with that.
func (t *table) attribute(passed []test) error {
	var wrong []error
	suites := make(map[string]map[string]bool) // by adapter, the names that claim a row
	for _, adapter := range adapters {
		suites[adapter] = make(map[string]bool)
	}
	happened := make(map[test]bool)
	for _, test := range passed {
		happened[test] = true
		for _, c := range claims(test.name) {
			if names := suites[test.pkg]; names != nil && strings.HasPrefix(test.name, "TestSuite/") {
				names[test.name] = true
			}
			for number := c.first; number <= c.last; number++ {
				if number < 1 || number > len(t.rows) || c.last == c.first && t.rows[number-1].section != c.section {
					wrong = append(wrong, fmt.Errorf("%s %s: there is no row %d in section %s", test.pkg, test.name, number, c.section))
					continue
				}
				t.rows[number-1].add(test.pkg, c.pattern)
			}
		}
	}
	for _, named := range t.named {
		if !happened[named.test] {
			wrong = append(wrong, fmt.Errorf("row %d: %s %s has not passed", named.number, named.pkg, named.name))
		}
		t.rows[named.number-1].add(named.pkg, named.name)
	}
	for _, adapter := range adapters[1:] {
		for _, pair := range [][2]string{{adapter, adapters[0]}, {adapters[0], adapter}} {
			for name := range suites[pair[0]] {
				if !suites[pair[1]][name] {
					wrong = append(wrong, fmt.Errorf("%s: %s has not passed, as it has in %s", pair[1], name, pair[0]))
				}
			}
		}
	}
	for _, r := range t.rows {
		wrong = append(wrong, r.check())
	}
	return errors.Join(wrong...)
}

func (r *row) add(pkg, pattern string) {
	if r.patterns[pkg] == nil {
		r.patterns[pkg] = make(map[string]bool)
	}
	r.patterns[pkg][pattern] = true
	r.tests++
}

// check wants a test or a reason for a row; and for what a request can show, a test through each adapter or a reason.
func (r *row) check() error {
	_, untested := r.note("untested")
	_, elsewhere := r.note("elsewhere")
	switch {
	case untested && r.tests > 0:
		return fmt.Errorf("row %d is tested, and notes.tsv says why it is not", r.number)
	case !untested && r.tests == 0:
		return fmt.Errorf("row %d has neither a test that passed nor a reason", r.number)
	case untested:
		return nil
	}
	throughAdapters := r.testedBy(adapters...)
	if strings.Contains("ABCDEFK", r.section) && !throughAdapters && !elsewhere {
		return fmt.Errorf("row %d has neither a test through each adapter nor a reason", r.number)
	}
	if elsewhere && throughAdapters {
		return fmt.Errorf("row %d is tested through the adapters, and notes.tsv says why it is not", r.number)
	}
	return nil
}

// testedBy tells whether each of the packages has a test of the row.
func (r *row) testedBy(packages ...string) bool {
	return !slices.ContainsFunc(packages, func(pkg string) bool { return r.patterns[pkg] == nil })
}

// testedBy returns how many rows each of the packages has a test of.
func (t *table) testedBy(packages ...string) int {
	count := 0
	for _, r := range t.rows {
		if r.testedBy(packages...) {
			count++
		}
	}
	return count
}

// count returns how many rows are tested, by how many tests, and how many have a reason in place of one.
func (t *table) count() (tested, tests, reasons int) {
	for _, r := range t.rows {
		if r.tests > 0 {
			tested++
		} else {
			reasons++
		}
		tests += r.tests
	}
	return tested, tests, reasons
}

// abortPoints is how many points of a request a client broke off at, through an adapter.
func abortPoints(passed []test) int {
	points := make(map[string]bool)
	for _, test := range passed {
		if name, found := strings.CutPrefix(test.name, "TestSuite/aborts/"); found && test.pkg == adapters[0] {
			points[name] = true
		}
	}
	for name := range points { // a subtest that has subtests is none
		if at := strings.LastIndexByte(name, '/'); at > 0 {
			delete(points, name[:at])
		}
	}
	return len(slices.Collect(maps.Keys(points)))
}
