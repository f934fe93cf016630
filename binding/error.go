package binding

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An Error is a refusal: why, and how to answer it. [Guard.Check] and
// [Guard.Admit] return no other error, and errors.As reaches it.
//
// Neither its text nor its answer holds a token, a claim's value or a
// certificate. Cause may hold more than a client should see; it is for a log.
// A verifier or a certificate source may make one: set Reason and Cause. The
// zero Error answers 500.
type Error struct {
	// Reason is the entry of the closed list.
	Reason Reason

	// Cause, if not nil, is what errors.Is and errors.As find below the Error.
	// It is no part of its text.
	Cause error

	// Expected and Presented are, for ReasonThumbprintMismatch, the thumbprint
	// that the token is bound to and that of the client's certificate.
	Expected, Presented Thumbprint

	// Scopes are, for ReasonScopeMissing, all the scopes that the request needs.
	Scopes []string

	// RetryAfter is, with status 503, when to come back: at least a second, and
	// the default is 5 seconds.
	RetryAfter time.Duration

	// Opaque says that the access token tells a client nothing by itself: only
	// its authorization server knows whether it is active. Every answer with
	// invalid_token then has one description, whatever the Reason, so that who
	// has stolen a token does not learn that it lives.
	Opaque bool

	guard *Guard // whose realm, metadata and OnError the answer uses; may be nil
}

const defaultRetryAfter = 5 * time.Second

// AsError returns the *Error in err, or, when there is none, one that answers
// 500 and wraps err. It returns nil for nil alone:
//
//	r, err := guard.Admit(r)
//	if err != nil {
//		binding.AsError(err).Write(w, r)
//		return
//	}
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var refusal *Error
	if errors.As(err, &refusal) && refusal != nil {
		return refusal
	}
	return &Error{Cause: err}
}

// Error returns a fixed text for the Reason. A nil *Error has one too: it is what
// a function returns as an error by mistake, and a log asks it.
func (e *Error) Error() string {
	if e == nil {
		return "binding: a nil *Error was returned as an error"
	}
	reason := e.Reason
	if _, known := answers[reason]; !known {
		reason = "unknown reason"
	}
	return "binding: request refused: " + string(reason)
}

// Unwrap returns the Cause. A nil *Error has none: it is what a function returns
// as an error by mistake, and errors.Is asks it.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Cause
}

// Status returns the HTTP status of the answer: 400, 401, 403, 500 or 503.
func (e *Error) Status() int { return e.Reason.answer().status }

// Code returns the error code of the answer: invalid_request, invalid_token or
// insufficient_scope (RFC 6750 §3.1), or access_denied, temporarily_unavailable
// or server_error (RFC 6749 §4.1.2.1), which stand in the body alone; or "",
// when the request carried no credentials.
func (e *Error) Code() string { return e.Reason.answer().code }

// Description returns the description of the answer: a fixed ASCII text, the
// same for reasons that a client should not tell apart (see Opaque), or "".
func (e *Error) Description() string { return e.answer().description }

func (e *Error) answer() answer {
	a := e.Reason.answer()
	if e.Opaque && a.code == invalidToken {
		a.description = indistinct
	}
	return a
}

// Challenge returns the value of WWW-Authenticate (RFC 6750 §3, RFC 9728 §5.1),
// or "" for an answer that has none: 403 by your own rule, 500 and 503.
func (e *Error) Challenge() string {
	a := e.answer()
	switch a.code {
	case "", invalidRequest, invalidToken, insufficientScope:
	default:
		return ""
	}
	var params []string
	param := func(name, value string) {
		if value != "" {
			params = append(params, name+`="`+value+`"`)
		}
	}
	if e.guard != nil {
		param("realm", e.guard.realm)
	}
	param("error", a.code)
	param("error_description", a.description)
	if a.code == insufficientScope && allScopeTokens(e.Scopes) {
		param("scope", strings.Join(e.Scopes, " "))
	}
	if e.guard != nil {
		param("resource_metadata", e.guard.resourceMetadata)
	}
	if params == nil {
		return "Bearer"
	}
	return "Bearer " + strings.Join(params, ", ")
}

// SetHeader sets the answer's header fields: WWW-Authenticate, Retry-After and
// Cache-Control. One that is there is replaced, or removed where the answer has
// none.
func (e *Error) SetHeader(header http.Header) {
	header.Set("Cache-Control", "no-store")
	header.Del("WWW-Authenticate")
	header.Del("Retry-After")
	if challenge := e.Challenge(); challenge != "" {
		header.Set("WWW-Authenticate", challenge)
	}
	if e.Status() == http.StatusServiceUnavailable {
		header.Set("Retry-After", strconv.Itoa(e.retrySeconds()))
	}
}

func (e *Error) retrySeconds() int {
	after := e.RetryAfter
	if after == 0 {
		after = defaultRetryAfter
	}
	seconds := int(after / time.Second)
	if after%time.Second > 0 {
		seconds++
	}
	return max(1, seconds)
}

// MarshalJSON returns the answer's body: error and error_description, as far as
// the answer has them.
func (e *Error) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Code        string `json:"error,omitempty"`
		Description string `json:"error_description,omitempty"`
	}{e.Code(), e.Description()})
}

// Write answers the request: status, header fields, and a small JSON body or
// what the guard's Config.OnError writes in its place.
func (e *Error) Write(w http.ResponseWriter, r *http.Request) {
	if e.WriteCustom(w, r) {
		return
	}
	body, err := e.MarshalJSON()
	if err != nil { // two fixed strings: it cannot
		body = []byte("{}")
	}
	e.SetHeader(w.Header())
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status())
	_, _ = w.Write(body) // the client may be gone
}

// WriteCustom answers the request as [Error.Write] does if the guard has a
// Config.OnError, and otherwise does nothing and returns false. It is for an
// adapter whose framework writes bodies itself.
func (e *Error) WriteCustom(w http.ResponseWriter, r *http.Request) bool {
	if e.guard == nil || e.guard.onError == nil {
		return false
	}
	e.SetHeader(w.Header())
	fixed := &fixedStatus{ResponseWriter: w, refusal: e}
	e.guard.onError(fixed, e.guard.withoutCertificate(r), e.guard.own(e))
	fixed.WriteHeader(0) // if OnError wrote nothing
	return true
}

// fixedStatus is the writer that OnError gets: status and challenge stay as
// decided, whatever it sets, so that no mistake in it becomes a 200.
type fixedStatus struct {
	http.ResponseWriter
	refusal *Error
	wrote   bool
}

func (w *fixedStatus) WriteHeader(int) {
	if w.wrote {
		return
	}
	w.wrote = true
	w.refusal.SetHeader(w.Header())
	w.ResponseWriter.WriteHeader(w.refusal.Status())
}

func (w *fixedStatus) Write(body []byte) (int, error) {
	w.WriteHeader(0)
	return w.ResponseWriter.Write(body)
}

// A ConfigError is one mistake in a configuration. A constructor reports all of
// them at once, joined by errors.Join; errors.As reaches the first.
type ConfigError struct {
	Field   string // of the Config struct
	Problem string // without the value, where that may be a secret
}

// Error returns both, with a colon between them.
func (e ConfigError) Error() string { return e.Field + ": " + e.Problem }

// A PanicError is the Cause of an Error with [ReasonPanicked].
type PanicError struct {
	Value any    // what was given to panic
	Stack []byte // of the goroutine that panicked
}

// Error says where to look and not what the value is: it may be anything.
func (e *PanicError) Error() string {
	return fmt.Sprintf("binding: a function of the application panicked with a %T", e.Value)
}
