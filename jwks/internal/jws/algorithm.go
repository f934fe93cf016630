package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
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

// Supports reports whether signatures by the algorithm can be verified. Those by
// HMAC and none cannot.
func Supports(alg string) bool {
	_, supported := methods[alg]
	return supported
}

// Verify reports whether the signature of the input is by the key and by the
// algorithm. It is by none that the key does not fit.
func Verify(alg string, key *Key, input, signature []byte) bool {
	return key.Fits(alg) && methods[alg].verify(key.Public, input, signature)
}

var pssOptions = rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}

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
		return rsa.VerifyPSS(key, m.hash, m.digest(message), signature, &pssOptions) == nil
	case *ecdsa.PublicKey:
		// RFC 7518 §3.4: R and S, each as long as the curve's order; no ASN.1.
		size := (m.curve.Params().BitSize + 7) / 8
		if len(signature) != 2*size {
			return false
		}
		var memory [maxDER]byte
		return ecdsa.VerifyASN1(key, m.digest(message), appendDER(memory[:0], signature[:size], signature[size:]))
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

// maxDER is the length of the longest signature that appendDER makes: two
// integers of 66 bytes (P-521) and a zero in front, each behind two bytes, behind
// three.
const maxDER = 3 + 2*(2+1+66)

// appendDER appends R and S as crypto/ecdsa takes them: SEQUENCE of two INTEGER,
// in DER. (ecdsa.Verify does the same by way of two big.Int.)
func appendDER(der []byte, r, s []byte) []byte {
	r, s = shortest(r), shortest(s)
	length := lengthOfInteger(r) + lengthOfInteger(s)
	if der = append(der, 0x30); length > 0x7f {
		der = append(der, 0x81)
	}
	return appendInteger(appendInteger(append(der, byte(length)), r), s)
}

// shortest returns an unsigned integer without the zeros in front of it; of zero
// one is left.
func shortest(integer []byte) []byte {
	for len(integer) > 1 && integer[0] == 0 {
		integer = integer[1:]
	}
	return integer
}

// An INTEGER has a sign: one whose first bit is set needs a zero in front.
func isHigh(integer []byte) bool { return integer[0] >= 0x80 }

func lengthOfInteger(integer []byte) int {
	if isHigh(integer) {
		return 2 + 1 + len(integer)
	}
	return 2 + len(integer)
}

func appendInteger(der, integer []byte) []byte {
	der = append(der, 0x02, byte(lengthOfInteger(integer)-2))
	if isHigh(integer) {
		der = append(der, 0)
	}
	return append(der, integer...)
}
