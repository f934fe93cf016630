// Package report says what was measured: a table of targets and results.
package report

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

// A Row is one target, and what was measured.
type Row struct {
	Work, Target string
	Results      []Result
}

// A Result is what was measured of one of the things that a row is about.
type Result struct {
	Of     string // "" if there is one thing alone
	Format string // of the value, and what else there is to say
	Value  float64
	Met    bool

	Low, High float64 // of all runs, if there were several
}

// Text is what the table has, without what it is of.
func (r Result) Text() string {
	text := fmt.Sprintf(r.Format, r.Value)
	verb := verbs.FindString(r.Format)
	if low, high := fmt.Sprintf(verb, r.Low), fmt.Sprintf(verb, r.High); low != high {
		text += fmt.Sprintf(" (%s to %s)", low, high)
	}
	return text
}

var verbs = regexp.MustCompile(`%\+?\.\df`)

func (r Result) String() string {
	if r.Of == "" {
		return r.Text()
	}
	return r.Of + " " + r.Text()
}

// Met reports whether nothing falls short of the target.
func (r Row) Met() bool {
	return !slices.ContainsFunc(r.Results, func(r Result) bool { return !r.Met })
}

// NewRow makes a row of one result: a value, and the format that says it.
func NewRow(work, target, of, format string, value float64, met bool) Row {
	return Row{Work: work, Target: target, Results: []Result{{of, format, value, met, value, value}}}
}

// AtMost makes a row of a number and the largest that will do. The format is for both of them, and what reads as the largest
// is not more.
func AtMost(work, of, format string, bound, measured float64) Row {
	met := measured <= bound || fmt.Sprintf(format, measured) == fmt.Sprintf(format, bound)
	return NewRow(work, "at most "+fmt.Sprintf(format, bound), of, format, measured, met)
}

// Middle returns the rows of the first of an odd number of runs, which all measured the same. Each result is the one in the
// middle, with the least and the greatest.
func Middle(runs [][]Row) []Row {
	of := make(map[[3]string][]Result)
	for _, rows := range runs {
		for _, row := range rows {
			for _, result := range row.Results {
				key := [3]string{row.Work, row.Target, result.Of}
				of[key] = append(of[key], result)
			}
		}
	}
	var all []Row
	for _, row := range runs[0] {
		middle := Row{Work: row.Work, Target: row.Target}
		for _, result := range row.Results {
			results := of[[3]string{row.Work, row.Target, result.Of}]
			slices.SortFunc(results, func(a, b Result) int { return cmp.Compare(a.Value, b.Value) })
			result = results[len(results)/2]
			result.Low, result.High = results[0].Value, results[len(results)-1].Value
			middle.Results = append(middle.Results, result)
		}
		all = append(all, middle)
	}
	return all
}

// Merge returns the rows with the results of those in one row that have one work and one target, and those of one work beside
// each other.
func Merge(rows []Row) []Row {
	var all []Row
	for _, r := range rows {
		after := len(all)
		i := slices.IndexFunc(all, func(other Row) bool { return other.Work == r.Work && other.Target == r.Target })
		if i >= 0 {
			all[i].Results = append(slices.Clip(all[i].Results), r.Results...)
			continue
		}
		for i, other := range all {
			if other.Work == r.Work {
				after = i + 1
			}
		}
		all = slices.Insert(all, after, r)
	}
	return all
}

// Print writes the rows for a terminal, and marks those that fall short.
func Print(w io.Writer, rows []Row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\twork\ttarget\tresult")
	for _, r := range rows {
		var results []string
		for _, result := range r.Results {
			text := result.String()
			if !result.Met {
				text += " (short of it)"
			}
			results = append(results, text)
		}
		mark := " "
		if !r.Met() {
			mark = "✗"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", mark, r.Work, r.Target, strings.Join(results, ", "))
	}
	return t.Flush()
}

// Markdown returns the rows as a table, with what falls short in bold.
func Markdown(rows []Row) string {
	var b strings.Builder
	b.WriteString("| work | target | result |\n|---|---|---|\n")
	for _, r := range rows {
		var results []string
		for _, result := range r.Results {
			text := result.String()
			if !result.Met {
				text = "**" + text + "**"
			}
			results = append(results, text)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.Work, r.Target, strings.Join(results, ", "))
	}
	return b.String()
}
