package introspection

import (
	"sync"
	"time"
)

// An Event is what a [Verifier] tells of its calls and its endpoint, for logs
// and metrics. It holds no token and no credential.
type Event struct {
	// Kind says what happened.
	Kind EventKind

	// Issuer is Config.Issuer.
	Issuer string

	// Err is, for CallFailed, CredentialsRefused, BreakerOpened and
	// MetadataFailed, why. It may be a [*metadata.StatusError].
	Err error

	// Duration is how long the call, or the fetch of metadata, took.
	Duration time.Duration

	// RetryAfter is, for BreakerOpened and MetadataFailed, when it is tried
	// again.
	RetryAfter time.Duration
}

// EventKind is the kind of an [Event].
type EventKind string

const (
	// TokenActive: the server answered that a token is active. Its claims may
	// still refuse it.
	TokenActive EventKind = "token_active"

	// TokenInactive: the server answered that a token is not active.
	TokenInactive EventKind = "token_inactive"

	// CallFailed: a call had no answer, or none that can be understood.
	CallFailed EventKind = "call_failed"

	// CredentialsRefused: the server does not take us for a client that may ask:
	// 401 or 403, invalid_client or unauthorized_client (RFC 7662 §2.3). It is
	// our own fault, every token is answered 503, and somebody has to mend it.
	CredentialsRefused EventKind = "credentials_refused"

	// BreakerOpened: so many calls in a row failed that nothing is asked for a
	// while. Then one call tries whether the server is back.
	BreakerOpened EventKind = "breaker_opened"

	// BreakerClosed: the server answers again.
	BreakerClosed EventKind = "breaker_closed"

	// MetadataRead: the issuer's metadata named the endpoint.
	MetadataRead EventKind = "metadata_read"

	// MetadataFailed: the issuer's metadata could not be fetched, or names no
	// endpoint that may be asked. An endpoint that was known before stays in use.
	MetadataFailed EventKind = "metadata_failed"

	// TokensNotBound: the issuer's metadata does not say that it binds access
	// tokens to certificates (tls_client_certificate_bound_access_tokens, RFC
	// 8705 §3.3). Told once. A guard requires the binding none the less.
	TokensNotBound EventKind = "tokens_not_bound"
)

// An observer is Config.Observe, or nil.
type observer func(Event)

// tell returns when the observer has. It loses the event if the observer panics:
// nobody could recover. The goroutine is made for the event, so that an observer
// that ends it (runtime.Goexit) ends nothing else.
func (o observer) tell(event Event) {
	if o == nil {
		return
	}
	var telling sync.WaitGroup
	telling.Go(func() {
		defer func() { _ = recover() }()
		o(event)
	})
	telling.Wait()
}
