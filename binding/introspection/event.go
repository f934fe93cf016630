package introspection

import (
	"time"

	"github.com/certbound/certbound/binding/events"
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

	// Duration is how long the call, or the fetch of metadata, took; for
	// BreakerClosed how long the server was away.
	Duration time.Duration

	// Outage is, for MetadataRead, for how long the fetches before this one had
	// failed, or 0.
	Outage time.Duration

	// Usable reports, for MetadataRead and MetadataFailed, whether there is an
	// endpoint to ask: one that was known before stays in use.
	Usable bool

	// RetryAfter is, for BreakerOpened and MetadataFailed, how long it takes
	// until the next attempt.
	RetryAfter time.Duration

	// Lost is how many events before this one were dropped, because twice
	// MaxInFlight of them waited for Observe already.
	Lost int
}

// EventKind is the kind of an [Event].
type EventKind string

const (
	// TokenActive: the server answered that a token is active. It may still be
	// refused for its claims.
	TokenActive EventKind = "token_active"

	// TokenInactive: the server answered that a token is not active.
	TokenInactive EventKind = "token_inactive"

	// CallFailed: a call got no answer, or none that could be understood.
	CallFailed EventKind = "call_failed"

	// CredentialsRefused: the server does not accept us as a client that may ask:
	// 401 or 403, invalid_client or unauthorized_client (RFC 7662 §2.3). The
	// fault is on our side: every token that must be asked about is answered 503
	// until somebody mends it. Told once, until the server answers again; while
	// it answers about other tokens, 401 and 403 are CallFailed.
	CredentialsRefused EventKind = "credentials_refused"

	// BreakerOpened: five calls in a row had no connection, or no answer in time,
	// so that nothing is asked for a while: half a second to a second at first,
	// doubled each time up to 15 s. Then one call tries whether the server is
	// back.
	BreakerOpened EventKind = "breaker_opened"

	// BreakerClosed: the server answers again.
	BreakerClosed EventKind = "breaker_closed"

	// MetadataRead: the issuer's metadata named the endpoint.
	MetadataRead EventKind = "metadata_read"

	// MetadataFailed: the issuer's metadata could not be fetched, or names no
	// endpoint that may be asked. It is fetched again after a time that chance
	// picks below a limit, 1 s at first and doubled by each failure up to 1 min, or
	// up to 5 s while no endpoint is known.
	MetadataFailed EventKind = "metadata_failed"

	// TokensNotBound: the issuer's metadata does not say that it binds access
	// tokens to certificates (tls_client_certificate_bound_access_tokens, RFC
	// 8705 §3.3). Told once. A guard still requires the binding.
	TokensNotBound EventKind = "tokens_not_bound"
)

// newEvents returns the way to Config.Observe; nil without one. All calls that
// may be under way can end at once, and each tells of itself and of the breaker.
func newEvents(c Config) *events.Queue[Event] {
	if c.Observe == nil {
		return nil
	}
	return events.New(2*c.MaxInFlight, func(event Event, lost int) {
		event.Issuer, event.Lost = c.Issuer, lost
		c.Observe(event)
	})
}
