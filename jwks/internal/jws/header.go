package jws

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// maxParts is how many members a header may have, those of the objects in it
// included, and how many objects and arrays: more than any sender needs, and so
// few that nobody makes us work long before a signature was looked at. Strings
// may hold any characters.
const maxParts = 64

var errParts = errors.New("there are too many members, arrays or objects")

// AppendParts reads a JSON object as AppendMembers does, one of at most 64
// members, and at most 64 objects and arrays, wherever in it they stand.
func AppendParts(members Members, text []byte) (Members, error) {
	if hasManyParts(text) {
		return nil, errParts
	}
	return AppendMembers(members, text)
}

// hasManyParts counts colons, and opening brackets and braces, that are in no
// string, before anything is read. Nearly every text has few anywhere.
func hasManyParts(text []byte) bool {
	if bytes.Count(text, []byte(":")) <= maxParts && bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) <= maxParts {
		return false
	}
	colons, openings, inString := 0, 0, false
	for i := 0; i < len(text) && colons <= maxParts && openings <= maxParts; i++ {
		switch c := text[i]; {
		case c == '"':
			inString = !inString
		case inString && c == '\\':
			i++ // what is escaped ends nothing
		case inString:
		case c == ':':
			colons++
		case c == '[', c == '{':
			openings++
		}
	}
	return colons > maxParts || openings > maxParts
}

// AppendHeader reads a JOSE header (RFC 7515 §4) and appends its members to
// those that are there. The error is ErrMalformed or ErrExtension.
func AppendHeader(members Members, text []byte) (Members, error) {
	members, err := AppendParts(members, text)
	if err != nil {
		return nil, fmt.Errorf("%w: its header: %w", ErrMalformed, err)
	}
	// RFC 7515 §4.1.11: an extension that must be understood; we understand
	// none. RFC 7797 §7: b64 is not for JWTs.
	for _, name := range []string{"crit", "b64"} {
		if _, present := members.Value(name); present {
			return nil, ErrExtension
		}
	}
	return members, nil
}

// NormalizeType returns a typ as it is compared: without regard to case, and
// without application/, which may be left out (RFC 7515 §4.1.9).
func NormalizeType(typ string) string {
	return strings.TrimPrefix(strings.ToLower(typ), "application/")
}
