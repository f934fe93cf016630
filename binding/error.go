package binding

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Error is a refusal: why, and how to answer it. [Guard.Check] and
// [Guard.Admit] return no other error, and errors.As reaches it.
//
// Neither its text nor its answer holds a token, a claim's value or a
// certificate. Cause may hold more than a client should see; it is for a log.
// A verifier, a certificate source or Config.Authorize may make one: set Reason
// and Cause. The zero Error answers 500.
type Error struct {
	// Reason is one of the constants of this package; any other answers 500.
	Reason Reason

	// Cause, if not nil, is what errors.Is and errors.As find below the Error.
	// The Error's text does not contain it.
	Cause error

	// Expected and Presented are, for ReasonThumbprintMismatch, the thumbprint
	// that the token is bound to and that of the client's certificate.
	Expected, Presented Thumbprint

	// ExpectedKey and PresentedKey are, for ReasonProofKeyMismatch, the
	// thumbprint of the DPoP key that the token is bound to and that of the
	// proof's.
	ExpectedKey, PresentedKey KeyThumbprint

	// Scopes are, for ReasonScopeMissing, the scopes that the request needs: all
	// of them, or any one of them, as the guard or the route requires.
	Scopes []string

	// Authentication is, for ReasonAuthenticationInsufficient, the authentication
	// that the request needs.
	Authentication Authentication

	// RetryAfter is, with status 503, how long the client should wait: 0 means 5
	// seconds. The answer says it in whole seconds, rounded up, and at least 1.
	RetryAfter time.Duration

	// Opaque says that the access token tells a client nothing by itself: only
	// its authorization server knows whether it is active. Every answer that
	// would have the code invalid_token, invalid_dpop_proof or use_dpop_nonce is
	// then invalid_token with one and the same description, so that a thief does
	// not learn whether a stolen token is still active.
	Opaque bool

	guard  *Guard // whose realm, metadata and OnError the answer uses; may be nil
	scheme scheme // under which the token came
}

const defaultRetryAfter = 5 * time.Second

// AsError returns the *Error in err, or, when there is none, one that answers
// 500 and wraps err. It returns nil only for nil:
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

// Error returns a fixed text for the Reason, and "<nil>" for a nil *Error, such
// as the Err of an [Event] of an accepted request.
func (e *Error) Error() string {
	if e == nil {
		return "<nil>"
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

// StatusCode returns the HTTP status of the answer: 400, 401, 403, 500 or 503.
func (e *Error) StatusCode() int { return e.Reason.answer().status }

// Code returns the error code of the answer: invalid_request, invalid_token or
// insufficient_scope (RFC 6750 §3.1), insufficient_user_authentication (RFC
// 9470 §3), invalid_dpop_proof or use_dpop_nonce (RFC 9449 §7.1, §9), or
// access_denied, temporarily_unavailable or server_error (RFC 6749 §4.1.2.1),
// which are in the body only. It returns "" if the request carried no
// credentials, or credentials of another scheme.
func (e *Error) Code() string { return e.answer().code }

// Description returns the description of the answer, or "": a fixed ASCII text.
// Reasons that a client should not be able to tell apart have the same one (see
// Opaque).
func (e *Error) Description() string { return e.answer().description }

func (e *Error) answer() answer {
	a := e.Reason.answer()
	switch {
	case e.Opaque && (a.code == invalidToken || a.code == invalidProof || a.code == useNonce):
		a.code, a.description = invalidToken, indistinct
	case e.Reason == ReasonTokenUnbound && e.settings().proofs != nil:
		a.description = boundToNothing
	}
	return a
}

// Challenges returns the values of WWW-Authenticate (RFC 6750 §3, RFC 9449
// §7.1, RFC 9728 §5.1), each for a field of its own; the one with the error
// comes first. Answers without a challenge have none: 403 by your own rule, 500
// and 503.
//
// A guard without Config.Proofs sends one challenge, for Bearer. With Proofs, a
// request under the scheme DPoP gets only the challenge for DPoP. Any other
// request gets both, or, with Config.RequireProof, only that for DPoP; a
// request with several Authorization fields always gets both.
func (e *Error) Challenges() []string {
	a := e.answer()
	switch a.code {
	case "", invalidRequest, invalidToken, insufficientScope, insufficientAuthentication, invalidProof, useNonce:
	default:
		return nil
	}
	g := e.settings()
	switch {
	case g.proofs == nil:
		return []string{e.bearerChallenge(a)}
	case e.scheme == schemeSeveral: // RFC 9449 §7.2, Figure 19
		return []string{e.bearerChallenge(a), e.dpopChallenge(a)}
	case e.scheme == schemeDPoP || g.requireProof:
		return []string{e.dpopChallenge(a)}
	}
	return []string{e.bearerChallenge(a), challenge("DPoP", "algs", g.proofAlgorithms)} // Figures 17, 18
}

// settings returns the guard whose settings the answer uses, or one without any.
func (e *Error) settings() *Guard {
	if e.guard == nil {
		return new(Guard)
	}
	return e.guard
}

func (e *Error) bearerChallenge(a answer) string {
	if value := challenge("Bearer", e.challengeParams(a)...); value != "Bearer " {
		return value
	}
	return challenge("Bearer", "realm", defaultRealm) // RFC 6750 §3: a parameter must follow the scheme
}

func (e *Error) dpopChallenge(a answer) string {
	return challenge("DPoP", append(e.challengeParams(a), "algs", e.settings().proofAlgorithms)...)
}

// challengeParams returns the names and values of a challenge's parameters, in
// turn. An empty value is left out.
func (e *Error) challengeParams(a answer) []string {
	g := e.settings()
	var scope, acrValues, maxAge string
	switch a.code {
	case "": // RFC 6750 §3: what a client must ask for
		scope = strings.Join(slices.Concat(g.scopes, g.anyScope), " ")
	case insufficientScope:
		if allScopeTokens(e.Scopes) {
			scope = strings.Join(e.Scopes, " ")
		}
	case insufficientAuthentication:
		if e.Authentication.problem() == "" {
			acrValues, maxAge = strings.Join(e.Authentication.ACRValues, " "), e.Authentication.maxAgeSeconds()
		}
	}
	return []string{"realm", g.realm, "error", a.code, "error_description", a.description, "scope", scope,
		"acr_values", acrValues, "max_age", maxAge, "resource_metadata", g.resourceMetadata}
}

// challenge writes a challenge, without the parameters that have no value.
func challenge(scheme string, params ...string) string {
	var list []string
	for i := 0; i < len(params); i += 2 {
		if params[i+1] != "" {
			list = append(list, params[i]+`="`+params[i+1]+`"`)
		}
	}
	return scheme + " " + strings.Join(list, ", ")
}

const defaultRealm = "protected resource"

// SetHeader sets the answer's header fields: WWW-Authenticate, Retry-After,
// Cache-Control and X-Content-Type-Options. A field that is already there is
// replaced, or removed if this answer does not have it. For a request under the
// scheme DPoP it also sets DPoP-Nonce, if proofs need a nonce here (RFC 9449
// §9).
func (e *Error) SetHeader(header http.Header) {
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Del("WWW-Authenticate")
	header.Del("Retry-After")
	for _, challenge := range e.Challenges() {
		header.Add("WWW-Authenticate", challenge)
	}
	if g := e.settings(); g.proofs != nil && e.scheme == schemeDPoP {
		setNonce(header, g.nonce())
	}
	if e.StatusCode() == http.StatusServiceUnavailable {
		header.Set("Retry-After", strconv.FormatInt(e.retrySeconds(), 10))
	}
}

func (e *Error) retrySeconds() int64 {
	after := e.RetryAfter
	if after == 0 {
		after = defaultRetryAfter
	}
	seconds := int64(after / time.Second)
	if after%time.Second > 0 {
		seconds++
	}
	return max(1, seconds)
}

// MarshalJSON returns the answer's body: an object with error and
// error_description, each only if the answer has it.
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
	w.WriteHeader(e.StatusCode())
	_, _ = w.Write(body) // the client may be gone
}

// WriteCustom answers the request as [Error.Write] does and returns true, if
// the guard has a Config.OnError; otherwise it does nothing and returns false.
// It is for an adapter whose framework writes bodies itself.
func (e *Error) WriteCustom(w http.ResponseWriter, r *http.Request) bool {
	if e.guard == nil || e.guard.onError == nil {
		return false
	}
	e.SetHeader(w.Header())
	fixed := &fixedStatus{ResponseWriter: w, refusal: e}
	stripped, _ := e.guard.withoutCertificate(r)
	e.guard.onError(fixed, stripped, e.answeredBy(e.guard))
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
	w.ResponseWriter.WriteHeader(w.refusal.StatusCode())
}

func (w *fixedStatus) Write(body []byte) (int, error) {
	w.WriteHeader(0)
	return w.ResponseWriter.Write(body)
}

// A PanicError is the Cause of an Error with [ReasonPanicked].
type PanicError struct {
	Value any    // what was given to panic
	Stack []byte // of the goroutine that panicked
}

// Error names the type of the value only, since the value may be anything.
func (e *PanicError) Error() string {
	return fmt.Sprintf("binding: a function of the application panicked with a %T", e.Value)
}
