package binding

import "time"

// An Event is one decision of a guard, for logs and metrics. It never holds a
// token or a certificate. What it holds of a token's claims (Issuer, ClientID)
// the issuer has signed, but chosen freely: quote it in a log.
type Event struct {
	// Reason is why the request was refused, or "" if it was accepted.
	Reason Reason

	// Err is the refusal, with its cause; nil if the request was accepted.
	Err *Error

	// Issuer and ClientID are the token's, known only after its verifier has
	// accepted it: nobody's unsigned word is in an event.
	Issuer, ClientID string

	// Bound reports whether the token, once verified, is bound to a certificate.
	Bound bool

	// Expected and Presented are both thumbprints, for ReasonThumbprintMismatch.
	Expected, Presented Thumbprint

	// Duration is how long the decision took, waiting for keys included.
	Duration time.Duration
}

// Accepted reports whether the request was accepted.
func (e Event) Accepted() bool { return e.Err == nil }
