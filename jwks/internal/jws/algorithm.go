package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"math/big"
)

// A method is how an algorithm verifies: a kind of key, a hash, and for ECDSA
// the curve that belongs to it (RFC 7518 §3.4).
type method struct {
	kind  keyKind
	hash  crypto.Hash
	curve elliptic.Curve
}

type keyKind int

const (
	rsaPKCS1 keyKind = iota
	rsaPSS
	ecKind
	edKind
)

var methods = map[string]method{
	"RS256":   {kind: rsaPKCS1, hash: crypto.SHA256},
	"RS384":   {kind: rsaPKCS1, hash: crypto.SHA384},
	"RS512":   {kind: rsaPKCS1, hash: crypto.SHA512},
	"PS256":   {kind: rsaPSS, hash: crypto.SHA256},
	"PS384":   {kind: rsaPSS, hash: crypto.SHA384},
	"PS512":   {kind: rsaPSS, hash: crypto.SHA512},
	"ES256":   {kind: ecKind, hash: crypto.SHA256, curve: elliptic.P256()},
	"ES384":   {kind: ecKind, hash: crypto.SHA384, curve: elliptic.P384()},
	"ES512":   {kind: ecKind, hash: crypto.SHA512, curve: elliptic.P521()},
	"EdDSA":   {kind: edKind},
	"Ed25519": {kind: edKind},
}

// Supports reports whether there is a method for the algorithm. HMAC and none have
// none.
func Supports(alg string) bool {
	_, supported := methods[alg]
	return supported
}

// verify reports whether the signature of message is by the key, which fits the
// algorithm.
func (m method) verify(public crypto.PublicKey, message, signature []byte) bool {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if m.kind == rsaPKCS1 {
			return rsa.VerifyPKCS1v15(key, m.hash, m.digest(message), signature) == nil
		}
		// RFC 7518 §3.5: the salt is as long as the hash. The default of
		// crypto/rsa would find out the length from the signature.
		return rsa.VerifyPSS(key, m.hash, m.digest(message), signature,
			&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	case *ecdsa.PublicKey:
		// RFC 7518 §3.4: R and S, each as long as the curve's order; no ASN.1.
		size := (m.curve.Params().BitSize + 7) / 8
		if len(signature) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(key, m.digest(message), r, s)
	case ed25519.PublicKey:
		return len(key) == ed25519.PublicKeySize && ed25519.Verify(key, message, signature)
	}
	return false
}

func (m method) digest(message []byte) []byte {
	switch m.hash {
	case crypto.SHA256:
		d := sha256.Sum256(message)
		return d[:]
	case crypto.SHA384:
		d := sha512.Sum384(message)
		return d[:]
	default:
		d := sha512.Sum512(message)
		return d[:]
	}
}
