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
)

// health is what a call says of the server, whatever it says of the token.
type health int

const (
	healthUnknown health = iota // the call was not made, or we ended it
	healthUp                    // it answered, in whatever way
	healthFailed                // 5xx, or no answer on a connection: perhaps because of the token
	healthAway                  // no connection: the server has not seen the token
)

// A breaker keeps calls away from a server that is down. A failure that a token
// may have caused counts once for each token, so that one odd token, sent again
// and again, opens it for nobody else.
//
// The zero breaker is closed. It is guarded by its owner's lock.
type breaker struct {
	row      []digest // of the tokens whose calls failed, in a row
	openings int      // in a row
	until    time.Time
	probing  bool
}

func (b *breaker) open() bool { return b.openings > 0 }

// wait returns 0 if a call may be made now, and otherwise when to ask again.
func (b *breaker) wait() time.Duration {
	switch {
	case !b.open():
		return 0
	case b.probing:
		return firstOpen // or sooner: the probe decides
	}
	return max(0, time.Until(b.until))
}

// admit says that a call is made, and reports whether it is the probe of a
// breaker that is half open.
func (b *breaker) admit() (probe bool) {
	b.probing = b.open()
	return b.probing
}

// record takes in how a call ended. It reports whether the breaker opened, or
// closed, thereby.
func (b *breaker) record(d digest, h health, probe bool) (opened, closed bool) {
	if probe {
		b.probing = false
	}
	switch {
	case h == healthUnknown:
		return false, false
	case h == healthUp:
		closed = b.open()
		*b = breaker{}
		return false, closed
	case b.open() && !probe: // it began before the breaker opened
		return false, false
	case !b.open():
		if h == healthFailed && slices.Contains(b.row, d) {
			return false, false
		}
		if b.row = append(b.row, d); len(b.row) < openAfter {
			return false, false
		}
	}
	limit := min(lastOpen, firstOpen<<min(b.openings, 10))
	b.openings++
	b.until = time.Now().Add(limit/2 + rand.N(limit/2))
	return true, false
}
