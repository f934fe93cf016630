package jwks

import (
	"crypto/sha256"
	"slices"
	"time"

	"github.com/certbound/certbound/jwks/internal/keyset"
)

// A budget permits fetches on demand, those that a token of an unknown key
// causes: budgetSize at once and one more every budgetEvery, however many ask and
// whatever becomes of the fetches. The zero budget is full.
type budget struct {
	spent int       // of budgetSize
	next  time.Time // when one more is permitted, if any is spent
}

const (
	budgetSize  = 2
	budgetEvery = 5 * time.Second
)

// take takes out a fetch, if one is left.
func (b *budget) take(now time.Time) bool {
	b.refill(now)
	switch b.spent {
	case budgetSize:
		return false
	case 0:
		b.next = now.Add(budgetEvery)
	}
	b.spent++
	return true
}

// giveBack puts back a fetch that was taken out.
func (b *budget) giveBack() { b.spent = max(0, b.spent-1) }

// wait is how long it takes until a fetch can be taken out.
func (b *budget) wait(now time.Time) time.Duration {
	b.refill(now)
	if b.spent < budgetSize {
		return 0
	}
	return b.next.Sub(now)
}

func (b *budget) refill(now time.Time) {
	for b.spent > 0 && !now.Before(b.next) {
		b.spent--
		b.next = b.next.Add(budgetEvery)
	}
}

// knownKeys remembers the keys that the issuer has published, by their RFC 7638
// thumbprint and not their name: two sets that are served in turn, or one key
// under another name in each answer, bring nothing new.
type knownKeys struct {
	most  int
	order [][sha256.Size]byte // the last published is the last
	has   map[[sha256.Size]byte]bool
}

// newKnownKeys returns a memory of at least 1,000 keys, and of ten sets.
func newKnownKeys(maxKeys int) knownKeys {
	return knownKeys{most: max(1_000, 10*maxKeys), has: make(map[[sha256.Size]byte]bool)}
}

// learn remembers the keys of a set and reports whether there is one that no set
// before it had.
func (m *knownKeys) learn(set *keyset.Set) (isNew bool) {
	published := make(map[[sha256.Size]byte]bool, len(set.Keys))
	for _, key := range set.Keys {
		isNew = isNew || !m.has[key.Thumbprint]
		published[key.Thumbprint] = true
	}
	m.order = slices.DeleteFunc(m.order, func(key [sha256.Size]byte) bool { return published[key] })
	for key := range published {
		m.has[key] = true
		m.order = append(m.order, key)
	}
	for len(m.order) > m.most {
		delete(m.has, m.order[0])
		m.order = m.order[1:]
	}
	return isNew
}
