package bindingtest

import (
	"crypto"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v2/jws"
)

// How old a proof may be at the token endpoint, and how far ahead its clock.
const (
	maxProofAge = time.Minute
	proofLeeway = 30 * time.Second
)

// provenKey returns the key of the DPoP proof in a token request (RFC 9449 §5),
// nil where there is none.
func (s *AuthorizationServer) provenKey(r *http.Request) (crypto.PublicKey, *tokenError) {
	fields := r.Header.Values("DPoP")
	if len(fields) == 0 {
		return nil, nil
	}
	refused := &tokenError{status: http.StatusBadRequest, code: "invalid_dpop_proof", description: "the DPoP proof is not good"}
	if len(fields) > 1 {
		return nil, refused
	}
	proof := []byte(fields[0])
	message, err := jws.Parse(proof, jws.WithCompact())
	if err != nil {
		return nil, refused
	}
	header := message.Signatures()[0].ProtectedHeaders()
	if len(header.Critical()) > 0 || !strings.EqualFold(strings.TrimPrefix(header.Type(), "application/"), "dpop+jwt") {
		return nil, refused
	}
	var key crypto.PublicKey
	// A private key is none of the types that algorithmsFor knows.
	if header.JWK() == nil || header.JWK().Raw(&key) != nil || !slices.Contains(algorithmsFor(key), string(header.Algorithm())) {
		return nil, refused
	}
	payload, err := jws.Verify(proof, jws.WithKey(header.Algorithm(), key))
	if err != nil {
		return nil, refused
	}
	var claims struct {
		ID       string  `json:"jti"`
		Method   string  `json:"htm"`
		URI      string  `json:"htu"`
		IssuedAt float64 `json:"iat"`
		Nonce    string  `json:"nonce"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.ID == "" || claims.Method != r.Method ||
		!slices.Contains([]string{s.URL(TokenPath), s.MTLSURL(TokenPath)}, withoutQuery(claims.URI)) {
		return nil, refused
	}
	if s.config.RequireNonce && claims.Nonce != s.nonce {
		return nil, &tokenError{
			status: http.StatusBadRequest, code: "use_dpop_nonce",
			description: "the DPoP proof must hold the nonce of this authorization server", nonce: s.nonce,
		}
	}
	issued := time.Unix(int64(claims.IssuedAt), 0)
	if now := s.config.Clock(); issued.After(now.Add(proofLeeway)) || issued.Before(now.Add(-maxProofAge)) {
		return nil, refused
	}
	thumbprint, err := KeyThumbprint(key)
	if err != nil || !s.firstUse("proof:"+thumbprint+":"+claims.ID, issued.Add(maxProofAge)) {
		return nil, refused
	}
	return key, nil
}
