package conformance

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // of ES384
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
)

// signer is a key of the kit's, beside the issuer's own: for what no issuer
// does.
type signer struct {
	alg, kid string
	private  crypto.Signer
}

// keys are those that the cases need. RSA keys take a while to make: there is
// one, published for two algorithms.
type keys struct {
	rsa, pss signer // published from the start
	spare    signer // ES256, published when a case says so
	attacker signer // ES256, never published

	owner, thief signer // ES256, of DPoP proofs
}

func (k *keys) generate() error {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("conformance: key generation: %w", err)
	}
	k.rsa, k.pss = signer{"RS256", "rsa", private}, signer{"PS256", "pss", private}
	for _, key := range []*signer{&k.spare, &k.attacker, &k.owner, &k.thief} {
		if *key, err = newECSigner(es256, newID(), elliptic.P256()); err != nil {
			return err
		}
	}
	return nil
}

func newECSigner(alg, kid string, curve elliptic.Curve) (signer, error) {
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		return signer{}, fmt.Errorf("conformance: key generation: %w", err)
	}
	return signer{alg, kid, private}, nil
}

func newID() string { return rand.Text() }

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// header replaces alg and kid in the header of the issuer's tokens.
func (s signer) header(of *issuer) object {
	return of.header().with("alg", quote(s.alg)).with("kid", quote(s.kid))
}

// jwk is the public key as a key set has it.
func (s signer) jwk() json.RawMessage { return json.RawMessage(s.members().String()) }

func (s signer) members() object {
	common := object{{"kid", quote(s.kid)}, {"alg", quote(s.alg)}, {"use", `"sig"`}}
	switch public := s.private.Public().(type) {
	case *rsa.PublicKey:
		return append(common, member{"kty", `"RSA"`}, member{"n", quote(b64(public.N.Bytes()))},
			member{"e", quote(b64(big.NewInt(int64(public.E)).Bytes()))})
	case *ecdsa.PublicKey:
		point := must(public.ECDH()).Bytes()[1:]
		half := len(point) / 2
		return append(common, member{"kty", `"EC"`}, member{"crv", quote(public.Curve.Params().Name)},
			member{"x", quote(b64(point[:half]))}, member{"y", quote(b64(point[half:]))})
	}
	panic("conformance: no such key")
}

// sign makes a token. The header says what it likes.
func (s signer) sign(header, claims fmt.Stringer) string {
	input := signingInput(header.String(), claims.String())
	return input + "." + b64(s.signature(input))
}

func signingInput(header, payload string) string {
	return b64([]byte(header)) + "." + b64([]byte(payload))
}

// signature signs by the key's algorithm, whatever a header says.
func (s signer) signature(input string) []byte {
	digest := sha256.Sum256([]byte(input))
	switch key := s.private.(type) {
	case *rsa.PrivateKey:
		if s.alg == "PS256" {
			return must(rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: sha256.Size}))
		}
		return must(rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:]))
	case *ecdsa.PrivateKey:
		r, v, err := ecdsa.Sign(rand.Reader, key, digest[:])
		return append(fixed(must(r, err), key.Curve), fixed(v, key.Curve)...)
	case *weakKey:
		return must(key.Sign(nil, digest[:], crypto.SHA256))
	}
	panic("conformance: no such key")
}

// fixed is an integer of an ECDSA signature in a JWS (RFC 7518 §3.4).
func fixed(n *big.Int, curve elliptic.Curve) []byte {
	return n.FillBytes(make([]byte, (curve.Params().BitSize+7)/8))
}

// raw is the bare RSA operation, for padding that no library makes.
func (s signer) raw(encoded []byte) []byte {
	key := s.private.(*rsa.PrivateKey)
	return new(big.Int).Exp(new(big.Int).SetBytes(encoded), key.D, key.N).FillBytes(make([]byte, key.Size()))
}

// privateHalf is the d of an EC key's JWK.
func privateHalf(s signer) string { return b64(must(s.private.(*ecdsa.PrivateKey).Bytes())) }

// weakRSA makes a key of 1024 bits, which crypto/rsa refuses to make.
func weakRSA() *weakKey {
	e := big.NewInt(65537)
	for {
		p, q := must(rand.Prime(rand.Reader, 512)), must(rand.Prime(rand.Reader, 512))
		one := big.NewInt(1)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		if d := new(big.Int).ModInverse(e, phi); d != nil {
			return &weakKey{rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537}, d}
		}
	}
}

// weakKey is an RSA key of any size.
type weakKey struct {
	public rsa.PublicKey
	d      *big.Int
}

func (k *weakKey) Public() crypto.PublicKey { return &k.public }

// Sign signs a digest of SHA-256 by RSASSA-PKCS1-v1_5.
func (k *weakKey) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	encoded := pkcs1([sha256.Size]byte(digest), k.public.Size())
	return new(big.Int).Exp(new(big.Int).SetBytes(encoded), k.d, k.public.N).FillBytes(make([]byte, k.public.Size())), nil
}

// hs256 signs with a secret that is none.
func hs256(secret []byte, header, claims fmt.Stringer) string {
	input := signingInput(header.String(), claims.String())
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte(input))
	return input + "." + b64(mac.Sum(nil))
}
