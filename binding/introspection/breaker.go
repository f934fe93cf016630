package introspection

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Failures in a row that open the breaker, and how long it then stays open: by
// chance between half and all of a limit that doubles.
const (
	openAfter = 5
	firstOpen = time.Second
	lastOpen  = 15 * time.Second

	// strangersWait is how much longer it stays open for tokens that were not
	// active before: the one call that then tries the server should not be about
	// a token that makes it hang.
	strangersWait = time.Second
)

// health is what a call says of the server, whatever it says of the token.
type health int

const (
	healthUnknown  health = iota // the call was not made, or we ended it
	healthUp                     // it answered, in whatever way
	healthNoAnswer               // on a connection: perhaps because of the token
	healthAway                   // no connection: the server has not seen the token
)

// A breaker keeps calls away from a server that is down: that cannot be reached,
// or does not answer in time. A server that answers, with whatever status, is
// there, and the failure is the token's. So is one while which another call was
// answered. A failure that a token may have caused counts once for each token.
//
// The zero breaker is closed. It is guarded by its owner's lock.
type breaker struct {
	row      []digest  // of the tokens whose calls failed, in a row
	openings int       // in a row
	since    time.Time // of the first of them
	until    time.Time // or zero, which is over
	probing  bool
	lastUp   time.Time // when the server last answered
}

func (b *breaker) open() bool { return b.openings > 0 }

// wait returns 0 if a call may be made now, and otherwise when to ask again.
// stranger says that other tokens are preferred.
func (b *breaker) wait(stranger bool) time.Duration {
	switch {
	case b.probing:
		return firstOpen // or sooner: the probe decides
	case stranger:
		return max(0, time.Until(b.until.Add(strangersWait)))
	}
	return max(0, time.Until(b.until))
}

// admit says that a call is made, and reports whether it is the probe of a
// breaker that is half open.
func (b *breaker) admit() (probe bool) {
	b.probing = b.open()
	return b.probing
}

// record takes in how a call ended that began at a time. It reports whether the
// breaker opened thereby, or how long it had been open if it closed.
func (b *breaker) record(d digest, h health, began time.Time, probe bool) (opened bool, away time.Duration) {
	if probe {
		b.probing = false
	}
	switch {
	case h == healthUnknown:
		return false, 0
	case h == healthUp:
		if b.open() {
			away = max(1, time.Since(b.since))
		}
		*b = breaker{lastUp: time.Now()}
		return false, away
	case b.open() && !probe, // it began before the breaker opened
		b.lastUp.After(began):
		return false, 0
	case !b.open():
		if h == healthNoAnswer && slices.Contains(b.row, d) {
			return false, 0
		}
		if b.row = append(b.row, d); len(b.row) < openAfter {
			return false, 0
		}
		b.since = time.Now()
	}
	limit := min(lastOpen, firstOpen<<min(b.openings, 10))
	b.openings++
	b.until = time.Now().Add(limit/2 + rand.N(limit/2))
	return true, 0
}
