package dpop

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// From the inside: what takes more proofs than can be signed.

func idOf(n int) [32]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// A million random uses, with a clock that is set back and forth by up to three minutes: no id is first twice, and a memory
// with room forgets nothing.
func TestMemoryNeverTwice(t *testing.T) {
	t.Parallel()
	uses := 1_000_000
	if testing.Short() {
		uses = 100_000
	}
	for _, size := range []int{1000, 5000, 100_000, 1_048_576} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(uint64(size), 1))
			m := newMemory(size, time.Minute, 90*time.Second)
			type proof struct {
				iat  int64
				used bool
			}
			proofs := make([]proof, 0, uses)
			now := int64(1_800_000_000)
			counts := make(map[outcome]int)
			for n := range uses / 4 {
				if random.IntN(5000) == 0 {
					now += int64(random.IntN(361) - 180)
				}
				if random.IntN(100) == 0 {
					now++
				}
				which := len(proofs)
				if n > 0 && random.IntN(2) == 0 {
					which -= 1 + random.IntN(min(len(proofs), 10_000))
				} else {
					proofs = append(proofs, proof{iat: now + int64(random.IntN(91)-60)})
				}
				p := &proofs[which]
				if p.iat+60 < now || p.iat > now+30 {
					continue // refused for its time
				}
				result := m.remember(idOf(which), p.iat+60, now)
				counts[result]++
				if result == first {
					require.False(t, p.used, "first twice")
					p.used = true
				}
			}
			require.NotZero(t, counts[first])
			require.NotZero(t, counts[replayed])
			held, _ := m.stats(now)
			require.LessOrEqual(t, held, size)
		})
	}
}

// Without a clock that is set, what was used and is still good is known to be used, not only refused.
func TestMemoryKnowsWhatItHolds(t *testing.T) {
	t.Parallel()
	m := newMemory(100_000, time.Minute, 90*time.Second)
	start := int64(1_800_000_000)
	var ends []int64
	for now := start; now < start+300; now++ {
		for range 50 {
			ends = append(ends, now+60+int64(len(ends)%91-60))
			require.Equal(t, first, m.remember(idOf(len(ends)-1), ends[len(ends)-1], now))
		}
		for n := max(0, len(ends)-5000); n < len(ends); n += 37 {
			if ends[n] >= now {
				require.Equal(t, replayed, m.remember(idOf(n), ends[n], now), "%d, with %d s left", n, ends[n]-now)
				require.Equal(t, replayed, m.remember(idOf(n), now+90, now), "a new proof with its jti")
			}
		}
	}
}

func TestMemoryOfManyAtOnce(t *testing.T) {
	t.Parallel()
	m := newMemory(50_000, time.Minute, 90*time.Second)
	var firsts [2000]atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for n := range firsts {
				if m.remember(idOf(n), 1060, 1000) == first {
					firsts[n].Add(1)
				}
			}
		})
	}
	all.Wait()
	for n := range firsts {
		require.EqualValues(t, 1, firsts[n].Load())
	}
}

// An honest load: what the memory is too small for shortens the window, and only at a window of 15 s is anybody refused.
func TestMemoryUnderLoad(t *testing.T) {
	t.Parallel()
	const size = 10_000
	for _, test := range []struct {
		perSecond int
		refused   bool
		window    [2]int64
	}{{130, false, [2]int64{60, 60}}, {200, false, [2]int64{30, 56}}, {350, false, [2]int64{15, 32}}, {900, true, [2]int64{15, 32}}} {
		m := newMemory(size, time.Minute, 90*time.Second)
		refused, n := 0, 0
		now := int64(1_800_000_000)
		for range 300 {
			now++
			for range test.perSecond {
				n++
				if m.remember(idOf(n), now+60, now) != first {
					refused++
				}
			}
		}
		held, window := m.stats(now)
		require.LessOrEqual(t, held, size)
		require.Equal(t, test.refused, refused > 0, "%d a second: %d refused", test.perSecond, refused)
		require.GreaterOrEqual(t, int64(window/time.Second), test.window[0], "%d a second", test.perSecond)
		require.LessOrEqual(t, int64(window/time.Second), test.window[1], "%d a second", test.perSecond)
	}
}

// After a clock that was ahead for a moment, proofs are refused until it is there again: closed, and mended by itself.
func TestMemoryAfterAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	m := newMemory(1000, time.Minute, 90*time.Second)
	require.Equal(t, first, m.remember(idOf(1), 1060, 1000))
	require.Equal(t, first, m.remember(idOf(2), 4660, 4600))
	require.Equal(t, forgotten, m.remember(idOf(1), 1060, 1000))
	require.Equal(t, forgotten, m.remember(idOf(3), 1061, 1001))
	_, window := m.stats(1001)
	require.Zero(t, window)
	require.Equal(t, first, m.remember(idOf(4), 4661, 4601))
}

// What is too old for a memory that is full is told as too old: another proof would not be.
func TestForgottenIsNotFull(t *testing.T) {
	t.Parallel()
	m := newMemory(1000, time.Minute, 90*time.Second)
	n := 0
	for m.remember(idOf(n), 1060, 1000) == first {
		n++
	}
	require.Equal(t, 1000, n)
	require.Equal(t, full, m.remember(idOf(n+1), 1060, 1000))
	require.Equal(t, forgotten, m.remember(idOf(n+2), 1005, 1000))
}

// What must stay is 15 s, to the second: slots are of 7 s here, and end at multiples of it.
func TestLeastWindow(t *testing.T) {
	t.Parallel()
	m := newMemory(1000, time.Minute, 90*time.Second)
	require.EqualValues(t, 7, m.width)
	for n := 0; m.remember(idOf(n), 1065, 1005) == first; n++ {
	}
	require.Equal(t, full, m.remember(idOf(-1), 1065, 1005))
	_, window := m.stats(1005)
	require.Equal(t, 15*time.Second, window)
}

// A proof that ends where room was made is too old as well.
func TestRoomIsNotMadeForWhatItIsMadeOf(t *testing.T) {
	t.Parallel()
	m := newMemory(1000, time.Minute, 90*time.Second)
	for n := range 1000 {
		require.Equal(t, first, m.remember(idOf(n), 1010, 1005))
	}
	require.Equal(t, forgotten, m.remember(idOf(-1), 1010, 1005))
	require.Equal(t, forgotten, m.remember(idOf(1), 1010, 1005))
	require.Equal(t, first, m.remember(idOf(-2), 1060, 1005))
	held, _ := m.stats(1005)
	require.Equal(t, 1, held)
}

// A jti is used up until its proof ends, and no longer, wherever it still lies.
func TestMemoryOfWhatIsOver(t *testing.T) {
	t.Parallel()
	m := newMemory(1000, time.Minute, 90*time.Second)
	for n := range 100 {
		require.Equal(t, first, m.remember(idOf(n), 1060, 1000))
		require.Equal(t, first, m.remember(idOf(-1-n), 1140, 1060))
	}
	require.Equal(t, first, m.remember(idOf(1), 1160, 1100))
	require.Equal(t, replayed, m.remember(idOf(1), 1161, 1101))
	require.Equal(t, replayed, m.remember(idOf(-1), 1161, 1101))
}

// What one shard has forgotten, another has not.
func TestShardsForgetEachForItself(t *testing.T) {
	t.Parallel()
	m := newMemory(2*shardSize, time.Minute, 90*time.Second)
	require.Len(t, m.shards, 2)
	ids := make(map[*shard][32]byte)
	for n := 0; len(ids) < 2; n++ {
		id := idOf(n)
		s, _ := m.shardOf(entry{id: [14]byte(id[:14])})
		ids[s] = id
	}
	one, other := ids[&m.shards[0]], ids[&m.shards[1]]
	for _, busy := range [][32]byte{one, other} {
		require.Equal(t, first, m.remember(busy, 2060, 2000))
		require.True(t, m.hasForgotten(busy, 1500))
		require.Equal(t, busy == other, m.hasForgotten(other, 1500))
		require.True(t, m.hasForgotten(one, 1500))
	}
}

// A table that was large gives its bytes back while some of what it held is still good.
func TestTableOfAMemoryShrinks(t *testing.T) {
	t.Parallel()
	m := newMemory(10_000, time.Minute, 90*time.Second)
	n := 0
	use := func(times int, now int64) (places int) {
		for range times {
			n++
			require.Equal(t, first, m.remember(idOf(n), now+60, now))
		}
		for i := range m.shards {
			places += len(m.shards[i].entries)
		}
		return places
	}
	before := use(8_000, 1000)
	use(200, 1050)
	require.Less(t, use(200, 1070), before/4)
}

// The number of a slot is written modulo turn: at no second is an empty place taken for an entry, nor an entry for another.
func TestMemoryAtEachNumberOfASlot(t *testing.T) {
	t.Parallel()
	m := newMemory(1000, time.Minute, 90*time.Second)
	for number := int64(turn - 2*slots); number < turn+2*slots; number++ {
		id, now := idOf(int(number)), number*m.width
		far, end := idOf(int(-number)), now+(slots-1)*m.width
		require.Equal(t, first, m.remember(far, end, now))
		require.Equal(t, replayed, m.remember(far, end, now))
		for ahead := range int64(slots) { // what ends later than it can is remembered as well
			require.Equal(t, map[bool]outcome{true: first, false: replayed}[ahead == 0], m.remember(id, now+ahead*m.width, now), "slot %d, %d ahead", number, ahead)
		}
	}
}

// After a silence, or a clock that was set, nothing is left of what was before, however long it was: the number of a slot
// is written modulo turn.
func TestMemoryAfterASilence(t *testing.T) {
	t.Parallel()
	for _, turns := range []int64{1, 2, 100} {
		for off := int64(-slots - 1); off <= slots+1; off++ {
			m := newMemory(1000, time.Minute, 90*time.Second)
			now := int64(1_800_000_000)
			for n := range 12 {
				require.Equal(t, first, m.remember(idOf(n), now+60, now))
			}
			now += (turns*turn + off) * m.width
			for n := range 12 {
				require.Equal(t, first, m.remember(idOf(n), now+60, now), "%d turns and %d slots", turns, off)
				require.Equal(t, replayed, m.remember(idOf(n), now+60, now), "%d turns and %d slots", turns, off)
			}
			held, _ := m.stats(now)
			require.Equal(t, 12, held)
		}
	}
}

// What is over is gone before its slot's number comes again, also where there is always something held and so few come that
// no place is needed.
func TestMemoryOfFewForATurn(t *testing.T) {
	t.Parallel()
	m := newMemory(1000, time.Minute, 90*time.Second)
	s := &m.shards[0]
	now := int64(1_800_000_000)
	for n := range 12 {
		require.Equal(t, first, m.remember(idOf(n), now+60, now))
	}
	end := now + turn*m.width
	for ; now < end; now += 8 * m.width {
		s.held = len(s.entries) // so many others that took no place of these
		m.forgetBefore(s, now/m.width)
	}
	s.held = 0
	for n := range 12 {
		require.Equal(t, first, m.remember(idOf(n), end+60, end))
	}
}

// Whatever a table holds, it has a free place, where a search ends.
func TestTableOfAMemoryHasAFreePlace(t *testing.T) {
	t.Parallel()
	m := newMemory(1000, time.Minute, 90*time.Second)
	s := &m.shards[0]
	for n := range 2000 { // more than there may be, and uncounted
		id := idOf(n)
		m.add(s, entry{[14]byte(id[:14]), 1}, uint64(n)<<40)
		s.held = 0
		free := 0
		for _, e := range s.entries {
			if e.slot == 0 {
				free++
			}
		}
		require.Positive(t, free)
	}
	m.rebuild(s)
	require.Equal(t, 2000, s.taken)
}

// A memory is bounded in bytes, full or not, and gives them back.
func TestBytesOfAMemory(t *testing.T) {
	const size = 1_000_000
	m := newMemory(size, time.Minute, 90*time.Second)
	before := heap()
	for n, sizes := 0, []int{10_000, 100_000, 500_000, 900_000}; len(sizes) > 0; sizes = sizes[1:] {
		for ; n < sizes[0]; n++ {
			if m.remember(idOf(n), 1000+int64(n%90), 1000) != first {
				t.Fatal("was used before")
			}
		}
		each := float64(heap()-before) / float64(n)
		t.Logf("%d held: %.1f bytes each", n, each)
		require.Less(t, each, 40.0, "%d held", n)
	}
	for n := range len(m.shards) * 100 {
		m.remember(idOf(size+n), 2060, 2000)
	}
	require.Less(t, heap()-before, int64(2<<20))
	runtime.KeepAlive(m)
}

func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// BenchmarkRemember is one new id among so many: as many go as come.
func BenchmarkRemember(b *testing.B) {
	for _, held := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(held), func(b *testing.B) {
			m := newMemory(2*held, time.Minute, 90*time.Second)
			now, n := int64(1_000_000), 0
			use := func() {
				n++
				if n%(held/60+1) == 0 {
					now++
				}
				if m.remember(idOf(n), now+60, now) != first {
					b.Fatal("not first")
				}
			}
			for range held * 2 {
				use()
			}
			b.ReportAllocs()
			for b.Loop() {
				use()
			}
			held, _ := m.stats(now)
			b.ReportMetric(float64(held), "held")
		})
	}
}
