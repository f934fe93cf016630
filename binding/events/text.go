package events

import (
	"fmt"
	"strings"
	"unicode"
)

// How many bytes are written of a name, and of a cause, whose end often says what
// mends it.
const (
	mostOfName  = 200
	mostOfCause = 600
)

// Text returns s as it may stand in a log, whatever its handler does: cut, and
// quoted if it is too long or holds what is not printable, such as the line
// breaks and escape sequences by which a text passes itself off as a record.
func Text(s string) string { return text(s, mostOfName) }

// Cause is [Text] for an error's text, which may be longer.
func Cause(s string) string { return text(s, mostOfCause) }

func text(s string, most int) string {
	if len(s) > most {
		return fmt.Sprintf("%q...", s[:most])
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return fmt.Sprintf("%q", s)
	}
	return s
}
