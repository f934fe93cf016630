package binding

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"slices"
	"time"
)

// A Guard decides whether a request proves that its access token was issued to
// the client that sends it. Make one with [New]. It is immutable and safe for
// concurrent use. The zero Guard refuses every request.
type Guard struct {
	tokens             TokenVerifier
	certificates       CertificateSource
	certificateHeaders map[string]struct{} // folded; nil for a source that reads none
	policy             Policy
	audiences          []string
	scopes             []string
	acceptDPoP         bool
	realm              string
	resourceMetadata   string
	authorize          func(context.Context, *Token, Certificate) error
	onError            func(http.ResponseWriter, *http.Request, *Error)
	observe            func(context.Context, Event)
}

// A TokenVerifier finds out whether an access token is valid, and what it says:
// package jwks for JWTs, package introspection for opaque tokens, or your own.
// VerifyToken must be safe for concurrent use and make its result with
// [ParseToken]; [Token.Validate] does the usual checks.
//
// An error that is an [*Error] is answered by its Reason. Any other means that
// the verifier failed, not the token, and is answered 503. A nil Token without
// an error, or a Token that ParseToken did not make, is refused likewise.
type TokenVerifier interface {
	VerifyToken(ctx context.Context, token string) (*Token, error)
}

// ErrTokenRevoked, wrapped in what Config.Authorize returns, answers 401
// invalid_token: the token is no longer valid, for whatever reason.
var ErrTokenRevoked = errors.New("binding: token revoked")

// ErrUnavailable, wrapped in what Config.Authorize returns, answers 503: the
// rule could not be applied.
var ErrUnavailable = errors.New("binding: unavailable")

// Check decides about a request and changes nothing: neither the request nor
// any response. It returns the verified token, or an error that is an [*Error].
//
// It is for a route that answers everybody, but some better: look at the
// Reason. To protect a route use [Guard.Admit] or an adapter.
func (g *Guard) Check(r *http.Request) (*Token, error) {
	token, _, refusal := g.check(r)
	if refusal != nil {
		return nil, refusal
	}
	return token, nil
}

// Admit decides about a request and returns the request to hand on, with the
// token in its context (see [TokenFromContext]) and without the header fields
// that carried a certificate. The error is an [*Error]; answer it with its Write.
//
// Without an adapter, give r.MultipartForm the admitted request's when the
// handler is done: net/http removes the files of an upload by the request that
// it knows, which is r.
func (g *Guard) Admit(r *http.Request) (*http.Request, error) {
	token, read, refusal := g.check(r)
	if refusal != nil {
		return nil, refusal
	}
	return g.admit(r, token, read), nil
}

// Policy returns Config.Policy: what the guard makes of tokens with and without
// a binding, for who tells others of it (RFC 9728 §2). A nil Guard, which refuses
// every request, has the zero Policy.
func (g *Guard) Policy() Policy {
	if g == nil {
		return RequireBound
	}
	return g.policy
}

// check decides and reports. It fails closed: a panic in a function of the
// application's is a refusal, also when it is the observer that panics.
func (g *Guard) check(r *http.Request) (token *Token, read *reading, refusal *Error) {
	var start time.Time
	observed := g != nil && g.observe != nil
	if observed {
		start = time.Now()
	}
	var d decision
	refusal = closed(func() *Error { return g.decide(r, &d) })
	if refusal != nil && d.token != nil && d.token.opaque { // active: see Error.Opaque
		alike := *refusal
		alike.Opaque = true
		refusal = &alike
	}
	if observed {
		if panicked := closed(func() *Error {
			g.report(r.Context(), d.token, refusal, time.Since(start))
			return nil
		}); panicked != nil {
			refusal = panicked
		}
	}
	if refusal != nil {
		return nil, nil, g.own(refusal)
	}
	return d.token, d.reading, nil
}

// A decision is what decide has found out, as far as it got.
type decision struct {
	token   *Token // verified
	reading *reading
}

// decide is the way of a request. Each step needs the one before it.
func (g *Guard) decide(r *http.Request, d *decision) *Error {
	ctx := r.Context()
	if g == nil || g.tokens == nil {
		return &Error{Reason: ReasonMisconfigured}
	}

	// 1. Credentials: RFC 6750 §2.1.
	bearer, dpop, refusal := credentials(r.Header, g.acceptDPoP)
	if refusal != nil {
		return refusal
	}

	// 2. The token: RFC 9068 §4, RFC 7662.
	if d.token, refusal = g.verify(ctx, bearer); refusal != nil {
		return refusal
	}
	if g.audiences != nil && !d.token.isFor(g.audiences) {
		return &Error{Reason: ReasonTokenAudience}
	}
	if d.token.dpopType && !g.acceptDPoP {
		return &Error{Reason: ReasonTokenType}
	}

	// 3. and 4. The certificate and the binding: RFC 8705 §3.
	certificate, refusal := g.prove(r, d, dpop || d.token.dpopType)
	if refusal != nil {
		return refusal
	}

	// 5. The scope, only now: a thief learns nothing from a 403.
	if refusal := d.token.missesAny(g.scopes); refusal != nil {
		return refusal
	}

	// 6. The application's own rule.
	if g.authorize != nil {
		return authorizationError(ctx, g.authorize(ctx, d.token, certificate))
	}
	return nil
}

func (g *Guard) verify(ctx context.Context, bearer string) (*Token, *Error) {
	token, err := g.tokens.VerifyToken(ctx, bearer)
	if err == nil {
		if token == nil || token.text == "" {
			return nil, &Error{Reason: ReasonUnavailable, Cause: errors.New("binding: the TokenVerifier returned no token and no error")}
		}
		return token, nil
	}
	var refusal *Error
	switch {
	case errors.As(err, &refusal) && refusal != nil:
		return nil, refusal
	case ctx.Err() != nil:
		return nil, &Error{Reason: ReasonCanceled, Cause: err}
	}
	return nil, &Error{Reason: ReasonUnavailable, Cause: err}
}

// prove applies the policy and, if the token is bound, compares the binding
// with the client's certificate, which is not looked for otherwise.
func (g *Guard) prove(r *http.Request, d *decision, dpop bool) (Certificate, *Error) {
	expected, bound := d.token.Thumbprint()
	if !bound {
		// RFC 8705 §3 leaves a token without a confirmation to policy. One that
		// came under the DPoP scheme, or was issued for it, is no bearer token
		// under any policy: that scheme stands for proof (RFC 9449 §5, §7.1).
		if g.policy == RequireBound || dpop {
			return Certificate{}, &Error{Reason: ReasonTokenUnbound}
		}
		return Certificate{}, nil
	}
	if g.policy == DangerouslyBearerOnly {
		return Certificate{}, &Error{Reason: ReasonTokenBound}
	}
	certificate, refusal := g.clientCertificate(r, d)
	if refusal != nil {
		return Certificate{}, refusal
	}
	if !expected.Matches(certificate.Thumbprint) {
		return Certificate{}, &Error{Reason: ReasonThumbprintMismatch, Expected: expected, Presented: certificate.Thumbprint}
	}
	return certificate, nil
}

func (g *Guard) clientCertificate(r *http.Request, d *decision) (Certificate, *Error) {
	certificate, err := g.readCertificate(r, d)
	if err != nil {
		var refusal *Error
		if errors.As(err, &refusal) && refusal != nil {
			return Certificate{}, refusal
		}
		return Certificate{}, &Error{Reason: ReasonCertificateUnreadable, Cause: err}
	}
	if certificate.Thumbprint.empty() {
		return Certificate{}, &Error{Reason: ReasonCertificateMissing}
	}
	return certificate, nil
}

// readCertificate asks the source, or knows what it has said already: of a
// source that reads header fields, which are gone by now if a guard outside this
// one has read them.
func (g *Guard) readCertificate(r *http.Request, d *decision) (Certificate, error) {
	if g.certificateHeaders == nil {
		return g.certificates.ClientCertificate(r)
	}
	d.reading = g.readBefore(r.Context())
	if d.reading == nil {
		certificate, err := g.certificates.ClientCertificate(r)
		d.reading = &reading{certificate, err}
	}
	return d.reading.certificate, d.reading.err
}

func authorizationError(ctx context.Context, err error) *Error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrTokenRevoked):
		return &Error{Reason: ReasonTokenRevoked, Cause: err}
	case errors.Is(err, ErrUnavailable):
		return &Error{Reason: ReasonUnavailable, Cause: err}
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return &Error{Reason: ReasonCanceled, Cause: err}
	}
	return &Error{Reason: ReasonForbidden, Cause: err}
}

// report gives the observer its event.
func (g *Guard) report(ctx context.Context, token *Token, refusal *Error, took time.Duration) {
	if g.observe == nil {
		return
	}
	event := Event{Duration: took}
	if token != nil {
		event.Issuer, event.ClientID, event.Bound = token.issuer, token.clientID, token.bound
	}
	if refusal != nil {
		event.Err, event.Reason = g.own(refusal), refusal.Reason
		event.Expected, event.Presented = refusal.Expected, refusal.Presented
	}
	g.observe(ctx, event)
}

// refuse reports a refusal that came after Check, and makes it this guard's.
func (g *Guard) refuse(ctx context.Context, token *Token, refusal *Error) *Error {
	if panicked := closed(func() *Error {
		g.report(ctx, token, refusal, 0)
		return nil
	}); panicked != nil {
		refusal = panicked
	}
	return g.own(refusal)
}

// own returns a copy of the refusal that is answered with this guard's
// settings. A copy, because a verifier may hand one Error to many requests.
func (g *Guard) own(refusal *Error) *Error {
	mine := *refusal
	mine.guard = g
	mine.Scopes = slices.Clone(refusal.Scopes)
	return &mine
}

// closed calls f and turns a panic in it into a refusal. http.ErrAbortHandler
// goes on: it asks net/http to drop the connection, and no handler runs.
func closed(f func() *Error) (refusal *Error) {
	returned := false // with GODEBUG=panicnil=1 a panic may have nothing to recover
	defer func() {
		switch p := recover(); {
		case returned:
		case p == http.ErrAbortHandler:
			panic(p)
		default:
			refusal = &Error{Reason: ReasonPanicked, Cause: &PanicError{Value: p, Stack: debug.Stack()}}
		}
	}()
	refusal = f()
	returned = true
	return refusal
}
