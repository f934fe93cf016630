package bindingtest

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// KeyThumbprint returns what a token that is bound to the key holds as jkt (RFC
// 9449 §6.1): the SHA-256 thumbprint of RFC 7638, in base64url. It is an error
// if the key is not RSA, ECDSA on a NIST curve from P-256, or Ed25519.
func KeyThumbprint(key crypto.PublicKey) (string, error) {
	public, err := publicJWK(key)
	if err != nil {
		return "", err
	}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("bindingtest: public key: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(thumbprint), nil
}

func publicJWK(key crypto.PublicKey) (jwk.Key, error) {
	if len(algorithmsFor(key)) == 0 {
		return nil, errors.New("bindingtest: the key is of no supported kind")
	}
	public, err := jwk.FromRaw(key)
	if err != nil {
		return nil, fmt.Errorf("bindingtest: public key: %w", err)
	}
	return public, nil
}

// ProofSpec says what NewProof puts into a DPoP proof (RFC 9449 §4.2). With a
// Key, a URL and a Token it is a good proof of a GET.
type ProofSpec struct {
	Key      crypto.Signer // signs; its public half is the jwk of the header. Required
	Method   string        // htm; default: "GET"
	URL      string        // htu: without its query and its fragment
	Token    string        // ath: the access token that the proof goes with; "": no such claim
	Nonce    string        // nonce: what the server gave; "": no such claim
	IssuedAt time.Time     // iat, cut to a second; default: now

	// Algorithm is the JWS algorithm, one that fits the Key. Default: RS256,
	// ES256, ES384, ES512 or EdDSA.
	Algorithm string

	// Claims and Header are added to the claims and to the JOSE header, or
	// replace what would be there; a nil value removes it. A replaced alg or
	// jwk changes what the header says, not the key that signs.
	Claims map[string]any
	Header map[string]any

	// ForgedSignature signs with another key than the one in the header.
	ForgedSignature bool
}

// NewProof signs a DPoP proof, good or bad in one stated way, with a jti of its
// own. It is an error if the Key is not RSA, ECDSA on a NIST curve from P-256,
// or Ed25519, if the Algorithm does not fit it, or if a value in Claims or
// Header has no JSON form.
func NewProof(spec ProofSpec) (string, error) {
	if spec.Key == nil {
		return "", errors.New("bindingtest: proof: a private key is required")
	}
	public, err := publicJWK(spec.Key.Public())
	if err != nil {
		return "", err
	}
	key := signingKey{private: spec.Key, algorithm: spec.Algorithm}
	switch fitting := algorithmsFor(spec.Key.Public()); {
	case key.algorithm == "":
		key.algorithm = fitting[0]
	case !slices.Contains(fitting, key.algorithm):
		return "", errors.New("bindingtest: proof: the algorithm does not fit the key")
	}
	if spec.ForgedSignature {
		another, _ := algorithmNamed(key.algorithm)
		if key.private, err = another.generate(); err != nil {
			return "", fmt.Errorf("bindingtest: key generation: %w", err)
		}
	}
	fields := map[string]any{"typ": "dpop+jwt", "alg": key.algorithm, "jwk": public}
	amend(fields, spec.Header)
	header, err := json.Marshal(fields)
	if err != nil {
		return "", fmt.Errorf("bindingtest: header: %w", err)
	}
	claims, err := json.Marshal(spec.claims())
	if err != nil {
		return "", fmt.Errorf("bindingtest: claims: %w", err)
	}
	return key.sign(header, claims)
}

// Proof signs a DPoP proof as [NewProof] does, for a request to the API under
// test: by Config.Clock, unless the spec says when, and with Config.Origin, if
// there is one, in place of scheme, host and port of the URL.
func (s *AuthorizationServer) Proof(spec ProofSpec) (string, error) {
	if spec.IssuedAt.IsZero() {
		spec.IssuedAt = s.config.Clock()
	}
	if s.config.Origin != "" {
		target, err := url.Parse(spec.URL)
		if err != nil {
			return "", fmt.Errorf("bindingtest: proof: %w", err)
		}
		spec.URL = s.config.Origin + target.RequestURI()
	}
	return NewProof(spec)
}

func (spec ProofSpec) claims() map[string]any {
	issued := spec.IssuedAt
	if issued.IsZero() {
		issued = time.Now()
	}
	method := spec.Method
	if method == "" {
		method = http.MethodGet
	}
	claims := map[string]any{
		"jti": rand.Text(),
		"htm": method,
		"htu": withoutQuery(spec.URL),
		"iat": issued.Unix(),
	}
	if spec.Token != "" {
		hash := sha256.Sum256([]byte(spec.Token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(hash[:])
	}
	if spec.Nonce != "" {
		claims["nonce"] = spec.Nonce
	}
	amend(claims, spec.Claims)
	return claims
}

// withoutQuery cuts query and fragment off (RFC 9449 §4.2).
func withoutQuery(uri string) string {
	uri, _, _ = strings.Cut(uri, "#")
	uri, _, _ = strings.Cut(uri, "?")
	return uri
}
