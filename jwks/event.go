package jwks

import (
	"errors"
	"time"

	"github.com/certbound/certbound/binding/events"
	"github.com/certbound/certbound/jwks/internal/keyset"
)

// An Event says what happened to the keys of a [Verifier], for logs and
// metrics: there is one for each fetch, and a few others (see [EventKind]). It
// holds no key and no token.
type Event struct {
	// Kind says what happened.
	Kind EventKind

	// Issuer is Config.Issuer.
	Issuer string

	// Err is, for KeysFailed, why. It is the issuer's or the network's fault.
	Err error

	// Unread is, for KeysFetched, why the metadata that names the key set could not
	// be read, or nil. The set is then from where it was before.
	Unread error

	// Duration is how long the fetch took.
	Duration time.Duration

	// Keys is, for KeysFetched, how many keys can be used.
	Keys int

	// Added and Removed are, for KeysFetched, the kid of the keys that are new
	// and that are gone. A key without kid is "", a key with the same kid but of
	// other material is both. The kid is the issuer's word: quote it in a log.
	Added, Removed []string

	// Ignored are the keys of the fetched set that are not used, and why: for
	// KeysFetched some of them, for KeysFailed all.
	Ignored []IgnoredKey

	// StaleSince is, for KeysFailed, when the keys that are still in use stopped
	// being fresh; the zero time while they are fresh, or if there are none.
	StaleSince time.Time

	// ServeUntil is, for KeysFailed, until when the present keys will be used
	// unless others come; the zero time if there are none.
	ServeUntil time.Time

	// Outage is, for KeysFetched, for how long the fetches before this one had
	// failed; 0 if they had not.
	Outage time.Duration

	// Tokens is, for KeyFetchLimited, how many tokens this has happened to since
	// the last such event.
	Tokens int

	// Usable says whether there are keys to verify tokens with.
	Usable bool

	// Lost is how many events before this one were dropped, because 64 of them
	// waited for Observe already.
	Lost int
}

// An IgnoredKey is a key of a set that is not used: its KeyID, "" if it has no
// readable kid, and the Problem that says why. The other keys are used.
type IgnoredKey = keyset.IgnoredKey

// EventKind is the kind of an [Event].
type EventKind string

const (
	// KeysFetched: a set was fetched and is in use. It may contain nothing new.
	KeysFetched EventKind = "keys_fetched"

	// KeysFailed: a fetch failed. Keys that were fetched before are still used,
	// up to Config.MaxStale.
	KeysFailed EventKind = "keys_failed"

	// KeyFetchLimited: tokens named unknown keys, which were not looked for
	// because the verifier had asked the issuer as often as it may. They were
	// answered 503, or 401 if they were issued before the present keys were
	// fetched. The event comes with the first such token, and then once a minute
	// while there are more. Either somebody sends made-up tokens, or the issuer
	// publishes keys in an unusual way.
	KeyFetchLimited EventKind = "key_fetch_limited"

	// TokensNotBound: the issuer's metadata does not say that it binds access
	// tokens to certificates (tls_client_certificate_bound_access_tokens, RFC
	// 8705 §3.3). Told once. A guard still requires the binding.
	TokensNotBound EventKind = "tokens_not_bound"
)

// maxEvents is how many events wait for an observer that is busy. While fetches
// fail there are a few in a minute.
const maxEvents = 64

// newEvents returns the way to Config.Observe; nil without one.
func newEvents(c Config) *events.Queue[Event] {
	if c.Observe == nil {
		return nil
	}
	return events.New(maxEvents, func(event Event, lost int) {
		event.Issuer, event.Lost = c.Issuer, lost
		c.Observe(event)
	})
}

// tell makes the event of a fetch. latest is not in use if err is not nil.
func (k *remoteKeys) tell(before, latest *snapshot, outage time.Duration, err error) {
	event := Event{Duration: time.Since(latest.asOf), Usable: k.usable() != nil}
	if err != nil {
		event.Kind, event.Err = KeysFailed, err
		if none := (*keyset.NoKeyError)(nil); errors.As(err, &none) {
			event.Ignored = none.Ignored
		}
		if event.Usable {
			event.ServeUntil = before.asOf.Add(max(before.fresh, k.maxAge))
			if stale := before.staleSince(); time.Now().After(stale) {
				event.StaleSince = stale
			}
		}
	} else {
		event.Kind, event.Outage, event.Keys = KeysFetched, outage, len(latest.set.Keys)
		event.Unread, event.Ignored = k.source.unread, latest.set.Ignored
		event.Added = latest.notIn(before)
		event.Removed = before.notIn(latest)
	}
	k.events.Put(event)
	if k.source.notBound && !k.notBoundTold {
		k.notBoundTold = true
		k.events.Put(Event{Kind: TokensNotBound, Usable: event.Usable})
	}
}

func (s *snapshot) staleSince() time.Time { return s.asOf.Add(s.fresh) }

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
