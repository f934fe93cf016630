package dpop

import (
	"context"
	"time"
)

// A ReplayStore remembers which proofs were used, for all replicas that share
// it. It must be safe for concurrent use, and atomic: if several calls for the
// same id run at once, exactly one of them is first. It must be quick, because
// a request waits for it, and a proof that became too old more than 5 s before
// the answer is refused.
//
// [github.com/certbound/certbound/adapters/bindredis] has one for Redis and
// Valkey. Over SQL it is an INSERT that does nothing on a conflict, and whether it
// inserted a row.
type ReplayStore interface {
	// Remember remembers id for at least ttl, and reports whether it was not
	// remembered before. An error is answered 503: an outage of the store must
	// not be a way to use a proof twice.
	Remember(ctx context.Context, id [32]byte, ttl time.Duration) (first bool, err error)
}
