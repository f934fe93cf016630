// Package strictjson reads JSON objects strictly, for the packages below binding.
//
// encoding/json accepts what a security decision cannot afford: it folds the
// case of names, lets the last of two equal names win and replaces invalid
// UTF-8. This package takes the grammar of RFC 8259 to the letter, and what RFC
// 7519 §4 and RFC 8725 ask for besides: names that occur once, compared
// exactly, in every object of the text. Half of a surrogate pair is no text (RFC
// 8259 §8.2), and no two strings that differ are read as one. It reads a text in
// one pass: half of what a token costs beside its signature is here. FuzzObject
// holds it to encoding/json, which must accept whatever this accepts, and read
// the same.
package strictjson

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// MaxDepth is how deep objects and arrays may be nested.
const MaxDepth = 64

// The errors of Object. None holds any of the text.
var (
	ErrUTF8      = errors.New("the text is not UTF-8")
	ErrSurrogate = errors.New("a name has half of a surrogate pair")
	ErrSyntax    = errors.New("the text is not JSON")
	ErrNotObject = errors.New("the text is not a JSON object")
	ErrDuplicate = errors.New("a name occurs twice in one object")
	ErrDepth     = errors.New("the text is nested too deeply")
)

// A Member is one member of an object.
type Member struct {
	Name  string // decoded
	Value string // as it stands in the text, without space around it
}

// Object reads one JSON object and nothing after it, and returns its members in
// their order. Every object inside it must have distinct names as well.
func Object(text string) ([]Member, error) {
	return AppendObject(make([]Member, 0, min(16, 1+strings.Count(text, ","))), text)
}

// AppendObject is Object for a caller that has the memory: it appends the members
// to those that are there. With an error it returns nil.
func AppendObject(members []Member, text string) ([]Member, error) {
	if !utf8.ValidString(text) {
		return nil, ErrUTF8
	}
	r := reader{text: text}
	r.space()
	if r.next() != '{' {
		if r.value(0) != nil {
			return nil, ErrSyntax
		}
		return nil, ErrNotObject
	}
	members, err := r.members(members)
	if err != nil {
		return nil, err
	}
	r.space()
	if r.at != len(text) {
		return nil, ErrSyntax
	}
	return members, nil
}

// Objects reads one JSON array of objects and nothing after it, and returns the
// objects as they stand in the text. Every object in it must have distinct
// names.
func Objects(text string) ([]string, error) {
	if !utf8.ValidString(text) {
		return nil, ErrUTF8
	}
	r := reader{text: text}
	r.space()
	if r.next() != '[' {
		return nil, ErrSyntax
	}
	var objects []string
	var err error
	for more := r.opened(']'); more; {
		if r.next() != '{' {
			if r.value(1) != nil {
				return nil, ErrSyntax
			}
			return nil, ErrNotObject
		}
		from := r.at
		if err = r.object(1); err != nil {
			return nil, err
		}
		objects = append(objects, text[from:r.at])
		if more, err = r.another(']'); err != nil {
			return nil, err
		}
	}
	r.space()
	if r.at != len(text) {
		return nil, ErrSyntax
	}
	return objects, nil
}
