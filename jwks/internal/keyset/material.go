package keyset

import (
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"math/big"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/certbound/certbound/jwks/internal/jws"
)

// materialMembers are all that jwx gets to see of a JWK, so that no other
// member, odd or hostile, decides whether the key is read.
var materialMembers = []string{"kty", "crv", "n", "e", "x", "y"}

// readMaterial reads the public key in a JWK (RFC 7518 §6, RFC 8037 §2), which
// package jws then judges. A panic of jwx costs the one key.
func readMaterial(members jws.Members) (public crypto.PublicKey, err error) {
	defer func() {
		if recover() != nil {
			public, err = nil, jws.ErrKeyMalformed
		}
	}()
	material := make(map[string]json.RawMessage, len(materialMembers))
	for _, name := range materialMembers {
		if value, present := members.Value(name); present {
			material[name] = value
		}
	}
	text, err := json.Marshal(material)
	if err != nil {
		return nil, jws.ErrKeyMalformed
	}
	parsed, err := jwk.ParseKey(text)
	if err != nil { // also a type that jwx does not know
		return nil, jws.ErrKeyUnsupported
	}
	var raw any
	if err := parsed.Raw(&raw); err != nil { // a curve that jwx does not know
		return nil, jws.ErrKeyUnsupported
	}
	if key, isRSA := raw.(*rsa.PublicKey); isRSA && isCut(parsed, key) {
		return nil, jws.ErrKeyWeak
	}
	return raw, nil
}

// isCut reports whether the exponent is not the one that was published: above 64
// bits jwx has cut it.
func isCut(parsed jwk.Key, public *rsa.PublicKey) bool {
	published, ok := parsed.(jwk.RSAPublicKey)
	return !ok || new(big.Int).SetBytes(published.E()).Cmp(big.NewInt(int64(public.E))) != 0
}
