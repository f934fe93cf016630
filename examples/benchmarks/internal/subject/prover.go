package subject

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/dpop"
)

// Origin is the resource server's, as clients write it.
const Origin = "https://api.bank.example"

// A Prover is a client with a DPoP key (RFC 9449), and an access token that is bound to it.
type Prover struct {
	Issuer     *Issuer
	Token      string
	Thumbprint binding.KeyThumbprint
	Now        time.Time

	algorithm string
	private   crypto.Signer
	header    string // of its proofs, in base64url
}

// NewProver returns a client whose key is for the algorithm, ES256 or EdDSA. Its time stands still.
func NewProver(algorithm string, issuer *Issuer) (*Prover, error) {
	p := &Prover{Issuer: issuer, algorithm: algorithm, Now: time.Now()}
	var err error
	if algorithm == "EdDSA" {
		_, p.private, err = ed25519.GenerateKey(rand.Reader)
	} else {
		p.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return nil, err
	}
	public, err := jwk.FromRaw(p.private.Public())
	if err != nil {
		return nil, err
	}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	p.Thumbprint = binding.KeyThumbprint(thumbprint)
	header, err := json.Marshal(map[string]any{"typ": "dpop+jwt", "alg": algorithm, "jwk": public})
	if err != nil {
		return nil, err
	}
	p.header = base64.RawURLEncoding.EncodeToString(header)
	spec := tokenSpec(nil)
	spec.Claims = map[string]any{"cnf": map[string]any{"jkt": p.Thumbprint.String()}}
	p.Token, err = issuer.Token(spec)
	return p, err
}

// Claims are those of a proof (RFC 9449 §4.2).
type Claims struct {
	ID       string `json:"jti"`
	Method   string `json:"htm"`
	URI      string `json:"htu"`
	IssuedAt int64  `json:"iat"`
	Token    string `json:"ath"`
	Nonce    string `json:"nonce,omitempty"`
}

// Claims returns those of a good proof that was not there before.
func (p *Prover) Claims() Claims {
	return Claims{ID: rand.Text(), Method: http.MethodGet, URI: Origin + "/accounts", IssuedAt: p.Now.Unix(), Token: hashOf(p.Token)}
}

func hashOf(token string) string {
	hash := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(hash[:])
}

// Proof signs a proof of the claims.
func (p *Prover) Proof(claims Claims) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	input := p.header + "." + base64.RawURLEncoding.EncodeToString(payload)
	var signature []byte
	if key, ok := p.private.(*ecdsa.PrivateKey); ok {
		digest := sha256.Sum256([]byte(input))
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			return "", err
		}
		signature = make([]byte, 64) // RFC 7518 §3.4
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
	} else if signature, err = p.private.Sign(nil, []byte(input), crypto.Hash(0)); err != nil {
		return "", err
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// Request returns a request with the token and a proof.
func (p *Prover) Request(proof string) *http.Request {
	r := NewRequest(p.Token, nil)
	r.TLS.PeerCertificates = nil
	r.Header.Set("Authorization", "DPoP "+p.Token)
	r.Header["Dpop"] = []string{proof}
	return r
}

// Requests returns that many requests, with proofs that were not there before and the nonce, if that is not "".
func (p *Prover) Requests(count int, nonce string) ([]*http.Request, error) {
	requests := make([]*http.Request, count)
	for i := range requests {
		claims := p.Claims()
		claims.Nonce = nonce
		proof, err := p.Proof(claims)
		if err != nil {
			return nil, err
		}
		requests[i] = p.Request(proof)
	}
	return requests, nil
}

// NewVerifier returns this library's verifier of proofs, for the time that the prover has. It asks for the time as any
// other does, because that is a part of the work.
func (p *Prover) NewVerifier(change func(*dpop.Config)) (*dpop.Verifier, error) {
	config := dpop.Config{Origins: []string{Origin}, Clock: func() time.Time { _ = time.Now(); return p.Now }}
	if change != nil {
		change(&config)
	}
	return dpop.New(config)
}

// Accept has a verifier judge a request's proof as a guard does.
func (p *Prover) Accept(v *dpop.Verifier, r *http.Request) error {
	proof, err := v.ReadProof(r, p.Token)
	if err != nil {
		return err
	}
	if !p.Thumbprint.Matches(proof.Key) {
		return errNotProven
	}
	return proof.Prove(r.Context())
}
