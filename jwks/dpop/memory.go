package dpop

import (
	"hash/maphash"
	"sync"
	"time"
)

// memory remembers which proofs were used, each until it is accepted no more. It
// never forgets one that it would still accept: when it is full, it forgets the
// oldest, and from then on whatever is as old is refused as too old. So fullness
// shortens the time for which proofs are good, and nobody uses one twice.
//
// Time is cut into slots, by when a proof ends. A clock that is set changes
// nothing: what is over is over, so that one that was ahead refuses proofs until
// it is where it was.
type memory struct {
	width  int64 // of a slot, in seconds
	fresh  int64 // how long a proof that is made now is good, in seconds
	least  int64 // how long it must stay good: no more is forgotten for room
	most   int   // entries of a shard
	seed   maphash.Seed
	shards []shard
}

// Who can choose a jti must not choose its shard: the hash has a seed of its own.
type shard struct {
	mu      sync.Mutex
	base    int64 // the number of the first slot that is remembered; all before it are over
	held    int
	counts  [slots]int // the entries of each slot, by its number modulo slots
	entries []entry    // a hash table: linear probing
	taken   int        // entries that are not zero, at most three quarters: those that are held, and those that are over
}

// An entry is 112 bits of an id, and its slot's number modulo turn, plus 1: the zero
// entry is none.
type entry struct {
	id   [14]byte
	slot uint16
}

const (
	slots     = 16
	turn      = 1<<16 - 1
	halfTurn  = turn / 2
	maxShards = 256
	shardSize = 1024 // a smaller memory has fewer shards
)

// newMemory returns a memory of size entries, for proofs that end at most span from
// now, and fresh from now if they were made now.
func newMemory(size int, fresh, span time.Duration) *memory {
	// Some slots more than the span takes, so that none must go before its time.
	const used = slots - 3
	count := min(max(size/shardSize, 1), maxShards)
	m := &memory{
		width:  (int64(span/time.Second) + used) / used,
		fresh:  int64(fresh / time.Second),
		most:   size / count,
		seed:   maphash.MakeSeed(),
		shards: make([]shard, count),
	}
	m.least = min(15, m.fresh)
	return m
}

type outcome int

const (
	first     outcome = iota
	replayed          // it is remembered
	forgotten         // it is as old as what is not remembered any more
	full              // there is no room for it
)

// remember remembers an id that is good until a second, at another, and says what
// it was.
func (m *memory) remember(id [32]byte, until, now int64) outcome {
	e := entry{id: [14]byte(id[:14])}
	s, hash := m.shardOf(e)
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := until / m.width
	m.forgetBefore(s, max(now/m.width, slot-slots+1))
	if slot < s.base {
		return forgotten
	}
	if s.holds(e, hash) {
		return replayed
	}
	for s.held >= m.most {
		if m.window(s.base+1, now) < m.least {
			return full
		}
		m.forgetBefore(s, s.base+1)
	}
	if slot < s.base {
		return forgotten
	}
	e.slot = uint16(slot%turn) + 1
	m.add(s, e, hash)
	s.counts[slot%slots]++
	return first
}

// hasForgotten reports whether an id that is good until a second is as old as
// what is not remembered any more.
func (m *memory) hasForgotten(id [32]byte, until int64) bool {
	s, _ := m.shardOf(entry{id: [14]byte(id[:14])})
	s.mu.Lock()
	defer s.mu.Unlock()
	return until/m.width < s.base
}

// shardOf returns the shard of an entry, and the hash of its id.
func (m *memory) shardOf(e entry) (s *shard, hash uint64) {
	hash = maphash.Bytes(m.seed, e.id[:])
	return &m.shards[hash%uint64(len(m.shards))], hash
}

// window returns how long a proof that is made now is good if base is the first slot
// that is remembered.
func (m *memory) window(base, now int64) int64 {
	return m.fresh - max(0, base*m.width-now)
}

// forgetBefore makes base the first slot that is remembered, if it is not before
// that.
func (m *memory) forgetBefore(s *shard, base int64) {
	if base <= s.base {
		return
	}
	for number := s.base; number < min(base, s.base+slots); number++ {
		s.held -= s.counts[number%slots]
		s.counts[number%slots] = 0
	}
	before := s.base
	s.base = base
	switch {
	case base-before >= slots: // all are over, and by turns none would seem so
		s.entries, s.taken = nil, 0
	case s.held < len(s.entries)/8, base/halfTurn != before/halfTurn:
		m.rebuild(s)
	}
}

// isHeld reports whether an entry is there and its slot is not over. No entry
// stays for a turn after its slot is over: twice in a turn a table is rebuilt.
func (s *shard) isHeld(e entry) bool {
	return e.slot != 0 && (int64(e.slot)-1-s.base%turn+turn)%turn < slots
}

// holds reports whether an id is in a shard.
func (s *shard) holds(e entry, hash uint64) bool {
	if len(s.entries) == 0 {
		return false
	}
	for at := s.place(hash); s.entries[at].slot != 0; at = s.after(at) {
		if s.entries[at].id == e.id && s.isHeld(s.entries[at]) {
			return true
		}
	}
	return false
}

// add adds an entry whose id is not held.
func (m *memory) add(s *shard, e entry, hash uint64) {
	if s.taken >= len(s.entries)/4*3 {
		m.rebuild(s)
	}
	s.put(e, hash)
	s.held++
}

// put puts an entry into the first place that is free, or whose entry is over.
func (s *shard) put(e entry, hash uint64) {
	at := s.place(hash)
	for s.isHeld(s.entries[at]) {
		at = s.after(at)
	}
	if s.entries[at].slot == 0 {
		s.taken++
	}
	s.entries[at] = e
}

// rebuild makes a table of the entries that are held, with room for half as
// many more, or for as many as there may be. They are counted, so that whatever
// happened the table has free places, where a search ends.
func (m *memory) rebuild(s *shard) {
	old, held := s.entries, 0
	for _, e := range old {
		if s.isHeld(e) {
			held++
		}
	}
	s.entries, s.taken = make([]entry, max(held, min(held+held/2, m.most))/3*4+8), 0
	for _, e := range old {
		if s.isHeld(e) {
			s.put(e, maphash.Bytes(m.seed, e.id[:]))
		}
	}
}

// place is where an entry of that hash belongs. The shard took the hash modulo their
// number; its upper half is as good as new.
func (s *shard) place(hash uint64) int { return int(hash >> 32 * uint64(len(s.entries)) >> 32) }

func (s *shard) after(at int) int {
	if at++; at == len(s.entries) {
		return 0
	}
	return at
}

// stats returns how many ids are held, and the shortest window of a shard.
func (m *memory) stats(now int64) (held int, window time.Duration) {
	least := m.fresh
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		held += s.held
		least = min(least, m.window(s.base, now))
		s.mu.Unlock()
	}
	return held, time.Duration(max(0, least)) * time.Second
}
