package jws

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"math/big"
)

// PrivateMembers are those that make a JWK a private or a symmetric key (RFC
// 7518 §6), of whatever kty.
var PrivateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

// ParseKey reads the public JWK of a sender (RFC 7517 §4) that it sends along
// with its signature: one text for one key (RFC 7518 §2, §6.2.1.2, §6.3.1), no
// member of a private one, whatever its value, and an RSA key of at most 4096
// bits. Members that are no part of the key are not looked at. The error is one
// of ErrKey*, or ErrDuplicate. The key holds nothing of the text.
func ParseKey(jwk []byte) (*Key, error) {
	var memory [16]Member
	members, err := AppendMembers(memory[:0], jwk)
	switch {
	case errors.Is(err, ErrDuplicate):
		return nil, err
	case err != nil:
		return nil, ErrKeyMalformed
	}
	for _, name := range PrivateMembers {
		if _, present := members.Value(name); present {
			return nil, ErrKeyPrivate
		}
	}
	switch kty, _ := members.text("kty"); string(kty) {
	case "EC":
		return parseEC(members)
	case "RSA":
		return parseRSA(members)
	case "OKP":
		return parseOKP(members)
	case "oct":
		return nil, ErrKeySymmetric
	}
	return nil, ErrKeyUnsupported
}

func parseEC(members Members) (*Key, error) {
	crv, _ := members.text("crv")
	curve, known := curves[string(crv)]
	if !known {
		return nil, ErrKeyUnsupported
	}
	// RFC 7518 §6.2.1.2: each as long as the field, zeros in front and all. 4, x,
	// y is the form of SEC 1 §2.3.3.
	size := (curve.Params().BitSize + 7) / 8
	point := make([]byte, 1+2*size)
	point[0] = 4
	if !members.fill(point[1:1+size], "x") || !members.fill(point[1+size:], "y") {
		return nil, ErrKeyMalformed
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil { // not on the curve
		return nil, ErrKeyMalformed
	}
	return newECKey(string(crv), public, point), nil
}

func parseRSA(members Members) (*Key, error) {
	n, e := members.number("n"), members.number("e")
	if n == nil || e == nil {
		return nil, ErrKeyMalformed
	}
	if len(n) > maxRSABitsSent/8 || len(e) > 4 {
		return nil, ErrKeyWeak
	}
	exponent := 0
	for _, b := range e {
		exponent = exponent<<8 | int(b)
	}
	return newRSAKey(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: exponent}, maxRSABitsSent)
}

func parseOKP(members Members) (*Key, error) {
	if crv, _ := members.text("crv"); string(crv) != "Ed25519" {
		return nil, ErrKeyUnsupported
	}
	public := make(ed25519.PublicKey, ed25519.PublicKeySize)
	if !members.fill(public, "x") {
		return nil, ErrKeyMalformed
	}
	return newEdKey(public)
}

// text returns the text of the member of that name, if it is a string.
func (m Members) text(name string) ([]byte, bool) {
	value, _ := m.Value(name)
	return Text(value)
}

// fill fills the bytes with a member's base64url, which must fill them exactly.
func (m Members) fill(into []byte, name string) bool {
	text, _ := m.text(name)
	if len(text) != strictBase64URL.EncodedLen(len(into)) {
		return false
	}
	n, err := strictBase64URL.Decode(into, text)
	return err == nil && n == len(into)
}

// number returns the octets of a member that is a Base64urlUInt (RFC 7518 §2):
// no zero in front. It is nil if the member is none.
func (m Members) number(name string) []byte {
	text, _ := m.text(name)
	if hasLineEnd(text) {
		return nil
	}
	octets, err := strictBase64URL.AppendDecode(nil, text)
	if err != nil || len(octets) == 0 || octets[0] == 0 {
		return nil
	}
	return octets
}
