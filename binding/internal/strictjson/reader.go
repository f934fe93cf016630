package strictjson

import "strings"

// A reader walks over a text, by the grammar of RFC 8259 §2 to §7. at is what
// comes next. Its methods leave it behind what they read, or return why that is
// not there.
type reader struct {
	text string
	at   int
}

// next returns the byte that comes next, or 0, which no JSON has, at the end.
func (r *reader) next() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

// value reads any value, at the depth of what is around it.
func (r *reader) value(depth int) error {
	switch c := r.next(); c {
	case '{':
		return r.object(depth + 1)
	case '[':
		return r.array(depth + 1)
	case '"':
		return r.string()
	case 't':
		return r.word("true")
	case 'f':
		return r.word("false")
	case 'n':
		return r.word("null")
	default:
		return r.number()
	}
}

// members reads the outermost object and appends its members to those that are
// there; its brace is next.
func (r *reader) members(members []Member) ([]Member, error) {
	var names names
	var err error
	for more := r.opened('}'); more; {
		var m Member
		if m, err = r.member(1, &names); err != nil {
			return nil, err
		}
		members = append(members, m)
		more, err = r.another('}')
	}
	return members, err
}

// object reads an object inside another value; its brace is next.
func (r *reader) object(depth int) error {
	if depth > MaxDepth {
		return ErrDepth
	}
	var names names
	var err error
	for more := r.opened('}'); more; {
		if _, err = r.member(depth, &names); err != nil {
			return err
		}
		more, err = r.another('}')
	}
	return err
}

// member reads one member of an object, whose name is new to names.
func (r *reader) member(depth int, names *names) (Member, error) {
	from := r.at
	if err := r.string(); err != nil {
		return Member{}, err
	}
	name, ok := String(r.text[from:r.at])
	if !ok {
		return Member{}, ErrSurrogate
	}
	if !names.add(name) {
		return Member{}, ErrDuplicate
	}
	r.space()
	if r.next() != ':' {
		return Member{}, ErrSyntax
	}
	r.at++
	r.space()
	from = r.at
	err := r.value(depth)
	return Member{Name: name, Value: r.text[from:r.at]}, err
}

// array reads an array; its bracket is next.
func (r *reader) array(depth int) error {
	if depth > MaxDepth {
		return ErrDepth
	}
	var err error
	for more := r.opened(']'); more; {
		if err = r.value(depth); err != nil {
			return err
		}
		more, err = r.another(']')
	}
	return err
}

// opened reads a brace or a bracket and reports whether there is anything in it.
func (r *reader) opened(end byte) (more bool) {
	r.at++
	r.space()
	if r.next() == end {
		r.at++
		return false
	}
	return true
}

// another reads what stands behind a member or an element: a comma, and then
// there must be another, or the end.
func (r *reader) another(end byte) (more bool, err error) {
	r.space()
	switch r.next() {
	case ',':
		r.at++
		r.space()
		return true, nil
	case end:
		r.at++
		return false, nil
	}
	return false, ErrSyntax
}

// string reads a string, quotes included.
func (r *reader) string() error {
	if r.next() != '"' {
		return ErrSyntax
	}
	for at := r.at + 1; at < len(r.text); at++ {
		switch c := r.text[at]; {
		case c == '"':
			r.at = at + 1
			return nil
		case c == '\\':
			at++
			if at < len(r.text) && r.text[at] == 'u' {
				if at+4 >= len(r.text) || !isHex(r.text[at+1:at+5]) {
					return ErrSyntax
				}
				at += 4
			} else if at == len(r.text) || strings.IndexByte(`"\/bfnrt`, r.text[at]) < 0 {
				return ErrSyntax
			}
		case c < ' ': // RFC 8259 §7: control characters must be escaped
			return ErrSyntax
		}
	}
	return ErrSyntax
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; !isDigit(s[i]) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// number reads a number: [ "-" ] int [ frac ] [ exp ], RFC 8259 §6.
func (r *reader) number() error {
	if r.next() == '-' {
		r.at++
	}
	if r.next() == '0' { // no other digit behind it
		r.at++
	} else if !r.digits() {
		return ErrSyntax
	}
	if r.next() == '.' {
		r.at++
		if !r.digits() {
			return ErrSyntax
		}
	}
	if r.next()|0x20 == 'e' {
		r.at++
		if sign := r.next(); sign == '+' || sign == '-' {
			r.at++
		}
		if !r.digits() {
			return ErrSyntax
		}
	}
	return nil
}

// digits reads one digit or more.
func (r *reader) digits() bool {
	from := r.at
	for isDigit(r.next()) {
		r.at++
	}
	return r.at > from
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (r *reader) word(word string) error {
	if !strings.HasPrefix(r.text[r.at:], word) {
		return ErrSyntax
	}
	r.at += len(word)
	return nil
}

func (r *reader) space() {
	for {
		switch r.next() {
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
	few   [16]string
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
