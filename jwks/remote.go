package jwks

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certbound/certbound/binding/events"
	"github.com/certbound/certbound/jwks/internal/keyset"
)

// remoteKeys keeps the keys of one issuer. One goroutine fetches, one fetch at a
// time; requests read a snapshot and never wait for a scheduled fetch.
//
// Ages and schedules are by the monotonic clock: a clock that is set does
// nothing here.
type remoteKeys struct {
	fixed      bool // there is nothing to fetch, and so none of what follows but current
	source     source
	fresh      time.Duration
	maxAge     time.Duration // of keys that serve
	timeout    time.Duration // of a fetch
	maxWaiters int
	events     *events.Queue[Event]

	notBoundTold bool // by run alone

	current atomic.Pointer[snapshot]
	failing atomic.Bool // the last fetch failed; written under mu

	mu       sync.Mutex // for what follows; never held while anybody is asked
	fetch    *fetch     // the one that is under way or about to be, or nil
	begun    int        // fetches
	waiters  int
	failure  error     // of the last fetch, or nil
	failedAt time.Time // when the first of the fetches failed that have since
	retryAt  time.Time // when the next fetch is due
	budget   budget
	known    knownKeys
	limited  limited
	closed   bool

	wake    chan struct{} // a request opened a fetch
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup // the goroutines
}

// A snapshot is a key set as it was at some time.
type snapshot struct {
	set   *keyset.Set
	fetch int           // which one brought it, counted from 1
	asOf  time.Time     // when it was asked for, so that it is never taken for newer than it is
	fresh time.Duration // how long after that
}

// A fetch is joined by all who wait for it.
type fetch struct {
	onDemand bool          // it was taken out of the budget
	done     chan struct{} // closed when it is over
	brought  *snapshot     // readable then, as is
	err      error         // why nothing came
}

// The waits between attempts while fetches fail: by chance between nothing and a
// limit that doubles. It is lower while there are no keys at all, since every
// request is then answered 503.
const (
	firstRetry           = time.Second
	longestRetry         = time.Minute
	longestRetryWithNone = 5 * time.Second
)

var (
	// ErrNotReady: no keys have been fetched yet, or the last ones are too old.
	ErrNotReady = errors.New("jwks: the issuer's keys cannot be fetched")

	// ErrClosed: the verifier was closed.
	ErrClosed = errors.New("jwks: the verifier is closed")
)

func newRemoteKeys(c Config) *remoteKeys {
	k := &remoteKeys{
		source:     newSource(c),
		fresh:      c.Fresh,
		maxAge:     c.MaxStale,
		timeout:    c.FetchTimeout,
		maxWaiters: c.MaxWaiters,
		events:     newEvents(c),
		known:      newKnownKeys(c.MaxKeys),
		wake:       make(chan struct{}, 1),
	}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	k.running.Go(k.run)
	return k
}

// newKeys returns the keys of a Config: its own, or those of its issuer.
func newKeys(c Config) *remoteKeys {
	if c.keySet != nil {
		return newFixedKeys(c.keySet)
	}
	return newRemoteKeys(c)
}

// newFixedKeys returns keys that are never fetched and do not age.
func newFixedKeys(set *keyset.Set) *remoteKeys {
	k := &remoteKeys{fixed: true, cancel: func() {}}
	k.current.Store(&snapshot{set: set, asOf: time.Now(), fresh: math.MaxInt64})
	return k
}

// run fetches until close, when it is due or when a request opened a fetch.
func (k *remoteKeys) run() {
	defer k.stop()
	failures := 0
	for {
		wait, err := k.fetchNow(failures)
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

// fetchNow makes one fetch and returns how long to wait for the next.
func (k *remoteKeys) fetchNow(failures int) (time.Duration, error) {
	f, number := k.start()
	latest := &snapshot{fetch: number, asOf: time.Now(), fresh: jitter(k.fresh)}
	ctx, cancel := context.WithTimeout(k.ctx, k.timeout)
	var err error
	latest.set, err = k.source.fetch(ctx)
	cancel()

	before := k.current.Load()
	wait := time.Until(latest.asOf.Add(latest.fresh * 9 / 10))
	if err != nil {
		longest := longestRetry
		if k.usableIfFailing(time.Now()) == nil {
			longest = longestRetryWithNone
		}
		wait = rand.N(min(longest, firstRetry<<min(failures, 6)))
	}
	outage, err := k.finish(f, latest, err, wait)
	k.tell(before, latest, outage, err)
	return wait, err
}

// start begins the fetch that a request opened, or else one of the schedule's.
func (k *remoteKeys) start() (f *fetch, number int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fetch == nil {
		k.fetch = newFetch(false)
	}
	k.begun++
	return k.fetch, k.begun
}

func newFetch(onDemand bool) *fetch {
	return &fetch{onDemand: onDemand, done: make(chan struct{})}
}

// finish publishes what a fetch brought and lets go of those who wait for it. It
// returns how long fetches had failed before it, or why nothing is in use.
func (k *remoteKeys) finish(f *fetch, latest *snapshot, err error, wait time.Duration) (outage time.Duration, _ error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		err = ErrClosed // what came after close is not used
	}
	now := time.Now()
	if err == nil {
		if k.failure != nil {
			outage = now.Sub(k.failedAt)
		}
		k.current.Store(latest)
		f.brought = latest
		if isNew := k.known.learn(latest.set); isNew && f.onDemand {
			k.budget.giveBack()
		}
	} else if k.failure == nil {
		k.failedAt = now
	}
	k.failure, k.retryAt = err, now.Add(wait)
	k.failing.Store(err != nil)
	k.fetch, f.err = nil, err
	select { // a wake that this fetch has answered
	case <-k.wake:
	default:
	}
	close(f.done)
	return outage, err
}

// stop ends run: nobody fetches any more. A fetch that was opened and not made
// fails, so that nobody waits for it.
func (k *remoteKeys) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f := k.fetch; f != nil {
		k.fetch, f.err = nil, ErrClosed
		close(f.done)
	}
}

// jitter returns d, a tenth more or less.
func jitter(d time.Duration) time.Duration {
	return d*9/10 + rand.N(d/5)
}

// usable returns the keys that may serve now, or nil. It takes no lock.
func (k *remoteKeys) usable() *snapshot { return k.usableAt(time.Now()) }

// usableAt is usable for a caller that has read the clock already.
func (k *remoteKeys) usableAt(now time.Time) *snapshot {
	s := k.usableIfFailing(now)
	if s != nil && now.Sub(s.asOf)-k.timeout > s.fresh && !k.failing.Load() {
		// Nobody has asked although it was time to: the process stood still. That
		// is no outage, in which old keys serve.
		return nil
	}
	return s
}

// usableIfFailing returns the keys that may serve while the issuer is away.
func (k *remoteKeys) usableIfFailing(now time.Time) *snapshot {
	s := k.current.Load()
	if s == nil || now.Sub(s.asOf) > max(k.maxAge, s.fresh) {
		return nil
	}
	return s
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
	if k.failure == nil || k.fetch != nil || k.closed {
		return time.Second
	}
	now := time.Now()
	wait := k.retryAt.Sub(now)
	if k.usableAt(now) != nil { // it was a token of an unknown key
		wait = min(wait, k.budget.wait(now))
	}
	return max(time.Second, wait)
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
	k.stopReporting()
	k.mu.Unlock()
	k.cancel()
	k.events.Close() // now: what the last fetch comes to is told to nobody
	k.running.Wait()
}
