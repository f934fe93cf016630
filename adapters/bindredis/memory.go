package bindredis

import (
	"sync"
	"time"
)

// A memory remembers in this process, for DangerouslyUseMemoryWhenAway. Every
// proof passes it, also while the server answers, so that one that was accepted
// just before an outage is not accepted again in it, nor one of an outage after.
type memory struct {
	mu    sync.Mutex
	until map[[16]byte]time.Time
	sweep time.Time // not before
}

// maxRemembered bounds the memory: some 60 MB.
const maxRemembered = 1_000_000

func newMemory() *memory { return &memory{until: make(map[[16]byte]time.Time)} }

// remember reports whether id was used before. held is false where there is no
// room for it: this memory then says nothing of it.
func (m *memory) remember(id [32]byte, ttl time.Duration) (used, held bool) {
	key := [16]byte(id[:16])
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if until, there := m.until[key]; there && now.Before(until) {
		return true, true
	}
	if now.After(m.sweep) {
		for key, until := range m.until {
			if !now.Before(until) {
				delete(m.until, key)
			}
		}
		m.sweep = now.Add(10 * time.Second)
	}
	if len(m.until) >= maxRemembered {
		return false, false
	}
	m.until[key] = now.Add(ttl)
	return false, true
}
