package suite

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"sync"
)

// A signer makes tokens with the standard library alone, as the tests need them and no JOSE library would.
type signer struct {
	alg     string
	private crypto.Signer
}

// The keys are made once: none is secret, and RSA is slow.
var (
	rsaKey  = sync.OnceValue(func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	p256Key = sync.OnceValue(func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384Key = sync.OnceValue(func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	edKey   = sync.OnceValue(func() crypto.Signer {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return must(key, err)
	})
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func unb64(text string) []byte { return must(base64.RawURLEncoding.DecodeString(text)) }

// jwk is the signer's public key (RFC 7518 §6, RFC 8037 §2) under a kid; with "" it has none.
func (s signer) jwk(kid string) object {
	var key object
	switch public := s.private.Public().(type) {
	case *rsa.PublicKey:
		key = object{"kty": `"RSA"`, "n": quoted(b64(public.N.Bytes())), "e": quoted(b64(big.NewInt(int64(public.E)).Bytes()))}
	case *ecdsa.PublicKey:
		point := must(public.ECDH()).Bytes()[1:]
		key = object{
			"kty": `"EC"`, "crv": quoted(public.Curve.Params().Name),
			"x": quoted(b64(point[:len(point)/2])), "y": quoted(b64(point[len(point)/2:])),
		}
	case ed25519.PublicKey:
		key = object{"kty": `"OKP"`, "crv": `"Ed25519"`, "x": quoted(b64(public))}
	case rawRSA:
		key = object{"kty": `"RSA"`, "n": quoted(b64(public.n.Bytes())), "e": quoted(b64(public.e.Bytes()))}
	}
	if kid != "" {
		key = key.with("kid", quoted(kid))
	}
	return key
}

// published is the key as a set holds it.
func (o object) published() json.RawMessage { return json.RawMessage(o.String()) }

// header names the signer's algorithm and the kid, if not "".
func (s signer) header(kid string) object {
	header := object{"alg": quoted(s.alg), "typ": `"at+jwt"`}
	if kid != "" {
		header["kid"] = quoted(kid)
	}
	return header
}

func (s signer) sign(header, claims object) string {
	input := b64([]byte(header.String())) + "." + b64([]byte(claims.String()))
	return input + "." + b64(s.signature(s.alg, input))
}

// signature signs by an algorithm that the key is able to, named or not in the header.
func (s signer) signature(alg, input string) []byte {
	hash, digest := digestFor(alg, input)
	switch key := s.private.(type) {
	case *rsa.PrivateKey:
		if alg[0] == 'P' {
			return must(rsa.SignPSS(rand.Reader, key, hash, digest, &rsa.PSSOptions{SaltLength: hash.Size()}))
		}
		return must(rsa.SignPKCS1v15(rand.Reader, key, hash, digest))
	case *ecdsa.PrivateKey:
		r, v, err := ecdsa.Sign(rand.Reader, key, digest)
		return rs(key.Curve, must(r, err), v)
	case ed25519.PrivateKey:
		return ed25519.Sign(key, []byte(input))
	}
	// A key of the suite's own takes the input itself.
	return must(s.private.Sign(rand.Reader, []byte(input), crypto.Hash(0)))
}

// digestFor hashes as the digits at the end of the algorithm's name say.
func digestFor(alg, input string) (crypto.Hash, []byte) {
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[2:]]
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
