package jws

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

var (
	errSyntax = errors.New("the text is not a JSON object in UTF-8")

	// ErrDuplicate: a name occurs twice in an object.
	ErrDuplicate = errors.New("a name occurs twice")
)

// A Member is one member of a JSON object.
type Member struct {
	Name  []byte // decoded
	Value []byte // as it stands in the text, without space around it
}

// Members are the members of one JSON object, in their order.
type Members []Member

// AppendMembers reads one JSON object strictly: UTF-8, nothing behind it, none
// of its own names twice. It appends the members to those that are there, for a
// caller that has the memory; they are parts of the text. It is for the small
// objects of headers, proofs and keys: the claims of access tokens are read by
// package binding.
func AppendMembers(members Members, text []byte) (Members, error) {
	if !utf8.Valid(text) {
		return nil, errSyntax
	}
	s := scanner{text: text}
	s.space()
	if s.next() != '{' {
		return nil, errSyntax
	}
	start := len(members)
	var names map[string]bool // where there are too many to compare
	for more := s.opened('}'); more; more = s.another('}') {
		m := s.member()
		if s.failed {
			break
		}
		if len(members)-start == maxParts {
			names = make(map[string]bool)
			for _, known := range members[start:] {
				names[string(known.Name)] = true
			}
		}
		if isKnown(members[start:], names, m.Name) {
			return nil, ErrDuplicate
		}
		members = append(members, m)
	}
	s.space()
	if s.failed || s.at != len(text) {
		return nil, errSyntax
	}
	return members, nil
}

// isKnown reports whether there is a member of that name. If there are names,
// they are all of them, and the name is added to them.
func isKnown(members Members, names map[string]bool, name []byte) bool {
	if names != nil {
		known := names[string(name)]
		names[string(name)] = true
		return known
	}
	for i := range members {
		if bytes.Equal(members[i].Name, name) {
			return true
		}
	}
	return false
}

// Value returns the value of the member of that very name.
func (m Members) Value(name string) (value []byte, present bool) {
	for i := range m {
		if string(m[i].Name) == name {
			return m[i].Value, true
		}
	}
	return nil, false
}

// Text returns what a member's value says, if it is a string.
func Text(value []byte) (text []byte, ok bool) {
	if len(value) < 2 || value[0] != '"' {
		return nil, false
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1], true
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		return nil, false
	}
	return []byte(s), true
}
