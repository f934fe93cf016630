package events

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Interval is how long one record stands for all that are like it.
const Interval = time.Minute

// How many kinds are told apart in an interval, first by all of a Key and then
// by its Kind alone; the rest count as one.
const (
	maxKeys  = 128
	maxKinds = 128
)

// A Key says which records are alike.
type Key struct{ Kind, Issuer, Client, Presented, Cause string }

func (k Key) compare(other Key) int {
	return cmp.Or(strings.Compare(k.Kind, other.Kind), strings.Compare(k.Issuer, other.Issuer), strings.Compare(k.Client, other.Client),
		strings.Compare(k.Presented, other.Presented), strings.Compare(k.Cause, other.Cause))
}

// text returns the key as it may stand in a log, and copied: it may be a piece of
// a long token.
func (k Key) text() Key {
	own := func(s string) string { return strings.Clone(Text(s)) }
	return Key{own(k.Kind), own(k.Issuer), own(k.Client), own(k.Presented), strings.Clone(Cause(k.Cause))}
}

// Suppressed says how many records like one were not written.
type Suppressed struct {
	Key
	Count uint64
	Since time.Time // when the interval began
}

// Repeats lets one record of each kind pass in an interval and counts the others.
// It has no goroutine: what was counted is handed out with the next event after
// the interval, whatever its kind. The zero Repeats is ready; it is safe for
// concurrent use.
type Repeats struct {
	counted atomic.Bool // anything was, in this interval: for who looks on the way of every request

	mu    sync.Mutex
	since time.Time
	seen  map[Key]uint64
}

// Admit reports whether a record is to be written. It also returns what was
// suppressed before an interval that is over, by Key.
func (r *Repeats) Admit(key Key) (write bool, over []Suppressed) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	over = r.end(now)
	if r.seen == nil {
		r.seen, r.since = make(map[Key]uint64), now
	}
	key = r.place(key)
	n, repeated := r.seen[key]
	if repeated {
		r.seen[key] = n + 1
		r.counted.Store(true)
		return false, over
	}
	r.seen[key] = 0
	return true, over
}

// Over returns what was suppressed in an interval that is over, by Key.
func (r *Repeats) Over() []Suppressed {
	if !r.counted.Load() {
		return nil
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.end(now)
}

func (r *Repeats) end(now time.Time) (over []Suppressed) {
	if r.seen == nil || now.Sub(r.since) < Interval {
		return nil
	}
	for key, n := range r.seen {
		if n > 0 {
			over = append(over, Suppressed{Key: key, Count: n, Since: r.since})
		}
	}
	slices.SortFunc(over, func(a, b Suppressed) int { return a.compare(b.Key) })
	r.seen = nil
	r.counted.Store(false)
	return over
}

// place finds room: in a flood of kinds some are told together.
func (r *Repeats) place(key Key) Key {
	key = key.text()
	if _, known := r.seen[key]; known || len(r.seen) < maxKeys {
		return key
	}
	key = Key{Kind: key.Kind}
	if _, known := r.seen[key]; known || len(r.seen) < maxKeys+maxKinds {
		return key
	}
	return Key{}
}
