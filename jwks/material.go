package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"

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
	if err != nil { // also a type or a curve that jwx does not know
		return nil, errKeyUnsupported
	}
	var raw any
	if err := parsed.Raw(&raw); err != nil {
		return nil, errKeyMalformed
	}
	switch public := raw.(type) {
	case *rsa.PublicKey:
		// An exponent of 1 makes every signature good, an even one none; above
		// 31 bits crypto/rsa takes none.
		bits := public.N.BitLen()
		if bits < minRSABits || bits > maxRSABits || public.N.Bit(0) == 0 ||
			public.E < 3 || public.E&1 == 0 || public.E > 1<<31-1 {
			return nil, errKeyWeak
		}
		return public, nil
	case *ecdsa.PublicKey:
		if _, err := public.ECDH(); err != nil { // not a point of its curve
			return nil, errKeyMalformed
		}
		return public, nil
	case ed25519.PublicKey:
		if len(public) != ed25519.PublicKeySize {
			return nil, errKeyMalformed
		}
		return public, nil
	}
	return nil, errKeyUnsupported
}
