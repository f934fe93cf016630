package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// RSA moduli in bits. RFC 7518 §3.3 sets the least; the most bounds what one
// signature costs.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// materialMembers are all that jwx gets to see of a JWK, so that no other
// member, odd or hostile, decides whether the key is read.
var materialMembers = []string{"kty", "crv", "n", "e", "x", "y"}

// readMaterial reads the public key in a JWK (RFC 7518 §6, RFC 8037 §2). This
// is all that jwx does here, and this file the only one that imports it. A
// panic in it costs the one key.
func readMaterial(parameters map[string]json.RawMessage) (public crypto.PublicKey, err error) {
	defer func() {
		if recover() != nil {
			public, err = nil, errKeyMalformed
		}
	}()
	material := make(map[string]json.RawMessage, len(materialMembers))
	for _, name := range materialMembers {
		if value, present := parameters[name]; present {
			material[name] = value
		}
	}
	text, err := json.Marshal(material)
	if err != nil {
		return nil, errKeyMalformed
	}
	parsed, err := jwk.ParseKey(text)
	if err != nil { // also a type that jwx does not know
		return nil, errKeyUnsupported
	}
	var raw any
	if err := parsed.Raw(&raw); err != nil { // a curve that jwx does not know
		return nil, errKeyUnsupported
	}
	switch public := raw.(type) {
	case *rsa.PublicKey:
		// An exponent of 1 makes every signature good, an even one none; above
		// 31 bits crypto/rsa takes none, and above 64 jwx has cut it.
		bits := public.N.BitLen()
		if isCut(parsed, public) || bits < minRSABits || bits > maxRSABits || public.N.Bit(0) == 0 ||
			public.E < 3 || public.E&1 == 0 || public.E > 1<<31-1 || isROCA(public.N) {
			return nil, errKeyWeak
		}
		return public, nil
	case *ecdsa.PublicKey:
		if _, err := public.ECDH(); err != nil { // not a point of its curve
			return nil, errKeyMalformed
		}
		return public, nil
	case ed25519.PublicKey:
		switch {
		case len(public) != ed25519.PublicKeySize:
			return nil, errKeyMalformed
		case isSmallOrder(public):
			return nil, errKeyWeak
		}
		return public, nil
	}
	return nil, errKeyUnsupported
}

// isCut reports whether the exponent is not the one that was published.
func isCut(parsed jwk.Key, public *rsa.PublicKey) bool {
	published, ok := parsed.(jwk.RSAPublicKey)
	return !ok || new(big.Int).SetBytes(published.E()).Cmp(big.NewInt(int64(public.E))) != 0
}

// smallOrder are the y of the points whose order divides 8, reduced or not, in
// RFC 8032's encoding without the sign of x. With such a key anybody can sign:
// crypto/ed25519 accepts R = 1, S = 0 for one message in eight or more.
var smallOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000", // order 4
	"0100000000000000000000000000000000000000000000000000000000000000", // the identity
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // order 8
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 2
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 4, not reduced
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // the identity, not reduced
}

func isSmallOrder(key ed25519.PublicKey) bool {
	y := slices.Clone(key)
	y[len(y)-1] &= 0x7f
	return slices.Contains(smallOrder, hex.EncodeToString(y))
}
