package jwks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/internal/keyset"
)

var (
	errTooManyWaiters = errors.New("jwks: too many requests wait for the issuer's keys")
	errFetchLimited   = errors.New("jwks: the token's key is unknown, and the issuer was asked for new keys as often as is permitted")
	errKeyGone        = errors.New("jwks: the token's key is unknown, and the token is older than the keys that are known")
)

// find returns the keys that settle a token all of whose cheap checks have
// passed: the keys in hand if they do, and otherwise those of a fetch that began
// after the token came, whether or not they do. settles looks at a set; the last
// that it was given is the one that find returns. issued is when the token was
// issued at the latest, or the zero time if it does not say.
//
// Without keys it waits for the fetch that is under way. With keys that do not
// settle the token it asks the issuer, as far as the budget goes. An error means
// that nobody can say, unless it is a [*binding.Error] that does.
func (k *remoteKeys) find(ctx context.Context, settles func(*keyset.Set) bool, issued time.Time) (*keyset.Set, error) {
	seen := k.usable()
	if seen != nil && settles(seen.set) {
		return seen.set, nil
	}
	if k.fixed && seen != nil {
		return seen.set, nil
	}
	since := k.fetchesBegun()
	for {
		latest, f, err := k.join(seen, issued)
		if f != nil {
			latest, err = k.wait(ctx, f)
		}
		if err != nil {
			// If the process stood still it is an outage only now that a fetch has
			// failed, and the keys in hand serve.
			if latest = k.usable(); latest != nil && latest != seen && settles(latest.set) {
				return latest.set, nil
			}
			return nil, err
		}
		// The keys of a fetch that began before the token came may lack the one
		// that the token was signed with. Those of a later one are the answer.
		if settles(latest.set) || latest.fetch > since {
			return latest.set, nil
		}
		seen = latest
	}
}

// join returns the keys in hand if they are not those that the caller has seen.
// Otherwise it returns a fetch to wait for, as wait does: the one that is under
// way, or one that it opens. Without keys it opens none after a failure: the
// schedule does.
func (k *remoteKeys) join(seen *snapshot, issued time.Time) (*snapshot, *fetch, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, nil, ErrClosed
	}
	now := time.Now()
	latest := k.usableAt(now)
	if latest != nil && latest != seen {
		return latest, nil, nil
	}
	if k.fetch == nil {
		onDemand := latest != nil
		switch {
		case !onDemand && k.failure == nil:
			// Nobody has asked yet, or the process stood still.
		case onDemand && k.budget.take(now):
		case k.failure != nil:
			return nil, nil, k.notReady()
		default:
			return nil, nil, k.refuseUnasked(latest, issued, now)
		}
		k.fetch = newFetch(onDemand)
		k.wake <- struct{}{} // has room: there was no fetch
	}
	if k.waiters >= k.maxWaiters {
		return nil, nil, errTooManyWaiters
	}
	k.waiters++
	return nil, k.fetch, nil
}

// refuseUnasked answers a token of an unknown key when the budget is spent. The
// key may be a new one, and so nobody can say; but a token that was issued before
// the keys in hand were asked for, and they have them all, is of a key that was
// removed or never was.
func (k *remoteKeys) refuseUnasked(latest *snapshot, issued, now time.Time) error {
	k.countLimited()
	if !issued.IsZero() && issued.Before(latest.asOf) {
		return &binding.Error{Reason: binding.ReasonTokenKeyUnknown, Cause: errKeyGone}
	}
	return &binding.Error{
		Reason: binding.ReasonKeyFetchLimited, Cause: errFetchLimited,
		RetryAfter: max(time.Second, k.budget.wait(now)),
	}
}

// wait waits for a fetch that join has returned.
func (k *remoteKeys) wait(ctx context.Context, f *fetch) (*snapshot, error) {
	select {
	case <-f.done:
	case <-ctx.Done():
	}
	k.mu.Lock()
	k.waiters--
	k.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case f.err != nil:
		return nil, fmt.Errorf("%w: %w", ErrNotReady, f.err)
	}
	return f.brought, nil
}

func (k *remoteKeys) fetchesBegun() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.begun
}
