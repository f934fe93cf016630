package binding

import (
	"context"
	"net/http"
)

// A ProofVerifier reads the DPoP proof of a request (RFC 9449 §4.3): package
// dpop has one. All its methods must be safe for concurrent use.
type ProofVerifier interface {
	// ReadProof reads the proof that came with an access token under the scheme
	// DPoP. It checks everything that can be checked without the token's key, and
	// does nothing expensive: the guard calls it before it knows whether the
	// token is good. An error that is an [*Error] is answered by its Reason
	// ([ReasonProofMissing] if the request has no proof); any other error means
	// that the verifier failed, and is answered 503.
	ReadProof(r *http.Request, accessToken string) (Proof, error)

	// Algorithms returns the signature algorithms that are accepted, at least
	// one, for the algs of a challenge (RFC 9449 §7.1). The caller may change the
	// slice.
	Algorithms() []string

	// Nonce returns the value for the header field DPoP-Nonce (RFC 9449 §8), or
	// "" if proofs need no nonce.
	Nonce() string
}

// A Proof is a DPoP proof that was read. It is good if Key is the key that the
// token is bound to, and Prove returns nil. The zero Proof proves nothing.
type Proof struct {
	// Key is the thumbprint of the key in the proof (RFC 9449 §6.1). Only Verify
	// and Prove find out whether the sender holds that key.
	Key KeyThumbprint

	// Verify verifies the proof's signature alone, and uses nothing up. It is
	// called before Prove, or not at all: see [ProvesPresentedKey]. It may be
	// nil. Its errors are answered like those of ReadProof.
	Verify func() error

	// Prove verifies the proof's signature, and that the proof was not used
	// before. The guard calls it once, after it has compared Key with the token's
	// and has proven the token's certificate, if it is bound to one, so that a
	// request refused before that does not use up its proof. Its errors are
	// answered like those of ReadProof.
	Prove func(context.Context) error

	// Stale says that the proof's nonce is good but not the newest one: the
	// answer then carries the newest (RFC 9449 §8.2).
	Stale bool
}
