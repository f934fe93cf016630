//go:build unix

package bindredis_test

import (
	"context"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindredis"
)

// TestSoak lets two replicas use proofs, each proof at both, while their server
// is killed and frozen at random. A proof is first once for as long as the server
// keeps its memory, and a new one is never called used.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("CERTBOUND_SOAK"))
	if err != nil {
		t.Skip("CERTBOUND_SOAK says how long, such as 1m")
	}
	redis, log := startServer(t), new(journal)
	replicas := []*bindredis.Store{open(t, log, at(redis.address)), open(t, log, at(redis.address))}
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()

	var memory sync.RWMutex // written to while the server loses its memory
	var epoch int
	var firsts, replays, failures, slow atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for ctx.Err() == nil {
				id, order := newID(), rand.IntN(2)
				memory.RLock()
				began := epoch
				memory.RUnlock()
				first := 0
				for use := range 4 {
					asked := time.Now()
					was, err := replicas[(order+use)%2].Remember(context.Background(), id, ttl)
					if time.Since(asked) > 300*time.Millisecond {
						slow.Add(1)
					}
					switch {
					case err != nil:
						failures.Add(1)
					case was:
						first++
						firsts.Add(1)
					default:
						assert.NotZero(t, use, "a new proof was called used")
						replays.Add(1)
					}
					if use == 0 && err != nil {
						break // an honest client makes a new proof
					}
				}
				memory.RLock()
				if began == epoch {
					assert.LessOrEqual(t, first, 1, "a proof was first twice")
				}
				memory.RUnlock()
			}
		})
	}
	for ctx.Err() == nil {
		time.Sleep(time.Duration(200+rand.IntN(1500)) * time.Millisecond)
		if rand.IntN(2) == 0 {
			memory.Lock()
			epoch++
			redis.kill()
			time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
			redis.start(t)
			memory.Unlock()
			continue
		}
		redis.signal(t, syscall.SIGSTOP)
		time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
		redis.signal(t, syscall.SIGCONT)
	}
	all.Wait()
	t.Logf("soak: %d first, %d used, %d could not be asked (%d took over 300 ms), the server was emptied %d times", firsts.Load(), replays.Load(), failures.Load(), slow.Load(), epoch)
	require.NotZero(t, firsts.Load())
	require.NotZero(t, replays.Load())
}
