package jwks

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

// An Algorithm is a signature algorithm's name (RFC 7518 §3.1, RFC 8037, RFC
// 9864), compared exactly. HMAC and none are none.
type Algorithm string

// The algorithms that can be verified.
const (
	RS256 Algorithm = "RS256"
	RS384 Algorithm = "RS384"
	RS512 Algorithm = "RS512"
	PS256 Algorithm = "PS256"
	PS384 Algorithm = "PS384"
	PS512 Algorithm = "PS512"
	ES256 Algorithm = "ES256"
	ES384 Algorithm = "ES384"
	ES512 Algorithm = "ES512"

	// EdDSA is RFC 8037's name for any Edwards curve, here Ed25519 alone.
	EdDSA Algorithm = "EdDSA"
	// Ed25519 is RFC 9864's name for the same signature.
	Ed25519 Algorithm = "Ed25519"
)

// FAPI2 returns the algorithms that the FAPI 2.0 Security Profile §5.4 allows:
// PS256, ES256, and EdDSA on Ed25519 under both of its names.
func FAPI2() []Algorithm { return []Algorithm{PS256, ES256, EdDSA, Ed25519} }

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

var methods = map[Algorithm]method{
	RS256:   {kind: rsaPKCS1, hash: crypto.SHA256},
	RS384:   {kind: rsaPKCS1, hash: crypto.SHA384},
	RS512:   {kind: rsaPKCS1, hash: crypto.SHA512},
	PS256:   {kind: rsaPSS, hash: crypto.SHA256},
	PS384:   {kind: rsaPSS, hash: crypto.SHA384},
	PS512:   {kind: rsaPSS, hash: crypto.SHA512},
	ES256:   {kind: ecKind, hash: crypto.SHA256, curve: elliptic.P256()},
	ES384:   {kind: ecKind, hash: crypto.SHA384, curve: elliptic.P384()},
	ES512:   {kind: ecKind, hash: crypto.SHA512, curve: elliptic.P521()},
	EdDSA:   {kind: edKind},
	Ed25519: {kind: edKind},
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
