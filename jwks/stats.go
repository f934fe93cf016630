package jwks

import (
	"crypto/sha256"
	"sync/atomic"
	"time"
)

// Stats are figures of a [Verifier], for metrics. Its numbers are not all read
// at the same instant.
type Stats struct {
	// Verified is how many tokens were found good by their signature.
	Verified uint64

	// Seen is how many were found good without it: the verifier had seen the
	// very same token before, and its key is still published (Config.SeenTokens).
	Seen uint64

	// FetchLimited is how many tokens named a key that the verifier does not have
	// and did not look for, because it had asked the issuer as often as it may:
	// two fetches on demand at once, and one more every 5 seconds.
	FetchLimited uint64

	// Keys is how many keys are in use: 0 if there are none, or if they are too
	// old.
	Keys int

	// KeysAsOf is when the issuer was asked for the last keys that it sent,
	// whether or not they are too old to be used; the zero time if it sent none
	// yet, and after Close. For Config.Keys it is when New read them.
	KeysAsOf time.Time
}

// Stats returns the verifier's figures. It is quick and makes no request; after
// [Verifier.Close] there are no keys.
func (v *Verifier) Stats() Stats {
	stats := Stats{Verified: v.verified.Load(), Seen: v.seenAgain.sum(), FetchLimited: v.keys.fetchLimited()}
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
