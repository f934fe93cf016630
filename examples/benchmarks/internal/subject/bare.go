package subject

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
)

// A Signed is what the bare signature check needs of a token, taken apart beforehand.
type Signed struct {
	input     []byte // header and payload as they came (RFC 7515 §5.2)
	signature []byte
}

// TakeApart splits a token in the compact serialization.
func TakeApart(token string) (Signed, error) {
	end := strings.LastIndexByte(token, '.')
	if end < 0 {
		return Signed{}, errSignature
	}
	signature, err := base64.RawURLEncoding.DecodeString(token[end+1:])
	return Signed{[]byte(token[:end]), signature}, err
}

var errSignature = errors.New("subject: the signature is not the issuer's")

// Bare checks the signature, and nothing else, with the standard library and a key at hand: the least that a verifier which
// somebody writes by hand can do. The hash is part of it, and for ES256 the two integers out of the 64 bytes that a JWS has
// (RFC 7518 §3.4): crypto/ecdsa takes no other form of them but ASN.1, which a JWS never is.
func Bare(algorithm string, key crypto.PublicKey, s Signed) error {
	switch algorithm {
	case "ES256":
		if len(s.signature) != 64 {
			return errSignature
		}
		digest := sha256.Sum256(s.input)
		r, t := new(big.Int).SetBytes(s.signature[:32]), new(big.Int).SetBytes(s.signature[32:])
		return valid(ecdsa.Verify(key.(*ecdsa.PublicKey), digest[:], r, t))
	case "EdDSA":
		return valid(ed25519.Verify(key.(ed25519.PublicKey), s.input, s.signature))
	case "RS256":
		digest := sha256.Sum256(s.input)
		return rsa.VerifyPKCS1v15(key.(*rsa.PublicKey), crypto.SHA256, digest[:], s.signature)
	case "PS256":
		digest := sha256.Sum256(s.input)
		return rsa.VerifyPSS(key.(*rsa.PublicKey), crypto.SHA256, digest[:], s.signature,
			&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	}
	return errors.New("subject: unknown algorithm " + algorithm)
}

func valid(ok bool) error {
	if !ok {
		return errSignature
	}
	return nil
}
