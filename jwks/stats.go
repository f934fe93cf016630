package jwks

import (
	"crypto/sha256"
	"sync/atomic"
	"time"
)

// Stats are what a [Verifier] has done and what it has, for gauges and counters
// that somebody reads now and then. The numbers are not of one instant.
type Stats struct {
	// Verified is how many tokens were found good by their signature.
	Verified uint64

	// Seen is how many were found good without it: the verifier had seen the
	// very same token before, and its key is still published (Config.SeenTokens).
	Seen uint64

	// Keys is how many keys serve: 0 if there are none, or none young enough.
	Keys int

	// KeysAsOf is when the issuer was asked for the keys that came last, whether
	// or not they are young enough to serve; the zero time if none came yet, and
	// after Close.
	KeysAsOf time.Time
}

// Stats returns what the verifier has done so far. It asks nobody and is quick;
// after [Verifier.Close] there are no keys.
func (v *Verifier) Stats() Stats {
	stats := Stats{Verified: v.verified.Load(), Seen: v.seenAgain.sum()}
	if last := v.keys.current.Load(); last != nil {
		stats.KeysAsOf = last.asOf
	}
	if serving := v.keys.usable(); serving != nil {
		stats.Keys = len(serving.set.Keys)
	}
	return stats
}

// A tally counts on the way of every request. Tokens are spread over its cells by
// their digest, so that two processors seldom want the same cache line.
type tally [16]struct {
	n atomic.Uint64
	_ [56]byte // the rest of the cache line
}

func (t *tally) count(digest *[sha256.Size]byte) {
	t[digest[0]%uint8(len(t))].n.Add(1)
}

func (t *tally) sum() (sum uint64) {
	for i := range t {
		sum += t[i].n.Load()
	}
	return sum
}
