package main

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/certbound/certbound/binding/bindingtest/conformance"
)

// lastRow is the last row of the table that the numbers are from.
const lastRow = 453

// rows are those of the table, by their numbers.
type rows [lastRow + 1]row

type row struct {
	section       string
	inputs        []string // of the kit's cases, or else of the tests' names
	answers       []string // of the kit's cases: what the guard should answer
	tests         map[string]bool
	named         map[test]bool // tests that do not bear the number
	later, reason string        // why there is no test: not yet, or not at all
}

// newRows reads rows.tsv.
func newRows(text string) (*rows, error) {
	r := new(rows)
	for i := range r {
		r[i].tests, r[i].named = make(map[string]bool), make(map[test]bool)
	}
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		cells := strings.Split(line, "\t")
		if i == 0 {
			continue
		}
		if len(cells) != 3 {
			return nil, fmt.Errorf("%s: three cells in a line, not %q", table, line)
		}
		first, last, isRange := strings.Cut(cells[0], "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil || from < 1 || to > lastRow {
			return nil, fmt.Errorf("%s: no such row: %q", table, cells[0])
		}
		for number := from; number <= to; number++ {
			switch cells[1] {
			case "untested":
				r[number].reason = cells[2]
			case "later":
				r[number].later = cells[2]
			case "test":
				pkg, name, _ := strings.Cut(cells[2], " ")
				r[number].named[test{pkg, name}] = true
			default:
				return nil, fmt.Errorf("%s: no such kind: %q", table, cells[1])
			}
		}
	}
	return r, nil
}

// addKit says of rows that the conformance kit sends what it sends.
func (r *rows) addKit() error {
	for _, config := range []conformance.Config{{}, {Opaque: true}} {
		cases, err := config.Cases()
		if err != nil {
			return err
		}
		for _, c := range cases {
			one := &r[c.Row]
			one.section = c.Section
			one.inputs = with(one.inputs, c.Name)
			one.answers = with(one.answers, c.Should)
		}
	}
	return nil
}

func with(list []string, item string) []string {
	if slices.Contains(list, item) {
		return list
	}
	return append(list, item)
}

// A claim is a row that a test's name says it shows, and the beginning of the
// name that says so.
type claim struct {
	section, pattern, input string
	first, last             int
}

// A name bears numbers as TestX/A/8_tab, TestX/C_with_keys/8_tab,
// TestX/C/76_C/78, TestX/3.6_a_day:_I/251_known, TestX/G/182_to_184_x do.
var rowsInName = regexp.MustCompile(`(?:^|[/_])([A-N])(?:_[a-z_]+)?/(\d+)(?:_(and|to)_(\d+))?(?:[_/,:]|$)`)

func claims(name string) []claim {
	var all []claim
	for from := 0; from < len(name); {
		at := rowsInName.FindStringSubmatchIndex(name[from:])
		if at == nil {
			break
		}
		group := func(i int) string {
			if at[2*i] < 0 {
				return ""
			}
			return name[from+at[2*i] : from+at[2*i+1]]
		}
		first, _ := strconv.Atoi(group(2))
		c := claim{section: group(1), pattern: name[:from+at[5]], first: first, last: first}
		c.input = strings.ReplaceAll(name[from+at[1]:], "_", " ")
		last, _ := strconv.Atoi(group(4))
		switch group(3) {
		case "to":
			c.last = last
		case "and":
			all = append(all, claim{c.section, c.pattern, c.input, last, last})
		}
		all = append(all, c)
		from += at[5]
	}
	return all
}

// attribute says of every row which tests have shown it. Rows that none has
// shown, and that rows.tsv says nothing of, are an error.
func (r *rows) attribute(passed []test) error {
	var wrong []error
	for _, one := range passed {
		pkg := one.pkg
		if strings.HasPrefix(pkg, "adapters/bind") || pkg == "adapters/internal/suite" {
			pkg = "adapters"
		}
		for _, c := range claims(one.name) {
			for number := c.first; number <= c.last; number++ {
				if number < 1 || number > lastRow {
					wrong = append(wrong, fmt.Errorf("%s %s: there is no row %d", one.pkg, one.name, number))
					continue
				}
				r[number].section = c.section
				r[number].tests[pkg+" "+c.pattern] = true
				if r[number].answers == nil && c.input != "" {
					r[number].inputs = with(r[number].inputs, c.input)
				}
			}
		}
		for number := range r {
			if r[number].named[one] {
				r[number].tests[one.pkg+" "+one.name] = true
			}
		}
	}
	for number, one := range r {
		switch tested := len(one.tests) > 0; {
		case number == 0:
		case tested && one.reason != "":
			wrong = append(wrong, fmt.Errorf("row %d is tested, and rows.tsv says why it is not", number))
		case !tested && one.reason == "" && one.later == "":
			wrong = append(wrong, fmt.Errorf("row %d has neither a test that passed nor a line in rows.tsv", number))
		}
		for name := range one.named {
			if !one.tests[name.pkg+" "+name.name] {
				wrong = append(wrong, fmt.Errorf("row %d: %s %s has not passed", number, name.pkg, name.name))
			}
		}
	}
	return errors.Join(wrong...)
}

func (r *rows) summary() string {
	var tested, later, untested int
	for _, one := range r[1:] {
		switch {
		case len(one.tests) > 0:
			tested++
		case one.reason != "":
			untested++
		default:
			later++
		}
	}
	return fmt.Sprintf("%d rows, %d tested, %d with a later step, %d with a reason", lastRow, tested, later, untested)
}

var sections = []string{
	"A Authorization header and token transport", "B JWS compact form and encoding", "C JOSE header",
	"D ECDSA and signature values", "E Claims", "F Confirmation", "G TLS", "H Forwarded certificate headers", "I Key sets",
	"J Metadata", "K Logging, leakage, panics, concurrency, adapters", "L DPoP proofs", "M The world as it is",
	"N Seen with real servers, proxies and clients",
}

const introduction = `# Conformance

Bad input and attacks, what the answer should be, and the tests that have shown
that it is. Written by ` + "`.ci/conformance`" + ` from the results of a test run and the
cases of the conformance kit; not to be edited:

    go test -json ./... | go run ./.ci/conformance -write

What is sent, and the answer, are the kit's where the kit sends the row; else what
is sent is in the names of the tests. A test is given as its package and what
selects it: ` + "`go test ./jwks -run 'TestCompactForm/B/52'`" + `. *adapters* are tests
that every adapter passes alike.

`

// document is CONFORMANCE.md.
func (r *rows) document() string {
	var b strings.Builder
	b.WriteString(introduction + r.summary() + ".\n")
	for _, section := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n| # | sent | answer | tests |\n|---|---|---|---|\n", section)
		for number, one := range r {
			if number > 0 && one.section == section[:1] {
				if one.answers == nil {
					slices.Sort(one.inputs) // tests end in any order
				}
				fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", number, cell(one.inputs), cell(one.answers), one.shownBy())
			}
		}
	}
	b.WriteString("\n## Not shown\n\n| # | why |\n|---|---|\n")
	for number := 1; number <= lastRow; number++ {
		one, from := r[number], number
		why := one.reason + one.later
		if len(one.tests) > 0 {
			continue
		}
		for number < lastRow && len(r[number+1].tests) == 0 && r[number+1].reason+r[number+1].later == why {
			number++
		}
		numbers := strconv.Itoa(from)
		if number > from {
			numbers += " to " + strconv.Itoa(number)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", numbers, why)
	}
	return b.String()
}

var escapes = strings.NewReplacer("<", "&lt;", "*", `\*`, "|", `\|`)

// cell holds what a reader needs to know the row by; the kit's own list has
// all.
func cell(texts []string) string {
	const enough = 6
	if len(texts) > enough {
		texts = append(texts[:enough:enough], "...")
	}
	return escapes.Replace(strings.Join(texts, "; "))
}

// shownBy leaves out what another pattern selects as well.
func (o row) shownBy() string {
	var all []string
	last := "\x00"
	for _, name := range slices.Sorted(maps.Keys(o.tests)) {
		if !strings.HasPrefix(name, last) {
			last = name
			pkg, pattern, _ := strings.Cut(name, " ")
			all = append(all, pkg+" `"+pattern+"`")
		}
	}
	return strings.Join(all, "; ")
}
