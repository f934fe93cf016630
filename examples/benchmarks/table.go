package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// A row is one target, and what was measured.
type row struct {
	work, target, result string
	met                  bool
}

// atMost makes a row of a number and the largest that will do. The format is for both of them.
func atMost(work, format string, bound, measured float64) row {
	return row{work, "at most " + fmt.Sprintf(format, bound), fmt.Sprintf(format, measured), measured <= bound}
}

// atLeast makes a row of a number and the smallest that will do.
func atLeast(work, format string, bound, measured float64) row {
	return row{work, "at least " + fmt.Sprintf(format, bound), fmt.Sprintf(format, measured), measured >= bound}
}

// printTable writes the rows for a terminal, and marks those that fall short.
func printTable(w io.Writer, rows []row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\twork\ttarget\tresult")
	for _, r := range rows {
		mark := "  "
		if !r.met {
			mark = "✗ "
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", mark, r.work, r.target, r.result)
	}
	return t.Flush()
}

// markdown returns the rows as a table for a README.
func markdown(rows []row) string {
	var b strings.Builder
	b.WriteString("| work | target | result |\n|---|---|---|\n")
	for _, r := range rows {
		result := r.result
		if !r.met {
			result = "**" + result + "**, short of it"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.work, r.target, result)
	}
	return b.String()
}

func shortfalls(rows []row) int {
	n := 0
	for _, r := range rows {
		if !r.met {
			n++
		}
	}
	return n
}
