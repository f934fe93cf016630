// Package eventlog holds what the logs of events have in common: text that
// somebody else chose, and records that would repeat themselves.
package eventlog

import (
	"fmt"
	"strings"
	"unicode"
)

// most is how many bytes of a text are written as they are.
const most = 200

// Text returns s as it may stand in a log, whatever its handler does: cut, and
// quoted if it is too long or holds what is not printable, such as the line
// breaks and escape sequences by which a text passes itself off as a record.
func Text(s string) string {
	if len(s) > most {
		return fmt.Sprintf("%q...", s[:most])
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return fmt.Sprintf("%q", s)
	}
	return s
}
