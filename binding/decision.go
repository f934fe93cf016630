package binding

import (
	"context"
	"fmt"
	"sync"
)

// A decision is what a guard knows of a request, as far as it got. It is also
// the context that the TokenVerifier is given: through it a verifier can ask
// what the client presented, and say what a thief must not learn.
type decision struct {
	admission // as far as it is known; admit completes it

	proof *presentedProof // nil where the guard looks for none

	ask        sync.Once // the CertificateSource
	presented  Certificate
	unreadable error

	unasked *Error // of AnswerUnprovenWith
}

type decisionKey struct{}

// Value returns the decision itself for our key.
func (d *decision) Value(key any) any {
	if key == (decisionKey{}) {
		return d
	}
	return d.Context.Value(key)
}

// String is what a log of the context shows.
func (d *decision) String() string { return contextName(d.Context) + ".deciding" }

func decisionOf(ctx context.Context) *decision {
	d, _ := ctx.Value(decisionKey{}).(*decision)
	return d
}

// presentedCertificate asks the guard's source, once and only if somebody wants
// to know.
func (d *decision) presentedCertificate() (Certificate, error) {
	d.ask.Do(func() {
		d.presented, d.unreadable = d.guard.certificates.ClientCertificate(d.guard.asItCame(d.request))
	})
	return d.presented, d.unreadable
}

// PresentedCertificate is for a [TokenVerifier] that asks an authorization
// server. ctx is the context that its VerifyToken was given. It returns the
// certificate that the client of the request presented, no matter to whom the
// token was issued. It returns false if there is none, if the guard's
// CertificateSource cannot read or does not trust it, or if ctx does not come
// from a guard. Call it only before VerifyToken returns.
func PresentedCertificate(ctx context.Context) (Certificate, bool) {
	d := decisionOf(ctx)
	if d == nil {
		return Certificate{}, false
	}
	certificate, refusal := d.believedCertificate()
	return certificate, refusal == nil
}

// PresentedKey is for a [TokenVerifier] that asks an authorization server. It
// returns the thumbprint of the key in the request's DPoP proof, no matter to whom
// the token was issued, and false if there is no proof. The client may not hold
// the key: see [ProvesPresentedKey]. Call it only before VerifyToken returns.
func PresentedKey(ctx context.Context) (KeyThumbprint, bool) {
	d := decisionOf(ctx)
	if d == nil || !d.proof.came() {
		return KeyThumbprint{}, false
	}
	return d.proof.Key, true
}

// ProvesPresentedKey reports whether the client holds the key of [PresentedKey]:
// it verifies the signature of the proof, once for each request, and uses nothing
// up. A signature costs more than everything that is looked at before it: ask only
// about a key that is known already. Call it only before VerifyToken returns.
func ProvesPresentedKey(ctx context.Context) bool {
	d := decisionOf(ctx)
	return d != nil && d.proof.came() && d.proof.holdsKey()
}

// RefusedUnasked is for a [TokenVerifier] that asks an authorization server. It
// returns a refusal if the request could not be accepted with any token,
// because the guard requires a binding and the client has presented nothing
// that could prove one: then there is no need to ask. The Reason says why, and
// the answer is the one that every refused opaque token gets. Otherwise, or if
// ctx does not come from a guard, it returns nil. See [PresentedCertificate].
func RefusedUnasked(ctx context.Context) *Error {
	d := decisionOf(ctx)
	if d == nil || d.guard.policy != RequireBound {
		return nil
	}
	proof := d.proof.came()
	if proof && !d.guard.requireCertificate {
		return nil
	}
	_, refusal := d.believedCertificate()
	if refusal == nil && d.guard.requireProof && !proof {
		refusal = &Error{Reason: ReasonProofMissing}
	}
	if refusal != nil {
		alike := *refusal
		alike.Opaque = true
		return &alike
	}
	return nil
}

// believedCertificate returns the certificate that the client presented, or why
// there is none that can be believed.
func (d *decision) believedCertificate() (Certificate, *Error) {
	certificate, err := d.presentedCertificate()
	if err != nil {
		return Certificate{}, refusalOf(err, ReasonCertificateUnreadable)
	}
	if certificate.Thumbprint.empty() {
		return Certificate{}, &Error{Reason: ReasonCertificateMissing, Cause: d.guard.whyMissing(d.request)}
	}
	return certificate, nil
}

// AnswerUnprovenWith is for a [TokenVerifier] that asks an authorization
// server. A verifier calls it before it returns a remembered token, if it could
// not have asked about an unknown token at that time; refusal is what it would
// have returned for the unknown one. If the guard then refuses the token with
// invalid_token, it answers with refusal instead, so that a thief cannot tell
// whether a stolen token is still active. It does nothing if ctx does not come
// from a guard. See [PresentedCertificate].
func AnswerUnprovenWith(ctx context.Context, refusal *Error) {
	if d := decisionOf(ctx); d != nil {
		d.unasked = refusal
	}
}

// withoutOracle returns the refusal of an active opaque token in the form that
// does not disclose that it is active: see Error.Opaque.
func (d *decision) withoutOracle(refusal *Error) *Error {
	alike := *refusal
	alike.Opaque = true
	if d.unasked == nil || alike.Code() != invalidToken {
		return &alike
	}
	unasked := *d.unasked
	unasked.Cause = fmt.Errorf("binding: %s, which the client is not told while other tokens cannot be asked about: %w", refusal.Reason, d.unasked)
	return &unasked
}
