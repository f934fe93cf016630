package jwks_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"sync"

	"github.com/certbound/certbound/jwks"
)

// A signer makes tokens with the standard library alone, as the tests need them
// and no JOSE library would.
type signer struct {
	alg     jwks.Algorithm
	private crypto.Signer
}

// The keys are made once: none is secret, and RSA is slow.
var (
	rsaKey      = onceRSA(2048)
	otherRSAKey = onceRSA(2048)
	p256Key     = onceEC(elliptic.P256())
	p384Key     = onceEC(elliptic.P384())
	p521Key     = onceEC(elliptic.P521())
	edKey       = sync.OnceValue(func() crypto.Signer {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return must(key, err)
	})
)

func onceRSA(bits int) func() crypto.Signer {
	return sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, bits)) })
}

func onceEC(curve elliptic.Curve) func() crypto.Signer {
	return sync.OnceValue(func() crypto.Signer { return must(ecdsa.GenerateKey(curve, rand.Reader)) })
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func newEC() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

var everyAlgorithm = []jwks.Algorithm{
	jwks.RS256, jwks.RS384, jwks.RS512, jwks.PS256, jwks.PS384, jwks.PS512,
	jwks.ES256, jwks.ES384, jwks.ES512, jwks.EdDSA, jwks.Ed25519,
}

// signerOf returns the signer with the package's key for the algorithm.
func signerOf(alg jwks.Algorithm) signer {
	switch alg {
	case jwks.ES256:
		return signer{alg, p256Key()}
	case jwks.ES384:
		return signer{alg, p384Key()}
	case jwks.ES512:
		return signer{alg, p521Key()}
	case jwks.EdDSA, jwks.Ed25519:
		return signer{alg, edKey()}
	}
	return signer{alg, rsaKey()}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func unb64(s string) []byte { return must(base64.RawURLEncoding.DecodeString(s)) }

// key is the JWK of the signer's public key, without kid and alg.
func (s signer) key() raw { return keyOf(s.private.Public()) }

func keyOf(public crypto.PublicKey) raw {
	switch public := public.(type) {
	case *rsa.PublicKey:
		return raw{
			"kty": `"RSA"`, "n": quote(b64(public.N.Bytes())),
			"e": quote(b64(big.NewInt(int64(public.E)).Bytes())),
		}
	case *ecdsa.PublicKey:
		point := must(public.ECDH()).Bytes()[1:]
		return raw{
			"kty": `"EC"`, "crv": quote(public.Curve.Params().Name),
			"x": quote(b64(point[:len(point)/2])), "y": quote(b64(point[len(point)/2:])),
		}
	case ed25519.PublicKey:
		return raw{"kty": `"OKP"`, "crv": `"Ed25519"`, "x": quote(b64(public))}
	}
	panic("no such key")
}

// published is the JWK as a set holds it.
func (r raw) published() json.RawMessage { return json.RawMessage(r.String()) }

// header names the signer's algorithm and the kid, if not "".
func (s signer) header(kid string) raw {
	header := raw{"alg": quote(string(s.alg)), "typ": `"at+jwt"`}
	if kid != "" {
		header["kid"] = quote(kid)
	}
	return header
}

func (s signer) sign(header, payload string) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	return input + "." + b64(s.signature(s.alg, input))
}

// signature signs by an algorithm that the key is able to, named or not in the header.
func (s signer) signature(alg jwks.Algorithm, input string) []byte {
	hash, digest := digestFor(alg, input)
	switch key := s.private.(type) {
	case *rsa.PrivateKey:
		if alg[0] == 'P' {
			return must(rsa.SignPSS(rand.Reader, key, hash, digest, &rsa.PSSOptions{SaltLength: hash.Size()}))
		}
		return must(rsa.SignPKCS1v15(rand.Reader, key, hash, digest))
	case *ecdsa.PrivateKey:
		r, v, err := ecdsa.Sign(rand.Reader, key, digest)
		must(r, err)
		return rs(key.Curve, r, v)
	case ed25519.PrivateKey:
		return ed25519.Sign(key, []byte(input))
	}
	// A key of a test's own takes the input itself.
	return must(s.private.Sign(rand.Reader, []byte(input), crypto.Hash(0)))
}

// digestFor hashes as the digits at the end of the algorithm's name say.
func digestFor(alg jwks.Algorithm, input string) (crypto.Hash, []byte) {
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[string(alg[2:])]
	if hash == 0 {
		return 0, nil
	}
	h := hash.New()
	h.Write([]byte(input))
	return hash, h.Sum(nil)
}

// rs is the form of an ECDSA signature in a JWS (RFC 7518 §3.4).
func rs(curve elliptic.Curve, r, s *big.Int) []byte {
	size := (curve.Params().BitSize + 7) / 8
	return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
}

func hs256(secret []byte, header, payload string) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + b64(mac.Sum(nil))
}
