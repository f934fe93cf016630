package jwks

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certbound/certbound/jwks/internal/jws"
)

// remoteKeys keeps the keys of one issuer. One goroutine fetches, one fetch at a
// time; requests read a snapshot and never wait for a scheduled fetch.
//
// Ages and schedules are by the monotonic clock: a clock that is set does
// nothing here.
type remoteKeys struct {
	source     source
	fresh      time.Duration
	maxAge     time.Duration // of keys that serve
	timeout    time.Duration // of a fetch
	maxWaiters int
	events     events

	current atomic.Pointer[snapshot]

	mu       sync.Mutex // for what follows; never held while anybody is asked
	flight   *flight    // the fetch that is under way or about to be, or nil
	begun    int        // fetches
	waiters  int
	failure  error     // of the last fetch, or nil
	retryAt  time.Time // when the next fetch is due
	onDemand [demands]time.Time
	closed   bool

	wake    chan struct{} // a flight was opened by a request
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup // the goroutines
}

// A snapshot is a key set as it was at some time.
type snapshot struct {
	set   *jws.KeySet
	fetch int           // which one brought it, counted from 1
	asOf  time.Time     // when it was asked for, so that it is never taken for newer than it is
	fresh time.Duration // how long after that
}

// A flight is one fetch, joined by all who wait for it.
type flight struct {
	begun bool          // the issuer is being asked; guarded by mu
	done  chan struct{} // closed when it is over
	set   *jws.KeySet   // what came; readable then, as is
	err   error         // why nothing did
}

// A fetch on demand is caused by a token whose kid is unknown: at most demands
// of them in each window, however many ask and whatever becomes of them.
const (
	demands      = 2
	demandWindow = 30 * time.Second
)

// The waits between attempts while fetches fail: by chance between nothing and a
// limit that doubles.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

var (
	// ErrNotReady: no keys have been fetched yet, or the last are too old.
	ErrNotReady = errors.New("jwks: the issuer's keys cannot be fetched")

	// ErrClosed: the verifier was closed.
	ErrClosed = errors.New("jwks: the verifier is closed")

	errTooManyWaiters = errors.New("jwks: too many requests wait for the issuer's keys")
)

func newRemoteKeys(c Config) *remoteKeys {
	k := &remoteKeys{
		source:     newSource(c),
		fresh:      c.Fresh,
		maxAge:     c.MaxStale,
		timeout:    c.FetchTimeout,
		maxWaiters: c.MaxWaiters,
		events:     newEvents(c),
		wake:       make(chan struct{}, 1),
	}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	k.running.Go(k.run)
	if c.Observe != nil {
		k.running.Go(func() { k.events.run(k.ctx) })
	}
	return k
}

func newFlight() *flight { return &flight{done: make(chan struct{})} }

// run fetches until close, when it is due or when a flight was opened.
func (k *remoteKeys) run() {
	defer k.land()
	failures := 0
	for {
		wait, err := k.fly(failures)
		if err != nil {
			failures++
		} else {
			failures = 0
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-k.wake:
			timer.Stop()
		case <-k.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// fly makes one fetch and returns how long to wait for the next.
func (k *remoteKeys) fly(failures int) (time.Duration, error) {
	k.mu.Lock()
	if k.flight == nil {
		k.flight = newFlight()
	}
	f := k.flight
	f.begun = true
	k.begun++
	fetch := k.begun
	k.mu.Unlock()

	start := time.Now()
	ctx, cancel := context.WithTimeout(k.ctx, k.timeout)
	set, err := k.source.fetch(ctx)
	cancel()

	before := k.current.Load()
	latest := &snapshot{set: set, fetch: fetch, asOf: start, fresh: jitter(k.fresh)}
	wait := time.Until(start.Add(latest.fresh * 9 / 10))
	if err != nil {
		limit := min(lastRetry, firstRetry<<min(failures, 6))
		wait = rand.N(limit)
	}

	k.mu.Lock()
	if k.closed {
		err = ErrClosed // what came after close is not used
	}
	if err == nil {
		k.current.Store(latest)
	}
	k.failure, k.retryAt = err, time.Now().Add(wait)
	k.flight = nil
	f.set, f.err = set, err
	select { // a wake that this flight has answered
	case <-k.wake:
	default:
	}
	k.mu.Unlock()
	close(f.done)

	k.tell(before, latest, err)
	return wait, err
}

// land ends run: nobody fetches any more. A flight that was opened and not flown
// fails, so that nobody waits for it; that is so too if a Transport has ended
// the goroutine (runtime.Goexit).
func (k *remoteKeys) land() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	if f := k.flight; f != nil {
		k.flight, f.err = nil, ErrClosed
		close(f.done)
	}
}

// jitter returns d, a tenth more or less.
func jitter(d time.Duration) time.Duration {
	return d*9/10 + rand.N(d/5)
}

// usable returns the keys that may serve now, or nil. It takes no lock.
func (k *remoteKeys) usable() *snapshot { return k.usableAt(time.Now()) }

// usableAt does so for who has looked at our clock already.
func (k *remoteKeys) usableAt(now time.Time) *snapshot {
	s := k.current.Load()
	if s == nil || now.Sub(s.asOf) > max(k.maxAge, s.fresh) {
		return nil
	}
	return s
}

// forHeader returns the keys by which to judge a token with this header, all
// of whose cheap checks have passed. Without usable keys it waits for a fetch
// that is under way; without the header's key it asks the issuer once more, as
// far as the budget goes. An error means that nobody can say: 503, not 401.
func (k *remoteKeys) forHeader(ctx context.Context, h *jws.Header) (*jws.KeySet, error) {
	if seen := k.usable(); seen != nil && seen.set.Knows(h) {
		return seen.set, nil
	}
	since := k.fetchesBegun()
	for again := false; ; again = true {
		f, begun, keys, err := k.join(h, since)
		if f == nil {
			return keys, err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
		}
		k.leave()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if f.err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotReady, f.err)
		}
		// A fetch that began before this token came may have missed the key that
		// the token was signed with: one more. It begins after the first.
		if !begun || again || f.set.Knows(h) {
			return f.set, nil
		}
	}
}

// join returns a flight to wait for, which the caller then leaves, and whether
// it has begun already. If there is none, it opens one for a token with an
// unknown key, as far as the budget goes. Without keys at all it opens none
// after a failure: the schedule does. Without a flight it returns the answer:
// the keys that are there, or why there are none. Keys of a fetch that began
// after the token came, by when there were since, are an answer as they are.
func (k *remoteKeys) join(h *jws.Header, since int) (f *flight, begun bool, keys *jws.KeySet, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, false, nil, ErrClosed
	}
	// Under the lock, once more: a flight may have landed since the caller looked.
	seen := k.usable()
	if seen != nil && (seen.set.Knows(h) || seen.fetch > since) {
		return nil, false, seen.set, nil
	}
	if k.flight == nil {
		switch {
		case seen == nil && k.failure == nil:
			// Nobody has asked yet, or the keys have grown old before the next
			// were due.
		case seen != nil && k.demand():
		case k.failure != nil:
			return nil, false, nil, k.notReady()
		default:
			return nil, false, seen.set, nil
		}
		k.flight = newFlight()
		k.wake <- struct{}{} // has room: there was no flight
	}
	if k.waiters >= k.maxWaiters {
		return nil, false, nil, errTooManyWaiters
	}
	k.waiters++
	return k.flight, k.flight.begun, nil, nil
}

func (k *remoteKeys) fetchesBegun() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.begun
}

func (k *remoteKeys) leave() {
	k.mu.Lock()
	k.waiters--
	k.mu.Unlock()
}

// demand takes a fetch out of the budget, if one is left.
func (k *remoteKeys) demand() bool {
	now := time.Now()
	oldest := &k.onDemand[0]
	if now.Sub(*oldest) < demandWindow {
		return false
	}
	copy(k.onDemand[:], k.onDemand[1:])
	k.onDemand[demands-1] = now
	return true
}

func (k *remoteKeys) notReady() error {
	if k.failure == nil {
		return ErrNotReady
	}
	return fmt.Errorf("%w: %w", ErrNotReady, k.failure)
}

// retryAfter is the time until the next attempt, if one has failed.
func (k *remoteKeys) retryAfter() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failure == nil || k.flight != nil || k.closed {
		return time.Second
	}
	return max(time.Second, time.Until(k.retryAt))
}

func (k *remoteKeys) ready() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.closed:
		return ErrClosed
	case k.usable() == nil:
		return k.notReady()
	}
	return nil
}

func (k *remoteKeys) close() {
	k.mu.Lock()
	k.closed = true
	k.current.Store(nil)
	k.mu.Unlock()
	k.cancel()
	k.running.Wait()
}
