package binding

import "time"

// An Event is one decision of a guard, for logs and metrics. It never holds a
// token or a certificate. Of a token's claims it holds Issuer and ClientID: the
// authorization server vouches for them but chose their text freely, so quote
// them in a log.
type Event struct {
	// Err is the refusal, with its reason and its cause; nil if the request was
	// accepted.
	Err *Error

	// Issuer and ClientID are those of a token that its verifier has accepted,
	// and "" otherwise: nothing unverified is in an event.
	Issuer, ClientID string

	// Binding says what the token, once verified, is bound to: "none",
	// "certificate", "key" (RFC 9449 §6) or "both". It is "" where no token was
	// verified.
	Binding string

	// Duration is how long the decision took, including the wait for keys. It is
	// 0 for a refusal by [CheckScopes] and the like.
	Duration time.Duration
}

// Accepted reports whether the request was accepted.
func (e Event) Accepted() bool { return e.Err == nil }

// Reason returns why the request was refused, or "" if it was accepted.
func (e Event) Reason() Reason {
	if e.Err == nil {
		return ""
	}
	return e.Err.Reason
}
