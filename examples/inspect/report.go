package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A report is lines for a person: a label, a verdict and what there is to say.
type report struct {
	out    io.Writer
	colour bool
	failed []string // labels
}

// mark is the verdict of one line.
type mark string

const (
	ok         mark = "ok"
	fail       mark = "FAIL"
	notChecked mark = "-"
	plain      mark = ""
)

func newReport(out io.Writer) *report {
	return &report{out: out, colour: isTerminal(out) && os.Getenv("NO_COLOR") == "" &&
		os.Getenv("TERM") != "dumb" && runtime.GOOS != "windows"}
}

// say prints a line, and what more there is below it.
func (r *report) say(label string, m mark, text string, more ...string) {
	if m == fail {
		r.failed = append(r.failed, label)
	}
	verdict := fmt.Sprintf("%-5s", m)
	if r.colour {
		switch m {
		case ok:
			verdict = "\x1b[32m" + verdict + "\x1b[0m"
		case fail:
			verdict = "\x1b[1;31m" + verdict + "\x1b[0m"
		}
	}
	fmt.Fprintf(r.out, "%-12s %s%s\n", label, verdict, text)
	for _, line := range more {
		fmt.Fprintf(r.out, "%-18s%s\n", "", line)
	}
}

// isTerminal reports whether a person is at the other end.
func isTerminal(stream any) bool {
	file, isFile := stream.(*os.File)
	if !isFile {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	nobody, err := os.Stat(os.DevNull) // a character device as well
	return err != nil || !os.SameFile(info, nobody)
}

// maxShown is how many bytes of one value are shown.
const maxShown = 120

// quote is how everything that came from outside is printed: in quotes and
// ASCII, so that no control character reaches the terminal and no letter passes
// for another, and cut.
func quote(s string) string {
	if len(s) <= maxShown {
		return strconv.QuoteToASCII(s)
	}
	end := maxShown
	for end > maxShown-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return fmt.Sprintf("%s... (%d bytes)", strconv.QuoteToASCII(s[:end]), len(s))
}

// quoteAll is a list of values, cut.
func quoteAll(values []string) string {
	const most = 8
	var quoted []string
	for _, value := range values[:min(len(values), most)] {
		quoted = append(quoted, quote(value))
	}
	if len(values) > most {
		quoted = append(quoted, fmt.Sprintf("and %d more", len(values)-most))
	}
	return strings.Join(quoted, ", ")
}

// clean is the text of an error, which may hold what an issuer said.
func clean(err error) string {
	const most = 400
	text := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, err.Error())
	if len(text) > most {
		text = text[:most] + "..."
	}
	return text
}
