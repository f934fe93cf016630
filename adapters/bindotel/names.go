package bindotel

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
)

// other is the semantic conventions' value for what has no name of its own.
const other = "_OTHER"

// names are the values of an attribute: the first that come, up to a limit, and
// other for the rest. It is read without a lock.
type names struct {
	max   int
	mu    sync.Mutex // for who adds
	known atomic.Pointer[map[string]string]
}

func newNames(limit int) *names {
	n := &names{max: limit}
	n.known.Store(&map[string]string{})
	return n
}

// of returns the name to use for s, or "" for "".
func (n *names) of(s string) string {
	if s == "" {
		return ""
	}
	if name, ok := (*n.known.Load())[s]; ok {
		return name
	}
	if len(*n.known.Load()) >= n.max || !isNameable(s) {
		return other
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	known := *n.known.Load()
	if name, ok := known[s]; ok {
		return name // another has added it meanwhile
	}
	if len(known) >= n.max {
		return other
	}
	known = maps.Clone(known)
	s = strings.Clone(s) // it may be a piece of a long token
	known[s] = s
	n.known.Store(&known)
	return s
}

// isNameable reports whether s may be an attribute: neither long nor something
// that a terminal takes for more than text.
func isNameable(s string) bool {
	return len(s) <= 200 && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar })
}
