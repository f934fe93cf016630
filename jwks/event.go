package jwks

import (
	"context"
	"time"
)

// An Event is what a [Verifier] tells of its keys, for logs and metrics: one for
// each fetch. It holds no key and no token.
type Event struct {
	// Kind says what happened.
	Kind EventKind

	// Issuer is Config.Issuer.
	Issuer string

	// Err is, for KeysFailed, why. It is the issuer's or the network's fault.
	Err error

	// Duration is how long the fetch took.
	Duration time.Duration

	// Keys is, for KeysFetched, how many keys can be used.
	Keys int

	// Added and Removed are, for KeysFetched, the kid of the keys that are new
	// and that are gone. A key without kid is "", a key with the same kid but of
	// other material is both. The kid is the issuer's word: quote it in a log.
	Added, Removed []string

	// Ignored are, for KeysFetched, the keys that are not used, and why.
	Ignored []IgnoredKey

	// StaleSince is, for KeysFailed, when the keys that still serve stopped to
	// be fresh; the zero time while they are fresh, or if there are none.
	StaleSince time.Time

	// Usable reports whether there are keys to serve with, after this fetch.
	Usable bool

	// Lost is how many events before this one were dropped, because 64 of them
	// waited for Observe already.
	Lost int
}

// An IgnoredKey is a key of a set that is not used. The others serve.
type IgnoredKey struct {
	KeyID   string // kid, or "" if it has none that could be read
	Problem error  // why not
}

// EventKind is the kind of an [Event].
type EventKind string

const (
	// KeysFetched: a set came and is in use, though no key may be new.
	KeysFetched EventKind = "keys_fetched"

	// KeysFailed: a fetch failed. Keys that were fetched before still serve, up
	// to Config.MaxStale.
	KeysFailed EventKind = "keys_failed"

	// TokensNotBound: the issuer's metadata does not say that it binds access
	// tokens to certificates (tls_client_certificate_bound_access_tokens, RFC
	// 8705 §3.3). Told once. A guard requires the binding none the less.
	TokensNotBound EventKind = "tokens_not_bound"
)

// events brings events to the observer, by a goroutine of its own: nobody waits
// for an observer but Close.
type events struct {
	observe func(Event)
	issuer  string
	queue   chan Event
	lost    int  // since the last that found room
	told    bool // that tokens are not bound
}

// maxEvents is how many events wait for an observer that is busy. While fetches
// fail there are a few in a minute.
const maxEvents = 64

func newEvents(c Config) events {
	return events{observe: c.Observe, issuer: c.Issuer, queue: make(chan Event, maxEvents)}
}

func (e *events) put(event Event) {
	if e.observe == nil {
		return
	}
	event.Issuer, event.Lost = e.issuer, e.lost
	select {
	case e.queue <- event:
		e.lost = 0
	default:
		e.lost++
	}
}

// run gives the observer its events until ctx ends.
func (e *events) run(ctx context.Context) {
	for {
		select {
		case event := <-e.queue:
			if ctx.Err() == nil {
				e.give(event)
			}
		case <-ctx.Done():
			return
		}
	}
}

// give calls the observer. If it panics the event is lost: the goroutine is
// ours, and nobody could recover.
func (e *events) give(event Event) {
	defer func() { _ = recover() }()
	e.observe(event)
}

// tell makes the event of a fetch. latest is not in use if err is not nil.
func (k *remoteKeys) tell(before, latest *snapshot, err error) {
	event := Event{Duration: time.Since(latest.asOf), Usable: k.usable() != nil}
	if err != nil {
		event.Kind, event.Err = KeysFailed, err
		if stale := before.staleSince(); event.Usable && time.Now().After(stale) {
			event.StaleSince = stale
		}
	} else {
		event.Kind, event.Keys = KeysFetched, len(latest.set.Keys)
		for _, ignored := range latest.set.Ignored {
			event.Ignored = append(event.Ignored, IgnoredKey(ignored))
		}
		event.Added = latest.notIn(before)
		event.Removed = before.notIn(latest)
	}
	k.events.put(event)
	if k.source.notBound && !k.events.told {
		k.events.told = true
		k.events.put(Event{Kind: TokensNotBound, Usable: event.Usable})
	}
}

func (s *snapshot) staleSince() time.Time {
	if s == nil {
		return time.Time{}
	}
	return s.asOf.Add(s.fresh)
}

// notIn returns the kid of the keys that other does not hold under it.
func (s *snapshot) notIn(other *snapshot) []string {
	if s == nil {
		return nil
	}
	var ids []string
	for _, k := range s.set.Keys {
		if other == nil || !other.set.Holds(k) {
			ids = append(ids, k.ID)
		}
	}
	return ids
}
