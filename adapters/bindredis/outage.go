package bindredis

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// An outage tells the log when it began, with the first error, and when it
// ended.
type outage struct {
	log   *slog.Logger
	since atomic.Pointer[time.Time] // nil while the server answers
}

func (o *outage) begin(err error) {
	now := time.Now()
	if o.since.CompareAndSwap(nil, &now) {
		o.log.Error("bindredis: used DPoP proofs cannot be looked up", "cause", err.Error())
	}
}

func (o *outage) end() {
	if o.since.Load() == nil {
		return
	}
	if since := o.since.Swap(nil); since != nil {
		o.log.Info("bindredis: used DPoP proofs can be looked up again", "outage", time.Since(*since).Round(time.Millisecond))
	}
}
