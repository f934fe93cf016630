package bindredis

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// toldEvery is the shortest time between two outages that are told: where one of
// a cluster's shards is away, answers and failures take turns at every request.
const toldEvery = 10 * time.Second

// An outage tells the log when it began, with the error, and when it ended.
// Another that begins soon is told only if it lasts.
type outage struct {
	log   *slog.Logger
	since atomic.Pointer[time.Time] // nil while the server answers

	mu     sync.Mutex // for what follows, and to change since
	told   bool       // that it began
	toldAt time.Time  // when one was told last; zero: never
	untold int        // that ended since then
}

func (o *outage) begin(err error) {
	now := time.Now()
	o.mu.Lock()
	since := o.since.Load()
	if since == nil {
		since = &now
		o.since.Store(since)
	}
	if o.told || now.Sub(o.toldAt) < toldEvery {
		o.mu.Unlock()
		return
	}
	before := o.untold
	o.told, o.toldAt, o.untold = true, now, 0
	o.mu.Unlock()
	attrs := []any{"cause", err.Error()}
	if !since.Equal(now) {
		attrs = append(attrs, "since", *since)
	}
	if before > 0 {
		attrs = append(attrs, "short_outages_before", before)
	}
	o.log.Error("bindredis: used DPoP proofs cannot be looked up", attrs...)
}

func (o *outage) end() {
	if o.since.Load() == nil {
		return
	}
	o.mu.Lock()
	since, told := o.since.Swap(nil), o.told
	o.told = false
	if since != nil && !told {
		o.untold++
	}
	o.mu.Unlock()
	if since != nil && told {
		o.log.Info("bindredis: used DPoP proofs can be looked up again", "outage", time.Since(*since).Round(time.Millisecond))
	}
}
