package jwks

import (
	"slices"
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

// tell gives the observer its event of a fetch. latest is not in use if err is
// not nil. An observer that panics loses the event: the goroutine is ours, and
// nobody could recover.
func (k *remoteKeys) tell(before, latest *snapshot, err error) {
	if k.observe == nil || k.ctx.Err() != nil {
		return
	}
	defer func() { _ = recover() }()
	event := Event{Issuer: k.issuer, Duration: time.Since(latest.asOf), Usable: k.usable() != nil}
	if err != nil {
		event.Kind, event.Err = KeysFailed, err
		if stale := before.staleSince(); event.Usable && time.Now().After(stale) {
			event.StaleSince = stale
		}
	} else {
		event.Kind, event.Keys, event.Ignored = KeysFetched, len(latest.set.all), latest.set.ignored
		event.Added = latest.notIn(before)
		event.Removed = before.notIn(latest)
	}
	k.observe(event)
	if k.source.notBound && !k.told {
		k.told = true
		k.observe(Event{Kind: TokensNotBound, Issuer: k.issuer, Usable: event.Usable})
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
	for _, k := range s.set.all {
		if other == nil || !slices.ContainsFunc(other.set.byMaterial[k.material], func(o *key) bool { return o.id == k.id }) {
			ids = append(ids, k.id)
		}
	}
	return ids
}
