package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// What is here reads what the library refuses, so that it can be explained. No
// verdict comes from it.

// An object is a JSON object in its order, in which names may occur twice.
type object []member

type member struct {
	name  string
	value json.RawMessage
}

// readObject reads a JSON object, as loosely as encoding/json does.
func readObject(text []byte) (object, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if brace, err := decoder.Token(); err != nil || brace != json.Delim('{') {
		return nil, fmt.Errorf("it is no JSON object")
	}
	o := object{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("it is no JSON")
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, fmt.Errorf("it is no JSON")
		}
		o = append(o, member{name.(string), value}) // the key of an object is a string
	}
	if _, err := decoder.Token(); err != nil {
		return nil, fmt.Errorf("its JSON object has no end")
	}
	if len(bytes.TrimSpace(text[decoder.InputOffset():])) > 0 {
		return nil, fmt.Errorf("there is more after its JSON object")
	}
	return o, nil
}

// get returns the last member of the name, as many decoders have it.
func (o object) get(name string) (json.RawMessage, bool) {
	for _, m := range slices.Backward(o) {
		if m.name == name {
			return m.value, true
		}
	}
	return nil, false
}

// text returns the member if it is a string.
func (o object) text(name string) (string, bool) {
	value, _ := o.get(name)
	return textOf(value)
}

func textOf(value json.RawMessage) (s string, ok bool) {
	ok = len(value) > 0 && value[0] == '"' && json.Unmarshal(value, &s) == nil
	return s, ok
}

// texts returns the member if it is a string or an array with strings.
func (o object) texts(name string) []string {
	value, _ := o.get(name)
	if s, ok := textOf(value); ok {
		return []string{s}
	}
	var items []json.RawMessage
	if json.Unmarshal(value, &items) != nil {
		return nil
	}
	var all []string
	for _, item := range items {
		if s, ok := textOf(item); ok {
			all = append(all, s)
		}
	}
	return all
}

// names are the members' names, in their order.
func (o object) names() []string {
	var all []string
	for _, m := range o {
		all = append(all, m.name)
	}
	return all
}

// twice are the names that occur more than once.
func (o object) twice() []string {
	count := make(map[string]int)
	var names []string
	for _, m := range o {
		if count[m.name]++; count[m.name] == 2 {
			names = append(names, m.name)
		}
	}
	return names
}

// miscased returns a member whose name is taken for the given one by a reader
// that does not look closely: by case, by a sign, by a letter that folds.
func (o object) miscased(name string) (string, bool) {
	for _, m := range o {
		if m.name != name && folded(m.name) == folded(name) {
			return m.name, true
		}
	}
	return "", false
}

func folded(name string) string {
	name = strings.ToLower(strings.NewReplacer("\u017f", "s", "\u212a", "k").Replace(name))
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return -1
	}, name)
}

// kindOf names the type of a JSON value.
func kindOf(value json.RawMessage) string {
	switch {
	case len(value) == 0:
		return "nothing"
	case value[0] == '{':
		return "an object"
	case value[0] == '[':
		return "an array"
	case value[0] == '"':
		return "a string"
	case value[0] == 'n':
		return "null"
	case value[0] == 't', value[0] == 'f':
		return "a boolean"
	}
	return "a number"
}

// A form is the kind of token that the text has the form of.
type form int

const (
	opaque form = iota
	jws
	jwe
)

// A specimen is a token taken apart, as far as that goes.
type specimen struct {
	form     form
	segments []string
	header   object
	claims   object
	problems []string // of its form

	headerText, claimsText []byte
}

func takeApart(token string) *specimen {
	s := &specimen{segments: strings.Split(token, ".")}
	first, _ := decodeLoosely(s.segments[0])
	header, err := readObject(first)
	isObject := err == nil
	// RFC 7515 §7.1, RFC 7516 §7.1.
	if len(s.segments) == 1 || !isObject && !strings.HasPrefix(token, "eyJ") {
		return s
	}
	s.form = jws
	if _, encrypted := header.get("enc"); encrypted || len(s.segments) == 5 {
		s.form = jwe
	}
	s.header, s.headerText = header, first
	if !isObject {
		s.problem("segment 1, the header, cannot be read: " + err.Error())
	}
	if s.form == jwe {
		return s
	}
	if len(s.segments) != 3 {
		s.problem(fmt.Sprintf("it has %d segments with dots between them, and a signed JWT has 3 (RFC 7515 section 7.1)", len(s.segments)))
	}
	for i, name := range []string{"header", "payload", "signature"} {
		if i >= len(s.segments) {
			break
		}
		decoded, problem := decodeLoosely(s.segments[i])
		if problem != "" {
			s.problem(fmt.Sprintf("segment %d, the %s, %s", i+1, name, problem))
		}
		if i == 1 {
			s.claimsText = decoded
			if s.claims, err = readObject(decoded); err != nil {
				s.problem("segment 2, the payload, cannot be read: " + err.Error())
			}
		}
	}
	return s
}

func (s *specimen) problem(text string) { s.problems = append(s.problems, text) }

// decodeLoosely decodes base64 in any of its forms, and says what is wrong with
// the one that came (RFC 7515 §2 wants base64url without padding).
func decodeLoosely(segment string) (decoded []byte, problem string) {
	bare := strings.TrimRight(strings.NewReplacer("+", "-", "/", "_", "\r", "", "\n", "").Replace(segment), "=")
	decoded, err := base64.RawURLEncoding.DecodeString(bare)
	_, strict := base64.RawURLEncoding.Strict().DecodeString(bare)
	switch {
	case segment == "":
		return nil, "is empty"
	case err != nil:
		return nil, "is no base64url: is the token cut off, or changed on its way?"
	case strings.ContainsAny(segment, "="):
		return decoded, `is padded with "=", which base64url of RFC 7515 section 2 is not`
	case strings.ContainsAny(segment, "+/"):
		return decoded, `has "+" or "/", the standard alphabet in place of base64url's`
	case strings.ContainsAny(segment, "\r\n"):
		return decoded, "has a line end in it"
	case strict != nil:
		return decoded, "ends in a character that no encoder writes there (RFC 4648 section 3.5): is the token cut off or changed?"
	}
	return decoded, ""
}
