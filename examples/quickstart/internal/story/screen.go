package story

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// width is how many columns a terminal has that nobody made wider.
const width = 80

// A style is a colour of a terminal (ECMA-48, SGR).
type style string

const (
	plain  style = ""
	strong style = "1"
	faint  style = "2"
	good   style = "32"
	bad    style = "1;31"
	harm   style = "1;37;41"
)

// A screen is where the story is told, in colour or without.
type screen struct {
	out      io.Writer
	coloured bool
}

// isColoured reports whether to write in colour: on a terminal, unless its user
// wants none (https://no-color.org).
func isColoured(wanted string, out *os.File) bool {
	if wanted != "auto" {
		return wanted == "always"
	}
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	if runtime.GOOS == "windows" && os.Getenv("WT_SESSION") == "" {
		return false // an old console shows the codes
	}
	info, err := out.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// paint returns the text in a style.
func (s screen) paint(style style, text string) string {
	if !s.coloured || style == plain {
		return text
	}
	return "\x1b[" + string(style) + "m" + text + "\x1b[0m"
}

func (s screen) printf(format string, a ...any) { fmt.Fprintf(s.out, format, a...) }

// heading begins a part of the story.
func (s screen) heading(text string) { s.printf("%s\n\n", s.paint(strong, text)) }

// block prints a text behind a margin, folded so that no line is wider than the
// terminal. Its further lines are indented by two more columns.
func (s screen) block(margin string, columns int, style style, text string) {
	for i, line := range fold(text, width-columns-2) {
		if i > 0 {
			line = "  " + line
		}
		s.printf("%s%s\n", margin, s.paint(style, line))
	}
}

// fold breaks a text at its spaces. What has none is not broken.
func fold(text string, columns int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > columns {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
