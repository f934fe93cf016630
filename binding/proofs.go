package binding

import (
	"context"
	"errors"
	"net/http"
	"sync"
)

// A presentedProof is the proof of a request, and what has become of it.
type presentedProof struct {
	Proof          // read; the zero Proof where there is none
	missing *Error // why there is none

	verify   sync.Once
	unsigned error // why the signature is not good
	signed   bool  // it is

	proven *provenProof // once it was used
}

// came reports whether there is a proof.
func (p *presentedProof) came() bool { return p != nil && p.Prove != nil }

// holdsKey verifies the proof's signature, once, and reports whether the client
// holds the key of the proof. Where there is no Verify it does not know.
func (p *presentedProof) holdsKey() bool {
	p.verify.Do(func() {
		if p.Verify != nil {
			p.unsigned = p.Verify()
			p.signed = p.unsigned == nil
		}
	})
	return p.signed
}

// readProof reads the proof of a request that came under the scheme DPoP. A
// missing proof is remembered for later if AcceptDPoPScheme is set, since the
// token may turn out to need none.
func (g *Guard) readProof(d *decision, bearer string) *Error {
	if g.proofs == nil || d.scheme != schemeDPoP {
		return nil
	}
	d.proof = &presentedProof{Proof: g.provenOutside(d.request, bearer)}
	if d.proof.came() {
		return nil
	}
	proof, err := g.proofs.ReadProof(d.request, bearer)
	if err != nil {
		refusal := refusalOf(err, ReasonUnavailable)
		if refusal.Reason == ReasonProofMissing && g.acceptDPoP {
			d.proof.missing = refusal
			return nil
		}
		return refusal
	}
	if proof.Prove == nil {
		return &Error{Reason: ReasonUnavailable, Cause: errors.New("binding: the ProofVerifier returned no proof and no error")}
	}
	d.proof.Proof = proof
	return nil
}

// compareKey compares the key that the token is bound to, if it is bound to
// one, with the proof's. useProof finds out whether the client holds it.
func (g *Guard) compareKey(d *decision) *Error {
	expected, bound := d.token.KeyThumbprint()
	switch {
	case !bound:
		return nil
	case g.proofs == nil:
		return &Error{Reason: ReasonConfirmationDPoP, Cause: errNoProofs}
	case d.scheme != schemeDPoP: // RFC 9449 §7.2
		return &Error{Reason: ReasonTokenScheme}
	case d.proof.missing != nil:
		return d.proof.missing
	case !expected.Matches(d.proof.Key):
		return &Error{Reason: ReasonProofKeyMismatch, ExpectedKey: expected, PresentedKey: d.proof.Key}
	}
	return nil
}

// useProof verifies the proof's signature and uses it up.
func (g *Guard) useProof(d *decision, bearer string) *Error {
	key, bound := d.token.KeyThumbprint()
	if !bound {
		return nil
	}
	if d.proof.holdsKey(); d.proof.unsigned != nil {
		return refusalOf(d.proof.unsigned, ReasonUnavailable)
	}
	if err := d.proof.Prove(d.Context); err != nil {
		if d.Err() != nil {
			return refusalOf(err, ReasonCanceled)
		}
		return refusalOf(err, ReasonUnavailable)
	}
	d.proof.proven = &provenProof{g.useOf(d.request, bearer), key}
	return nil
}

// A provenProof is what a guard tells those inside it: a proof is used once.
type provenProof struct {
	usedProof
	key KeyThumbprint
}

// A usedProof says what a proof was used for. A handler may hand on another
// request with the context of its own, which the proof is not for; what takes a
// prefix off the path (http.StripPrefix) leaves RequestURI as it came. Of a
// request without one, which no server of net/http has read, the path counts.
type usedProof struct {
	by                           ProofVerifier
	bearer, method, target, path string
}

func (g *Guard) useOf(r *http.Request, bearer string) usedProof {
	use := usedProof{by: g.proofs, bearer: bearer, method: r.Method, target: r.RequestURI}
	if use.target == "" && r.URL != nil {
		use.path = r.URL.EscapedPath()
	}
	return use
}

// provenOutside returns the proof that a guard outside this one, with the same
// ProofVerifier, has used up for the same token, method and target, or the zero
// Proof.
func (g *Guard) provenOutside(r *http.Request, bearer string) Proof {
	a := admissionOf(r.Context())
	if a == nil || a.proven == nil || a.proven.usedProof != g.useOf(r, bearer) {
		return Proof{}
	}
	return Proof{Key: a.proven.key, Verify: func() error { return nil }, Prove: func(context.Context) error { return nil }}
}

// newerNonce returns the nonce that the answer to an admitted request carries.
func (p *presentedProof) newerNonce(g *Guard) string {
	if p.Stale {
		return g.nonce()
	}
	return ""
}

// nonce returns the newest nonce. It is asked for where a decision has been made
// and no other answer can be given any more: if the verifier panics there is none.
func (g *Guard) nonce() string {
	defer func() { _ = recover() }()
	return g.proofs.Nonce()
}

// SetAdmittedHeader sets the header fields that the answer to an admitted
// request must carry, where admitted is what [Guard.Admit] returned:
// DPoP-Nonce, if the proof's nonce was not the newest one, and with it
// Cache-Control: no-store (RFC 9449 §8.2). Otherwise it does nothing. An
// adapter calls it before the handler, which may set another Cache-Control.
func SetAdmittedHeader(header http.Header, admitted *http.Request) {
	if a := admissionOf(admitted.Context()); a != nil && a.nonce != "" {
		setNonce(header, a.nonce)
		header.Set("Cache-Control", "no-store")
	}
}

// setNonce sets the one DPoP-Nonce that an answer may have (RFC 9449 §8).
func setNonce(header http.Header, nonce string) {
	if nonce != "" {
		header.Set("DPoP-Nonce", nonce)
	}
}

// sentUnder returns a copy of the refusal that knows under which scheme the
// token came.
func (e *Error) sentUnder(s scheme) *Error {
	if e == nil {
		return nil
	}
	sent := *e
	sent.scheme = s
	return &sent
}
