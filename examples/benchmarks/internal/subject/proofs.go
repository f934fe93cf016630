package subject

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

// A ProofStream is a guard of tokens that are bound to a DPoP key, one such token, and proofs for it that are all different,
// without end.
type ProofStream struct {
	*Guard
	issuer *Issuer
	key    *ecdsa.PrivateKey
	token  string
}

// NewProofStream starts an issuer, and a guard for its tokens that remembers used proofs in the store, or by itself if that is
// nil. Close it when done.
func NewProofStream(store dpop.ReplayStore) (_ *ProofStream, err error) {
	s := new(ProofStream)
	if s.issuer, err = NewIssuer("ES256", 0); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.issuer.Close()
		}
	}()
	if s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	spec := tokenSpec(nil)
	spec.Key = s.key.Public()
	if s.token, err = s.issuer.Token(spec); err != nil {
		return nil, err
	}
	proofs, err := dpop.New(dpop.Config{Origins: []string{Audience}, Replays: store})
	if err != nil {
		return nil, err
	}
	tokens := jwks.Config{Issuer: s.issuer.Issuer(), Audiences: []string{Audience}, Transport: s.issuer.Transport()}
	s.Guard, err = newGuardWith(tokens, proofs)
	return s, err
}

// Requests returns that many requests with the token, each with a proof that was not there before.
func (s *ProofStream) Requests(count int) ([]*http.Request, error) {
	requests := make([]*http.Request, count)
	for i := range requests {
		proof, err := bindingtest.NewProof(bindingtest.ProofSpec{Key: s.key, URL: Audience + "/accounts", Token: s.token})
		if err != nil {
			return nil, err
		}
		r := NewRequest("", nil)
		r.TLS.PeerCertificates = nil
		r.Header.Set("Authorization", "DPoP "+s.token)
		r.Header.Set("DPoP", proof)
		requests[i] = r
	}
	return requests, nil
}

// Close ends the guard and the issuer.
func (s *ProofStream) Close() error {
	err := s.Guard.Close()
	s.issuer.Close()
	return err
}
