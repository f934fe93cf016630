package subject

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"sync"
	"time"

	"github.com/auth0/go-jwt-middleware/v3/validator"
	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// A ProofPeer is another library, put to the work of accepting a DPoP proof (RFC 9449 §4.3). What it does not do is written by
// hand, as briefly as it can be.
type ProofPeer struct {
	Name string
	new  func(*Prover) (func(*http.Request) error, error)
}

// ProofPeers are the libraries. golang-jwt and go-jose know nothing of DPoP; auth0's verifies the signature and leaves the
// comparisons to its middleware, or here to us.
func ProofPeers() []ProofPeer {
	return []ProofPeer{
		{"golang-jwt by hand", newGolangJWTProofs},
		{"go-jose by hand", newGoJOSEProofs},
		{"auth0", newAuth0Proofs},
	}
}

// compared is what is left to do by hand when a proof's signature is good.
type compared struct {
	prover *Prover
	jkt    string

	mu   sync.Mutex
	used map[string]bool // nothing is ever forgotten
}

func newCompared(p *Prover) *compared {
	return &compared{prover: p, jkt: p.Thumbprint.String(), used: make(map[string]bool)}
}

func (c *compared) compare(r *http.Request, thumbprint string, claims Claims) error {
	age := time.Since(time.Unix(claims.IssuedAt, 0)) - time.Since(c.prover.Now)
	switch {
	case claims.Method != r.Method, claims.URI != Origin+r.URL.Path, age < -30*time.Second, age > time.Minute,
		subtle.ConstantTimeCompare([]byte(claims.Token), []byte(hashOf(c.prover.Token))) != 1, thumbprint != c.jkt:
		return errNotProven
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.used[claims.ID] {
		return errNotProven
	}
	c.used[claims.ID] = true
	return nil
}

func proofOf(r *http.Request) (string, error) {
	if fields := r.Header["Dpop"]; len(fields) == 1 {
		return fields[0], nil
	}
	return "", errNotProven
}

type golangJWTProof struct{ Claims }

// What golang-jwt wants of claims that it does not judge.
func (golangJWTProof) GetExpirationTime() (*jwt.NumericDate, error) { return nil, nil }
func (golangJWTProof) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil }
func (golangJWTProof) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil }
func (golangJWTProof) GetIssuer() (string, error)                   { return "", nil }
func (golangJWTProof) GetSubject() (string, error)                  { return "", nil }
func (golangJWTProof) GetAudience() (jwt.ClaimStrings, error)       { return nil, nil }

func newGolangJWTProofs(p *Prover) (func(*http.Request) error, error) {
	c := newCompared(p)
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}))
	return func(r *http.Request) error {
		text, err := proofOf(r)
		if err != nil {
			return err
		}
		var claims golangJWTProof
		var thumbprint string
		_, err = parser.ParseWithClaims(text, &claims, func(t *jwt.Token) (any, error) {
			key, _ := t.Header["jwk"].(map[string]any)
			if t.Header["typ"] != "dpop+jwt" || key["kty"] != "EC" || key["crv"] != "P-256" || key["d"] != nil {
				return nil, errNotProven
			}
			x, _ := key["x"].(string)
			y, _ := key["y"].(string)
			thumbprint = hashOf(`{"crv":"P-256","kty":"EC","x":"` + x + `","y":"` + y + `"}`)
			return p256(x, y)
		})
		if err != nil {
			return err
		}
		return c.compare(r, thumbprint, claims.Claims)
	}, nil
}

func p256(x, y string) (*ecdsa.PublicKey, error) {
	one, err := base64.RawURLEncoding.DecodeString(x)
	two, other := base64.RawURLEncoding.DecodeString(y)
	if err := errors.Join(err, other); err != nil {
		return nil, err
	}
	key := &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(one), Y: new(big.Int).SetBytes(two)}
	_, err = key.ECDH() // a point of the curve
	return key, err
}

func newGoJOSEProofs(p *Prover) (func(*http.Request) error, error) {
	c := newCompared(p)
	return func(r *http.Request) error {
		text, err := proofOf(r)
		if err != nil {
			return err
		}
		signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			return err
		}
		header := signed.Signatures[0].Protected
		if header.ExtraHeaders["typ"] != "dpop+jwt" || header.JSONWebKey == nil || !header.JSONWebKey.IsPublic() {
			return errNotProven
		}
		payload, err := signed.Verify(header.JSONWebKey)
		if err != nil {
			return err
		}
		var claims Claims
		if err := json.Unmarshal(payload, &claims); err != nil {
			return err
		}
		thumbprint, err := header.JSONWebKey.Thumbprint(crypto.SHA256)
		if err != nil {
			return err
		}
		return c.compare(r, base64.RawURLEncoding.EncodeToString(thumbprint), claims)
	}, nil
}

func newAuth0Proofs(p *Prover) (func(*http.Request) error, error) {
	c := newCompared(p)
	v, err := validator.New(
		validator.WithKeyFunc(func(context.Context) (any, error) { return p.Issuer.PublicKey, nil }),
		validator.WithAlgorithm(validator.ES256), validator.WithIssuer(p.Issuer.Issuer()), validator.WithAudience(Audience),
	)
	if err != nil {
		return nil, err
	}
	return func(r *http.Request) error {
		text, err := proofOf(r)
		if err != nil {
			return err
		}
		proof, err := v.ValidateDPoPProof(r.Context(), text)
		if err != nil {
			return err
		}
		return c.compare(r, proof.GetPublicKeyThumbprint(), Claims{
			ID: proof.GetJTI(), Method: proof.GetHTM(), URI: proof.GetHTU(), IssuedAt: proof.GetIAT(), Token: proof.GetATH(),
		})
	}, nil
}
