package introspection

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certbound/certbound/binding/events"
	"github.com/certbound/certbound/binding/metadata"
)

// An endpoint is where the server is asked: the configuration's URL, or what the
// issuer's metadata names, read again now and then by a goroutine of its own, and
// sooner if the endpoint seems to be elsewhere by now. One that was once found
// stays in use while the metadata cannot be fetched.
type endpoint struct {
	issuer  metadata.Issuer
	alias   bool // we present a certificate
	events  *events.Queue[Event]
	told    bool      // that tokens are not bound
	failing time.Time // since when fetches fail, or zero; run's alone

	current atomic.Pointer[string]
	moved   chan struct{} // has one item if the endpoint seems to be elsewhere

	mu      sync.Mutex // for what follows; never held while anybody is asked
	fetch   *fetch     // that is under way, or nil
	failure error      // of the last fetch, or nil
	retryAt time.Time  // when the next fetch is due
}

// A fetch of metadata is joined by all who wait for it.
type fetch struct {
	done chan struct{} // closed when it is over
	err  error         // readable then
}

const (
	metadataFresh = 10 * time.Minute // a tenth of it more or less, by chance
	firstRetry    = time.Second      // between nothing, by chance, and a limit that doubles
	lastRetry     = time.Minute
	lastWithNone  = 5 * time.Second // while no endpoint is known and every request is refused

	// firstReread is how soon the metadata is read again if the endpoint seems to be
	// elsewhere; doubled each time that it is not.
	firstReread = 10 * time.Second
)

func newEndpoint(c Config, client *metadata.Client, told *events.Queue[Event]) *endpoint {
	e := &endpoint{
		issuer: metadata.Issuer{Client: client, Name: c.Issuer, MetadataURL: c.MetadataURL},
		alias:  c.presentsCertificate(),
		events: told,
		moved:  make(chan struct{}, 1),
	}
	if c.URL != "" {
		e.current.Store(&c.URL)
	} else {
		e.fetch = &fetch{done: make(chan struct{})} // so that the first requests find it to join
	}
	return e
}

// run reads the metadata until ctx ends.
func (e *endpoint) run(ctx context.Context) {
	failures, rereads := 0, 0
	for ctx.Err() == nil {
		before := e.current.Load()
		wait := e.refresh(ctx, &failures)
		if now := e.current.Load(); now != nil && (before == nil || *now != *before) {
			rereads = 0
		}
		if e.wait(ctx, wait, firstReread<<min(rereads, 6)) {
			rereads++
		} else {
			rereads = 0
		}
	}
}

// wait returns when the metadata is to be read: after a time, or, if the endpoint
// seems to be elsewhere, after a shorter one, which it then reports.
func (e *endpoint) wait(ctx context.Context, scheduled, soonest time.Duration) (moved bool) {
	timer := time.NewTimer(min(scheduled, soonest))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return false
	}
	if scheduled <= soonest {
		return false
	}
	timer.Reset(scheduled - soonest)
	select {
	case <-e.moved:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// mayHaveMoved has the metadata read again before it is time to. It does not wait.
func (e *endpoint) mayHaveMoved() {
	select {
	case e.moved <- struct{}{}:
	default:
	}
}

// refresh reads the metadata once and returns how long to wait.
func (e *endpoint) refresh(ctx context.Context, failures *int) time.Duration {
	e.mu.Lock()
	if e.fetch == nil {
		e.fetch = &fetch{done: make(chan struct{})}
	}
	f := e.fetch
	e.mu.Unlock()

	start := time.Now()
	bounded, cancel := context.WithTimeout(ctx, e.issuer.Client.Timeout)
	server, address, err := e.read(bounded)
	cancel()

	wait := metadataFresh*9/10 + rand.N(metadataFresh/5)
	if err != nil {
		last := lastRetry
		if e.current.Load() == nil {
			last = lastWithNone
		}
		wait = rand.N(min(last, firstRetry<<min(*failures, 6)))
		*failures++
	} else {
		*failures = 0
		e.current.Store(&address)
	}
	e.mu.Lock()
	e.failure, e.retryAt = err, time.Now().Add(wait)
	e.fetch, f.err = nil, err
	e.mu.Unlock()
	close(f.done)

	event := Event{Kind: MetadataRead, Duration: time.Since(start), Usable: e.current.Load() != nil}
	switch {
	case ctx.Err() != nil:
		return wait
	case err != nil:
		event.Kind, event.Err, event.RetryAfter = MetadataFailed, err, wait
		if e.failing.IsZero() {
			e.failing = start
		}
	case !e.failing.IsZero():
		event.Outage = time.Since(e.failing)
		e.failing = time.Time{}
	}
	e.events.Put(event)
	if err == nil && !server.CertificateBoundAccessTokens && !e.told {
		e.told = true
		e.events.Put(Event{Kind: TokensNotBound})
	}
	return wait
}

// read asks once.
func (e *endpoint) read(ctx context.Context) (*metadata.AuthorizationServer, string, error) {
	server, err := e.issuer.Read(ctx)
	if err != nil {
		return nil, "", err
	}
	address, err := server.NeedURL("introspection_endpoint", e.alias) // RFC 8705 §5
	if err != nil {
		return nil, "", fmt.Errorf("%w; Config.URL can name the endpoint", err)
	}
	return server, address, nil
}

// get returns the endpoint. Without one it waits for a fetch that is under way,
// until ctx ends; it starts none, the schedule does.
func (e *endpoint) get(ctx context.Context) (string, error) {
	if address := e.current.Load(); address != nil {
		return *address, nil
	}
	e.mu.Lock()
	f, failure := e.fetch, e.failure
	e.mu.Unlock()
	if f != nil {
		select {
		case <-f.done:
			failure = f.err
		case <-ctx.Done():
			return "", fmt.Errorf("%w: %w", ErrNotReady, ctx.Err())
		}
	}
	if address := e.current.Load(); address != nil {
		return *address, nil
	}
	return "", fmt.Errorf("%w: %w", ErrNotReady, failure)
}

// ready returns nil if there is an endpoint to ask.
func (e *endpoint) ready() error {
	if e.current.Load() != nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failure == nil {
		return ErrNotReady
	}
	return fmt.Errorf("%w: %w", ErrNotReady, e.failure)
}

// retryAfter is the time until the next fetch.
func (e *endpoint) retryAfter() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return max(time.Second, time.Until(e.retryAt))
}
