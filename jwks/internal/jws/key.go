package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
)

// Why a key is not used.
var (
	ErrKeyMalformed   = errors.New("the key is malformed")
	ErrKeyPrivate     = errors.New("the key is published with its private part")
	ErrKeySymmetric   = errors.New("the key is symmetric")
	ErrKeyUnsupported = errors.New("the key is of a type, curve or algorithm that is not supported")
	ErrKeyWeak        = errors.New("the key is weak: RSA too short, too long, of an unusual exponent or of a chip with the ROCA fault, or Ed25519 of small order")
)

// A Key is a public key that can verify signatures. It never changes.
type Key struct {
	Public crypto.PublicKey

	// Thumbprint is the key's JWK Thumbprint (RFC 7638) by SHA-256. It is made
	// of the key, never of the text in which the key came.
	Thumbprint [sha256.Size]byte
}

// NewKey returns the key, or why it is not used: the error is one of ErrKey*.
func NewKey(public crypto.PublicKey) (*Key, error) {
	switch public := public.(type) {
	case *rsa.PublicKey:
		return newRSAKey(public, maxRSABits)
	case *ecdsa.PublicKey:
		name := public.Curve.Params().Name
		if curves[name] != public.Curve {
			return nil, ErrKeyUnsupported
		}
		key, err := public.ECDH()
		if err != nil { // not a point of its curve
			return nil, ErrKeyMalformed
		}
		return newECKey(name, public, key.Bytes()), nil
	case ed25519.PublicKey:
		return newEdKey(public)
	}
	return nil, ErrKeyUnsupported
}

// Fits reports whether the key's type and curve are the algorithm's (RFC 7518
// §3.1, RFC 8725 §3.1).
func (k *Key) Fits(alg string) bool {
	m, ok := methods[alg]
	if !ok {
		return false
	}
	switch public := k.Public.(type) {
	case *rsa.PublicKey:
		return m.kind == rsaPKCS1 || m.kind == rsaPSS
	case *ecdsa.PublicKey:
		return m.kind == ecKind && m.curve == public.Curve
	case ed25519.PublicKey:
		return m.kind == edKind
	}
	return false
}

// curves are the elliptic curves of RFC 7518 §6.2.1.1.
var curves = map[string]elliptic.Curve{
	"P-256": elliptic.P256(),
	"P-384": elliptic.P384(),
	"P-521": elliptic.P521(),
}

func newRSAKey(public *rsa.PublicKey, maxBits int) (*Key, error) {
	if isWeakRSA(public, maxBits) {
		return nil, ErrKeyWeak
	}
	e := big.NewInt(int64(public.E)).Bytes()
	return &Key{Public: public, Thumbprint: thumbprint(`{"e":"`, e, `","kty":"RSA","n":"`, public.N.Bytes())}, nil
}

// newECKey returns the key of a point of the curve of that name, which is as
// long as it must be (SEC 1 §2.3.3): 4, x, y.
func newECKey(curve string, public *ecdsa.PublicKey, point []byte) *Key {
	x, y := point[1:1+len(point)/2], point[1+len(point)/2:]
	return &Key{Public: public, Thumbprint: thumbprint(`{"crv":"`+curve+`","kty":"EC","x":"`, x, `","y":"`, y)}
}

func newEdKey(public ed25519.PublicKey) (*Key, error) {
	switch {
	case len(public) != ed25519.PublicKeySize:
		return nil, ErrKeyMalformed
	case isSmallOrder(public):
		return nil, ErrKeyWeak
	}
	return &Key{Public: public, Thumbprint: thumbprint(`{"crv":"Ed25519","kty":"OKP","x":"`, public, "", nil)}, nil
}

// thumbprint hashes a JWK of the required members alone, in the order of their
// names and without white space (RFC 7638 §3, RFC 8037 §2), of which two are
// numbers.
func thumbprint(start string, one []byte, between string, two []byte) [sha256.Size]byte {
	text := make([]byte, 0, len(start)+len(between)+base64.RawURLEncoding.EncodedLen(len(one)+len(two)+2)+2)
	text = append(text, start...)
	text = base64.RawURLEncoding.AppendEncode(text, one)
	text = append(text, between...)
	text = base64.RawURLEncoding.AppendEncode(text, two)
	return sha256.Sum256(append(text, `"}`...))
}
