package binding

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// A Guard decides whether a request proves that its access token was issued to
// the client that sends it. Make one with [New]. It is immutable and safe for
// concurrent use. The zero Guard refuses every request.
type Guard struct {
	tokens             TokenVerifier
	certificates       CertificateSource
	certificateHeaders map[string]struct{} // folded
	policy             Policy
	audiences          []string
	scopes             []string
	anyScope           []string
	authentication     Authentication
	acceptDPoP         bool
	proofs             ProofVerifier // nil for none
	proofAlgorithms    string        // as a challenge lists them
	requireProof       bool
	requireCertificate bool
	realm              string
	resourceMetadata   string
	authorize          func(context.Context, *Token, Certificate) error
	onError            func(http.ResponseWriter, *http.Request, *Error)
	observe            func(context.Context, Event)
	clock              func() time.Time
}

// A TokenVerifier finds out whether an access token is valid, and what it says.
// Package jwks has one for JWTs, package introspection has one for opaque
// tokens, and you can write your own: [ParseClaims] and [Claims.Validate] make
// the Token that it returns. VerifyToken must be safe for concurrent use.
//
// An error that is an [*Error] is answered by its Reason: [ReasonTokenInvalid]
// where the token is bad and no other Reason fits. Any other error means that
// the verifier failed, not the token, and is answered 503. A nil Token without
// an error, or the zero Token, is likewise answered 503.
type TokenVerifier interface {
	VerifyToken(ctx context.Context, token string) (*Token, error)
}

// A TokenVerifierFunc is a function that is a [TokenVerifier].
type TokenVerifierFunc func(ctx context.Context, token string) (*Token, error)

// VerifyToken calls f.
func (f TokenVerifierFunc) VerifyToken(ctx context.Context, token string) (*Token, error) {
	return f(ctx, token)
}

// Check decides about a request and changes nothing: neither the request nor
// any response. It returns the verified token, or an error that is an [*Error].
// With Config.Proofs, ask once for each request: a proof is good for one use, and
// Check uses it up.
//
// It is for a route that serves everybody, and serves clients that prove their
// token differently: the Reason tells why a request was not accepted. To
// protect a route, use [Guard.Admit] or an adapter.
func (g *Guard) Check(r *http.Request) (*Token, error) {
	d, refusal := g.check(r)
	if refusal != nil {
		return nil, refusal
	}
	return d.token, nil
}

// Admit decides about a request and returns the request to hand on, with the
// token and the certificate that was proven in its context (see
// [TokenFromContext] and [CertificateFromContext]) and without the header fields
// that carried a certificate. The error is an [*Error]; answer it with its Write.
//
// Without an adapter, call [SetAdmittedHeader] before the handler runs, and
// [RemoveUpload] when it is done.
func (g *Guard) Admit(r *http.Request) (*http.Request, error) {
	d, refusal := g.check(r)
	if refusal != nil {
		return nil, refusal
	}
	return g.admit(r, d), nil
}

// Requirements say which tokens a guard refuses for their binding.
type Requirements struct {
	Policy             Policy
	Certificate, Proof bool     // Config.RequireCertificate and Config.RequireProof
	ProofAlgorithms    []string // what Config.Proofs accepts; nil without it
}

// Requirements returns what the guard requires, for code that publishes it, as
// package metadata does (RFC 9728 §2). For a nil Guard, which refuses every
// request, it returns the requirements of the zero Config.
func (g *Guard) Requirements() Requirements {
	if g == nil {
		return Requirements{}
	}
	requirements := Requirements{Policy: g.policy, Certificate: g.requireCertificate, Proof: g.requireProof}
	if g.proofs != nil {
		requirements.ProofAlgorithms = strings.Fields(g.proofAlgorithms)
	}
	return requirements
}

// check decides and reports. It fails closed: a panic in one of the
// application's functions, the observer included, is a refusal.
func (g *Guard) check(r *http.Request) (*decision, *Error) {
	var start time.Time
	if g.observes() {
		start = time.Now()
	}
	d := new(decision)
	refusal := recovered(func() *Error { return g.decide(r, d) })
	if refusal != nil && d.token != nil && d.token.opaque {
		refusal = d.withoutOracle(refusal)
	}
	refusal = refusal.sentUnder(d.scheme)
	return d, g.report(cmp.Or[context.Context](d.Context, context.Background()), &d.admission, refusal, start)
}

// decide takes a request through all steps. Each step needs the one before it.
func (g *Guard) decide(r *http.Request, d *decision) *Error {
	d.Context, d.guard, d.request = r.Context(), g, r
	switch {
	case g == nil:
		return &Error{Reason: ReasonMisconfigured, Cause: errNilGuard}
	case g.tokens == nil:
		return &Error{Reason: ReasonMisconfigured, Cause: errZeroGuard}
	}

	// 1. Credentials: RFC 6750 §2.1, RFC 9449 §7.1.
	bearer, scheme, refusal := credentials(r.Header, g.acceptDPoP || g.proofs != nil)
	if d.scheme = scheme; refusal != nil {
		return refusal
	}

	// 2. The proof, as far as it can be judged without the token: RFC 9449 §4.3.
	if refusal := g.readProof(d, bearer); refusal != nil {
		return refusal
	}

	// 3. The token: RFC 9068 §4, RFC 7662.
	if d.token, refusal = g.verify(d, bearer); refusal != nil {
		return refusal
	}
	if g.audiences != nil && !d.token.claims.isFor(g.audiences) {
		return &Error{Reason: ReasonTokenAudience, Cause: fmt.Errorf("binding: Config.Audiences expects one of %q in aud", g.audiences)}
	}
	// RFC 9449 §5: a token that was issued for the DPoP scheme is no bearer
	// token. If it is bound, the binding decides.
	if d.token.dpopType && !d.token.Bound() && d.scheme != schemeDPoP {
		return &Error{Reason: ReasonTokenType, Cause: &claimError{claim: "token_type", problem: "is DPoP, and the token is bound to nothing"}}
	}

	// 4. Every binding that the token has: RFC 8705 §3, RFC 9449 §7.1.
	if refusal := g.prove(d, bearer); refusal != nil {
		return refusal
	}

	// 5. Scope and authentication, only now: a thief learns nothing from a 403.
	if refusal := g.meets(d.token); refusal != nil {
		return refusal
	}

	// 6. The application's own rule.
	if g.authorize != nil {
		return authorizationError(d.Context, g.authorize(d.Context, d.token, d.certificate.orNone()))
	}
	return nil
}

func (g *Guard) verify(d *decision, bearer string) (*Token, *Error) {
	token, err := g.tokens.VerifyToken(d, bearer)
	if err == nil {
		if token == nil || token.claims.text == "" {
			return nil, &Error{Reason: ReasonUnavailable, Cause: errors.New("binding: the TokenVerifier returned no token and no error")}
		}
		return token, nil
	}
	if d.Err() != nil {
		return nil, refusalOf(err, ReasonCanceled)
	}
	return nil, refusalOf(err, ReasonUnavailable)
}

// prove applies the policy and proves every binding that the token has. A key
// is compared before a certificate, which may have to be parsed; a proof is used
// up last, when everything else about token and client holds.
func (g *Guard) prove(d *decision, bearer string) *Error {
	if refusal := g.compareKey(d); refusal != nil {
		return refusal
	}
	if refusal := g.isBoundAsRequired(d); refusal != nil {
		return refusal
	}
	if refusal := g.proveCertificate(d); refusal != nil {
		return refusal
	}
	return g.useProof(d, bearer)
}

// isBoundAsRequired applies the policy to what the token is bound to.
func (g *Guard) isBoundAsRequired(d *decision) *Error {
	_, certificate := d.token.Thumbprint()
	_, key := d.token.KeyThumbprint()
	switch {
	case !certificate && !key:
		// RFC 8705 §3 leaves a token without a confirmation to policy. One that
		// came under the DPoP scheme is no bearer token under any policy: that
		// scheme stands for proof (RFC 9449 §7.1).
		if g.policy == RequireBound || d.scheme == schemeDPoP {
			return &Error{Reason: ReasonTokenUnbound}
		}
	case g.policy == DangerouslyBearerOnly:
		return &Error{Reason: ReasonTokenBound}
	case g.requireCertificate && !certificate, g.requireProof && !key,
		d.scheme == schemeDPoP && !key && !g.acceptDPoP: // RFC 9449 §6: what the scheme proves is a key
		return &Error{Reason: ReasonTokenBinding}
	}
	return nil
}

// proveCertificate compares the certificate that the token is bound to, if it is
// bound to one, with the client's, which is not looked for otherwise.
func (g *Guard) proveCertificate(d *decision) *Error {
	expected, bound := d.token.Thumbprint()
	if !bound {
		return nil
	}
	certificate, refusal := d.believedCertificate()
	if refusal != nil {
		return refusal
	}
	if !expected.Matches(certificate.Thumbprint) {
		return &Error{Reason: ReasonThumbprintMismatch, Expected: expected, Presented: certificate.Thumbprint}
	}
	d.certificate = &d.presented
	return nil
}

// meets checks what the guard requires of every token.
func (g *Guard) meets(token *Token) *Error {
	if refusal := token.missesAny(g.scopes); refusal != nil {
		return refusal
	}
	if g.anyScope != nil {
		if refusal := token.missesAll(g.anyScope); refusal != nil {
			return refusal
		}
	}
	return token.authenticated(g.authentication, g.clock)
}

func authorizationError(ctx context.Context, err error) *Error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return refusalOf(err, ReasonCanceled)
	}
	return refusalOf(err, ReasonForbidden)
}

// refusalOf turns an error from one of the application's functions into a
// refusal. An *Error is answered by its Reason, any other error by the Reason
// given.
func refusalOf(err error, otherwise Reason) *Error {
	var refusal *Error
	switch {
	case !errors.As(err, &refusal):
		return &Error{Reason: otherwise, Cause: err}
	case refusal == nil:
		return &Error{Reason: otherwise, Cause: errNilError}
	case refusal.Cause == nil && err != error(refusal): // the words around it are for the log
		worded := *refusal
		worded.Cause = err
		return &worded
	}
	return refusal
}

var errNilError = errors.New("binding: a nil *Error was returned as an error")

var (
	errNilGuard  = errors.New("binding: Protect(nil): give it the guard that binding.New returns, and check the error that it returns beside it")
	errZeroGuard = errors.New("binding: Protect of a guard that binding.New did not make: it can verify nothing")
)

func (g *Guard) observes() bool { return g != nil && g.observe != nil }

// report gives the observer the event of a decision, of which a is what is known
// of the request and which began at start. It returns the refusal as the guard
// answers it. The zero start leaves the duration out. Without an observer, a
// fault of the server's own goes to the default log: nobody else would hear of it.
func (g *Guard) report(ctx context.Context, a *admission, refusal *Error, start time.Time) *Error {
	observe := reportFault
	if g.observes() {
		observe = g.observe
	} else if refusal == nil || refusal.StatusCode() != http.StatusInternalServerError {
		return refusal.answeredBy(g)
	}
	if panicked := recovered(func() *Error {
		event := Event{Err: refusal.answeredBy(g)}
		if !start.IsZero() {
			event.Duration = time.Since(start)
		}
		if a.token != nil {
			event.Issuer, event.ClientID, event.Binding = a.token.Issuer(), a.token.ClientID(), a.token.binding()
		}
		if refusal != nil && a.request != nil {
			event.concerns(a.request)
		}
		observe(ctx, event)
		return nil
	}); panicked != nil {
		refusal = panicked
	}
	return refusal.answeredBy(g)
}

// answeredBy returns a copy of the refusal that is answered with the guard's
// settings. A copy, because a verifier may hand one Error to many requests.
func (e *Error) answeredBy(g *Guard) *Error {
	if e == nil {
		return nil
	}
	answered := *e
	answered.guard = g
	answered.Scopes = slices.Clone(e.Scopes)
	answered.Authentication = e.Authentication.clone()
	return &answered
}

// recovered calls f and turns a panic in it into a refusal. It passes on
// http.ErrAbortHandler, which asks net/http to drop the connection: no handler
// runs.
func recovered(f func() *Error) (refusal *Error) {
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
