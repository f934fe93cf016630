package strictjson

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// String decodes a value, one of a Member's, that is a JSON string.
func String(value string) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	text := value[1 : len(value)-1]
	if strings.IndexByte(text, '\\') < 0 {
		return text, true
	}
	return unescape(text)
}

// unescape decodes what is between the quotes of a string that a reader has read
// (RFC 8259 §7).
func unescape(text string) (string, bool) {
	var s strings.Builder
	s.Grow(len(text))
	for {
		before, escaped, found := strings.Cut(text, `\`)
		s.WriteString(before)
		switch {
		case !found:
			return s.String(), true
		case escaped[0] != 'u':
			s.WriteByte(unescaped[escaped[0]])
			text = escaped[1:]
			continue
		}
		r, length := codeUnit(escaped), len("u1234")
		if utf16.IsSurrogate(r) {
			low, isPair := strings.CutPrefix(escaped[length:], `\`)
			if !isPair || low[0] != 'u' {
				return "", false
			}
			if r = utf16.DecodeRune(r, codeUnit(low)); r == utf8.RuneError {
				return "", false
			}
			length += len(`\u1234`)
		}
		s.WriteRune(r)
		text = escaped[length:]
	}
}

// unescaped is what the letter behind a backslash stands for.
var unescaped = [128]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// codeUnit returns the UTF-16 code unit of an escape, from its u on.
func codeUnit(escape string) rune {
	unit, _ := strconv.ParseUint(escape[1:5], 16, 16) // the reader has seen the digits
	return rune(unit)
}

// Strings decodes a value, one of a Member's, that is an array of JSON strings.
func Strings(value string) ([]string, bool) {
	if len(value) < 2 || value[0] != '[' {
		return nil, false
	}
	list := make([]string, 0, min(16, 1+strings.Count(value, ",")))
	r := reader{text: value, at: 1}
	for {
		r.space()
		switch r.next() {
		case ']':
			return list, true
		case ',':
			r.at++
			continue
		}
		from := r.at
		if r.string() != nil {
			return nil, false
		}
		s, ok := String(value[from:r.at])
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
}
