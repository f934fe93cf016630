package jws

import (
	"bytes"
	"strings"
)

// A scanner walks over a text by the grammar of RFC 8259. at is what comes
// next. Once it has failed, nothing that it says means anything.
type scanner struct {
	text   []byte
	at     int
	failed bool
}

// maxDepth is how deep objects and arrays may be nested: as deep as
// encoding/json has it.
const maxDepth = 10_000

// next returns the byte that comes next, or 0, which no JSON has, at the end.
func (s *scanner) next() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) fail() {
	s.at, s.failed = len(s.text), true
}

func (s *scanner) space() {
	for {
		switch s.next() {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// opened reads a brace or a bracket and reports whether there is anything in it.
func (s *scanner) opened(end byte) (more bool) {
	s.at++
	s.space()
	if s.next() == end {
		s.at++
		return false
	}
	return true
}

// another reads what stands behind a member or an element: a comma, behind which
// there must be another, or the end.
func (s *scanner) another(end byte) (more bool) {
	s.space()
	switch s.next() {
	case ',':
		s.at++
		s.space()
		return true
	case end:
		s.at++
	default:
		s.fail()
	}
	return false
}

// member reads one member of the outermost object.
func (s *scanner) member() Member {
	from := s.at
	s.string()
	name := s.text[from:s.at]
	s.colon()
	from = s.at
	s.value(1)
	decoded, _ := Text(name)
	return Member{Name: decoded, Value: s.text[from:s.at]}
}

// value reads any value, at the depth of what is around it.
func (s *scanner) value(depth int) {
	switch s.next() {
	case '{':
		s.object(depth + 1)
	case '[':
		s.array(depth + 1)
	case '"':
		s.string()
	case 't':
		s.word("true")
	case 'f':
		s.word("false")
	case 'n':
		s.word("null")
	default:
		s.number()
	}
}

func (s *scanner) object(depth int) {
	if depth > maxDepth {
		s.fail()
		return
	}
	for more := s.opened('}'); more; more = s.another('}') {
		s.string()
		s.colon()
		s.value(depth)
	}
}

func (s *scanner) array(depth int) {
	if depth > maxDepth {
		s.fail()
		return
	}
	for more := s.opened(']'); more; more = s.another(']') {
		s.value(depth)
	}
}

func (s *scanner) colon() {
	s.space()
	if s.next() != ':' {
		s.fail()
		return
	}
	s.at++
	s.space()
}

// string reads a string, quotes included.
func (s *scanner) string() {
	if s.next() != '"' {
		s.fail()
		return
	}
	for at := s.at + 1; at < len(s.text); at++ {
		switch c := s.text[at]; {
		case c == '"':
			s.at = at + 1
			return
		case c == '\\':
			at++
			switch {
			case at == len(s.text):
			case s.text[at] == 'u' && at+4 < len(s.text) && isHex(s.text[at+1:at+5]):
				at += 4
				continue
			case strings.IndexByte(`"\/bfnrt`, s.text[at]) >= 0:
				continue
			}
			s.fail()
			return
		case c < ' ': // RFC 8259 §7: control characters must be escaped
			s.fail()
			return
		}
	}
	s.fail()
}

func isHex(digits []byte) bool {
	for _, c := range digits {
		if letter := c | 0x20; !isDigit(c) && (letter < 'a' || letter > 'f') {
			return false
		}
	}
	return true
}

// number reads a number: [ "-" ] int [ frac ] [ exp ] (RFC 8259 §6).
func (s *scanner) number() {
	if s.next() == '-' {
		s.at++
	}
	if s.next() == '0' { // no other digit behind it
		s.at++
	} else {
		s.digits()
	}
	if s.next() == '.' {
		s.at++
		s.digits()
	}
	if s.next()|0x20 == 'e' {
		s.at++
		if sign := s.next(); sign == '+' || sign == '-' {
			s.at++
		}
		s.digits()
	}
}

// digits reads one digit or more.
func (s *scanner) digits() {
	if !isDigit(s.next()) {
		s.fail()
	}
	for isDigit(s.next()) {
		s.at++
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (s *scanner) word(word string) {
	if !bytes.HasPrefix(s.text[s.at:], []byte(word)) {
		s.fail()
		return
	}
	s.at += len(word)
}
