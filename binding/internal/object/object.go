// Package object reads JSON objects strictly, for the packages below binding.
//
// encoding/json accepts what a security decision cannot afford: it folds the
// case of names, lets the last of two equal names win and replaces invalid
// UTF-8. This package leaves the grammar of RFC 8259 to encoding/json and adds
// what RFC 7519 §4 and RFC 8725 ask for: names that occur once, compared
// exactly, in every object of the text.
package object

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// MaxDepth is how deep objects and arrays may be nested.
const MaxDepth = 64

// The errors of Parse. None holds any of the text.
var (
	ErrUTF8      = errors.New("the text is not UTF-8")
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

// Parse reads one JSON object and nothing after it, and returns its members in
// their order. Every object inside it must have distinct names as well.
func Parse(text string) ([]Member, error) {
	if !utf8.ValidString(text) {
		return nil, ErrUTF8
	}
	if !json.Valid([]byte(text)) {
		return nil, ErrSyntax
	}
	r := reader{text: text}
	r.space()
	if text[r.at] != '{' {
		return nil, ErrNotObject
	}
	members := make([]Member, 0, 16)
	if err := r.object(1, &members); err != nil {
		return nil, err
	}
	return members, nil
}

// String decodes a value that is a JSON string.
func String(value string) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	if strings.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1], true
	}
	var s string
	err := json.Unmarshal([]byte(value), &s)
	return s, err == nil
}

// Strings decodes a value that is an array of JSON strings.
func Strings(value string) ([]string, bool) {
	if len(value) < 2 || value[0] != '[' {
		return nil, false
	}
	list := []string{}
	r := reader{text: value, at: 1}
	for {
		r.space()
		switch value[r.at] {
		case ']':
			return list, true
		case ',':
			r.at++
			continue
		}
		from := r.at
		if value[from] != '"' {
			return nil, false
		}
		r.string()
		s, ok := String(value[from:r.at])
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
}

// A reader walks over a text that json.Valid has accepted, so that it needs no
// error for what the grammar rules out.
type reader struct {
	text string
	at   int
}

// object reads an object; r.at is at its brace. With members it collects them.
func (r *reader) object(depth int, members *[]Member) error {
	if depth > MaxDepth {
		return ErrDepth
	}
	var names names
	r.at++
	for {
		r.space()
		switch r.text[r.at] {
		case '}':
			r.at++
			return nil
		case ',':
			r.at++
			continue
		}
		from := r.at
		r.string()
		name, ok := String(r.text[from:r.at])
		if !ok {
			return ErrSyntax
		}
		if !names.add(name) {
			return ErrDuplicate
		}
		r.space()
		r.at++ // the colon
		r.space()
		from = r.at
		if err := r.value(depth); err != nil {
			return err
		}
		if members != nil {
			*members = append(*members, Member{Name: name, Value: r.text[from:r.at]})
		}
	}
}

func (r *reader) array(depth int) error {
	if depth > MaxDepth {
		return ErrDepth
	}
	r.at++
	for {
		r.space()
		switch r.text[r.at] {
		case ']':
			r.at++
			return nil
		case ',':
			r.at++
			continue
		}
		if err := r.value(depth); err != nil {
			return err
		}
	}
}

func (r *reader) value(depth int) error {
	switch r.text[r.at] {
	case '{':
		return r.object(depth+1, nil)
	case '[':
		return r.array(depth + 1)
	case '"':
		r.string()
	default: // a number, true, false or null
		for r.at < len(r.text) && strings.IndexByte(",]} \t\r\n", r.text[r.at]) < 0 {
			r.at++
		}
	}
	return nil
}

// string passes over a string; r.at is at its first quote.
func (r *reader) string() {
	for r.at++; r.text[r.at] != '"'; r.at++ {
		if r.text[r.at] == '\\' {
			r.at++
		}
	}
	r.at++
}

func (r *reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

// names is a set of strings: a few are compared one by one, many are hashed, so
// that neither a usual object nor an object made to be slow costs much.
type names struct {
	few   [24]string
	count int
	many  map[string]struct{}
}

// add reports whether name was new.
func (n *names) add(name string) bool {
	for _, known := range n.few[:n.count] {
		if known == name {
			return false
		}
	}
	if n.count < len(n.few) {
		n.few[n.count] = name
		n.count++
		return true
	}
	if n.many == nil {
		n.many = make(map[string]struct{})
	}
	if _, known := n.many[name]; known {
		return false
	}
	n.many[name] = struct{}{}
	return true
}
