package suite

import (
	"context"
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// proofs is what an adapter has to do with DPoP proofs beside its two calls: an
// answer carries a newer nonce, admitted or refused (RFC 9449 §8.2). What a proof is
// worth is the guard's to say, and is faked.
func (s *suite) proofs(t *testing.T) {
	const jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	digest, err := base64.RawURLEncoding.DecodeString(jkt)
	require.NoError(t, err)
	site := s.guarded(t, binding.Config{Proofs: fakeProofs{key: binding.KeyThumbprint(digest)}})
	bound := s.Confirmed(t, `{"jkt":"`+jkt+`"}`)
	for _, row := range []struct {
		name, proof string
		status      int
		nonce       []string
		cache       string
	}{
		{"359 the newest nonce", "newest", http.StatusOK, nil, ""},
		{"359 an older nonce", "older", http.StatusOK, []string{"the newest"}, "no-store"},
		{"355 no proof", "", http.StatusUnauthorized, []string{"the newest"}, "no-store"},
	} {
		t.Run("L/"+row.name, func(t *testing.T) {
			t.Parallel()
			request := Request{Authorization: []string{"DPoP " + bound}, Header: http.Header{}}
			if row.proof != "" {
				request.Header.Set("DPoP", row.proof)
			}
			response, body := site.Get(t, request)
			require.Equal(t, row.status, response.StatusCode, body)
			assert.Equal(t, row.nonce, response.Header["Dpop-Nonce"])
			assert.Equal(t, row.cache, response.Header.Get("Cache-Control"))
		})
	}
}

// fakeProofs is a ProofVerifier that believes any proof, and knows "older" for one
// with a nonce that is not the newest.
type fakeProofs struct{ key binding.KeyThumbprint }

func (f fakeProofs) ReadProof(r *http.Request, _ string) (binding.Proof, error) {
	proof := r.Header.Get("DPoP")
	if proof == "" {
		return binding.Proof{}, &binding.Error{Reason: binding.ReasonProofMissing}
	}
	return binding.Proof{Key: f.key, Prove: func(context.Context) error { return nil }, Stale: proof == "older"}, nil
}

func (fakeProofs) Algorithms() []string { return []string{"ES256"} }

func (fakeProofs) Nonce() string { return "the newest" }
