package jwks_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// Rows 238 to 243 of attacks.md, and 79 to 82: keys that are never used, beside
// good ones that work all the same.

// An oddKey is published, and signs as well as it can.
type oddKey struct {
	key raw
	signer
}

func (k oddKey) token(id, claims string) string { return k.sign(k.header(id).String(), claims) }

func es256(change func(raw) raw) oddKey {
	s := signerOf(jwks.ES256)
	return oddKey{change(s.key()), s}
}

func with(name, text string) func(raw) raw {
	return func(key raw) raw { return key.with(name, text) }
}

func TestKeysThatAreNeverUsed(t *testing.T) {
	t.Parallel()
	ed := signerOf(jwks.EdDSA)
	p384 := signerOf(jwks.ES384)
	rsaOf := signerOf(jwks.RS256)
	private := p256Key().(*ecdsa.PrivateKey)
	d := quote(b64(must(private.Bytes())))
	rows := map[string]oddKey{
		"I/238 kty AKP (ML-DSA)":         es256(func(raw) raw { return raw{"kty": `"AKP"`, "alg": `"ML-DSA-44"`, "pub": `"AAAA"`} }),
		"I/238 kty unknown":              es256(with("kty", `"XX"`)),
		"I/238 kty of another case":      es256(with("kty", `"ec"`)),
		"I/238 kty missing":              es256(with("kty", "")),
		"I/238 kty a number":             es256(with("kty", "1")),
		"I/238 kty empty":                es256(with("kty", `""`)),
		"I/238 crv unknown":              es256(with("crv", `"P-999"`)),
		"I/238 crv missing":              es256(with("crv", "")),
		"I/238 crv secp256k1":            es256(with("crv", `"secp256k1"`)),
		"I/238 crv of another case":      es256(with("crv", `"p-256"`)),
		"I/238 crv Ed448":                {ed.key().with("crv", `"Ed448"`), ed},
		"I/238 crv X25519":               {ed.key().with("crv", `"X25519"`), ed},
		"I/238 alg ES256K":               es256(with("alg", `"ES256K"`)),
		"I/238 alg none":                 es256(with("alg", `"none"`)),
		"I/238 alg HS256":                es256(with("alg", `"HS256"`)),
		"I/238 alg of another key type":  es256(with("alg", `"RS256"`)),
		"I/238 alg of another curve":     es256(with("alg", `"ES384"`)),
		"I/238 OKP, alg of another type": {ed.key().with("alg", `"ES256"`), ed},
		"I/238 OKP, alg Ed448":           {ed.key().with("alg", `"Ed448"`), ed},
		"I/238 RSA, alg EdDSA":           {rsaOf.key().with("alg", `"EdDSA"`), rsaOf},
		"I/238 alg for encryption":       {rsaOf.key().with("alg", `"RSA-OAEP-256"`), rsaOf},
		"I/239 alg a number":             es256(with("alg", "1")),
		"I/239 alg empty":                es256(with("alg", `""`)),
		"I/239 x missing":                es256(with("x", "")),
		"I/239 x no base64":              es256(with("x", `"?"`)),
		"I/239 x a number":               es256(with("x", "1")),
		"I/239 y cut":                    es256(func(k raw) raw { return k.with("y", k["y"][:20]+`"`) }),
		"I/239 y of another point":       es256(func(k raw) raw { return k.with("y", k["x"]) }),
		"I/239 y zero, off the curve":    es256(with("y", quote(b64(make([]byte, 32))))),
		"I/239 the point at infinity": es256(func(k raw) raw {
			return k.with("x", quote(b64(make([]byte, 32)))).with("y", quote(b64(make([]byte, 32))))
		}),
		"I/239 x beyond the field":     es256(func(k raw) raw { return k.with("x", quote(b64(beyondTheField(k["x"])))) }),
		"I/239 a point of P-384":       {p384.key().with("crv", `"P-256"`), p384},
		"I/239 OKP of 31 bytes":        {ed.key().with("x", quote(b64(make([]byte, 31)))), ed},
		"I/239 OKP of 33 bytes":        {ed.key().with("x", quote(b64(append([]byte(ed.private.Public().(ed25519.PublicKey)), 0)))), ed},
		"I/239 OKP empty":              {ed.key().with("x", `""`), ed},
		"I/239 RSA without n":          {rsaOf.key().with("n", ""), rsaOf},
		"I/239 RSA without e":          {rsaOf.key().with("e", ""), rsaOf},
		"I/239 RSA, e empty":           {rsaOf.key().with("e", `""`), rsaOf},
		"I/239 RSA, n a number":        {rsaOf.key().with("n", "1"), rsaOf},
		"I/240 EC with d":              es256(with("d", d)),
		"I/240 EC with d empty":        es256(with("d", `""`)),
		"I/240 OKP with d":             {ed.key().with("d", quote(b64(ed.private.(ed25519.PrivateKey).Seed()))), ed},
		"I/240 RSA with p":             {rsaOf.key().with("p", `"AQ"`), rsaOf},
		"I/240 RSA with q":             {rsaOf.key().with("q", `"AQ"`), rsaOf},
		"I/240 RSA with dp":            {rsaOf.key().with("dp", `"AQ"`), rsaOf},
		"I/240 RSA with dq":            {rsaOf.key().with("dq", `"AQ"`), rsaOf},
		"I/240 RSA with qi":            {rsaOf.key().with("qi", `"AQ"`), rsaOf},
		"I/240 RSA with oth":           {rsaOf.key().with("oth", `[{"r":"AQ"}]`), rsaOf},
		"M/389 d a number":             es256(with("d", "1")),
		"M/389 d false":                es256(with("d", "false")),
		"M/389 d an empty list":        es256(with("d", "[]")),
		"M/389 d an object":            es256(with("d", "{}")),
		"M/389 oth an object":          {rsaOf.key().with("oth", `{}`), rsaOf},
		"M/389 oth a list of null":     {rsaOf.key().with("oth", `[null]`), rsaOf},
		"M/389 use an empty list":      es256(with("use", `[]`)),
		"I/240 AKP with priv":          es256(with("priv", `"AQ"`)),
		"I/241 kty oct":                es256(func(raw) raw { return raw{"kty": `"oct"`, "k": `"AAAA"`} }),
		"I/241 EC with k":              es256(with("k", `"AAAA"`)),
		"I/242 use enc":                es256(with("use", `"enc"`)),
		"I/242 use of another case":    es256(with("use", `"SIG"`)),
		"I/242 use empty":              es256(with("use", `""`)),
		"I/242 use an array":           es256(with("use", `["sig"]`)),
		"I/242 key_ops without verify": es256(with("key_ops", `["sign"]`)),
		"I/242 key_ops a string":       es256(with("key_ops", `"verify"`)),
		"I/242 key_ops, another case":  es256(with("key_ops", `["Verify"]`)),
		"I/242 key_ops, sig though":    es256(func(k raw) raw { return k.with("use", `"sig"`).with("key_ops", `["encrypt"]`) }),
		"C/79 RSA of 1024 bits":        rsaOfSize(1024),
		"C/79 RSA of 2047 bits":        rsaOfSize(2047),
		"C/81 RSA of 8193 bits":        rsaOfSize(8193),
		"C/80 RSA, e 1":                rsaWithExponent(big.NewInt(1)),
		"C/80 RSA, e 0":                rsaWithExponent(big.NewInt(0)),
		"C/80 RSA, e 2":                rsaWithExponent(big.NewInt(2)),
		"C/80 RSA, e even":             rsaWithExponent(big.NewInt(65536)),
		"C/80 RSA, e of 32 bits":       rsaWithExponent(big.NewInt(1<<31 + 1)),
		"C/80 RSA, e of 64 bits":       rsaWithExponent(new(big.Int).SetUint64(1<<63 + 1)),
		// In 64 bits these are 65537 and 3.
		"C/80 RSA, e 2^64 + 65537": rsaWithExponent(new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 64), big.NewInt(65537))),
		"C/80 RSA, e 2^128 + 3":    rsaWithExponent(new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(3))),
		"C/80 RSA, n even":         rsaEven(),
	}
	for name, encoded := range map[string]string{ // RFC 8032: points whose order divides 8
		"the identity":               "0100000000000000000000000000000000000000000000000000000000000000",
		"the identity, sign set":     "0100000000000000000000000000000000000000000000000000000000000080",
		"order 2":                    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"order 4":                    "0000000000000000000000000000000000000000000000000000000000000000",
		"order 4, sign set":          "0000000000000000000000000000000000000000000000000000000000000080",
		"order 4, not reduced":       "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"the identity, not reduced":  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"order 8":                    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"order 8, sign set":          "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"another of order 8":         "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"another of order 8, signed": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	} {
		point := must(hex.DecodeString(encoded))
		rows["C/86 OKP of small order: "+name] = oddKey{
			raw{"kty": `"OKP"`, "crv": `"Ed25519"`, "x": quote(b64(point))}, signer{jwks.EdDSA, smallOrder(point)},
		}
	}
	i := newIssuer(t, bindingtest.Config{})
	set := []json.RawMessage{json.RawMessage(`{}`), json.RawMessage(`1`), json.RawMessage(`null`), json.RawMessage(`"key"`), json.RawMessage(`[]`)}
	for name, odd := range rows {
		set = append(set, odd.key.with("kid", quote(name)).published())
	}
	good := signerOf(jwks.ES256)
	set = append(set, good.key().with("kid", `"good"`).published())
	i.publish(set...)
	v := i.verifier(t)
	claims := i.claims().String()
	requireAccepted(t, v, good.sign(good.header("good").String(), claims))
	requireAccepted(t, v, good.sign(good.header("").String(), claims))
	for name, odd := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, v, odd.token(name, claims), binding.ReasonTokenKeyUnknown)
		})
	}
}

func TestKeysThatAreUsed(t *testing.T) {
	t.Parallel()
	ed, rsaOf := signerOf(jwks.EdDSA), signerOf(jwks.RS256)
	rows := map[string]oddKey{
		"kty and nothing but the point": es256(func(k raw) raw { return k }),
		"I/242 use sig":                 es256(with("use", `"sig"`)),
		"I/242 key_ops verify":          es256(with("key_ops", `["sign","verify"]`)),
		"I/242 use and key_ops":         es256(func(k raw) raw { return k.with("use", `"sig"`).with("key_ops", `["verify"]`) }),
		"M/388 d null":                  es256(with("d", "null")),
		"M/388 k null":                  es256(with("k", "null")),
		"M/388 oth null":                {rsaOf.key().with("oth", "null"), rsaOf},
		"M/388 oth an empty list":       {rsaOf.key().with("oth", "[ ]"), rsaOf},
		"M/388 all private ones null":   {rsaOf.key().with("d", "null").with("p", "null").with("q", "null").with("dp", "null").with("dq", "null").with("qi", "null"), rsaOf},
		"M/388 use null":                es256(with("use", "null")),
		"M/388 alg null":                es256(with("alg", "null")),
		"M/388 key_ops null":            es256(with("key_ops", "null")),
		"M/388 key_ops an empty list":   es256(with("key_ops", "[]")),
		"M/388 x5c an empty list":       es256(with("x5c", "[]")),
		"M/388 x5c, x5t, x5u null":      es256(func(k raw) raw { return k.with("x5c", "null").with("x5t", "null").with("x5u", "null") }),
		"C/91 x5c that is no base64":    es256(with("x5c", `["?"]`)),
		"x5t that is a number":          es256(with("x5t", `1`)),
		"an unknown member":             es256(with("odd", `{"a":[]}`)),
		"exp and nbf, which some send":  es256(func(k raw) raw { return k.with("exp", "1").with("nbf", `"x"`) }),
		"D in capitals is not d":        es256(with("D", `"AAAA"`)),
		"C/79 RSA of 2048 bits":         rsaOfSize(2048),
		"C/81 RSA of 8192 bits":         rsaOfSize(8192),
		"C/80 RSA, e 3":                 rsaWithExponent(big.NewInt(3)),
		"C/80 RSA, e of 31 bits":        rsaWithExponent(big.NewInt(1<<31 - 1)),
		"RSA, n with leading zeros":     {rsaOf.key().with("n", quote(b64(append([]byte{0}, rsaOf.private.Public().(*rsa.PublicKey).N.Bytes()...)))), rsaOf},
		"RSA, e with leading zeros":     {rsaOf.key().with("e", `"AAAAAAAAAAAAAQAB"`), rsaOf},
		"OKP":                           {ed.key(), ed},
	}
	i := newIssuer(t, bindingtest.Config{})
	var set []json.RawMessage
	for name, odd := range rows {
		set = append(set, odd.key.with("kid", quote(name)).published())
	}
	i.publish(set...)
	v := i.verifier(t)
	for name, odd := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireAccepted(t, v, odd.token(name, i.claims().String()))
			requireRefused(t, v, flip(odd.token(name, i.claims().String()), 2, -1), binding.ReasonTokenSignature)
		})
	}
}

func beyondTheField(x string) []byte {
	p := p256Key().Public().(*ecdsa.PublicKey).Curve.Params().P
	return new(big.Int).Add(new(big.Int).SetBytes(unb64(x[1:len(x)-1])), p).Bytes()
}

// A rawRSA signs RS256 with any modulus and any exponents.
type rawRSA struct{ n, e, d *big.Int }

func (k rawRSA) key() raw {
	return raw{"kty": `"RSA"`, "n": quote(b64(k.n.Bytes())), "e": quote(b64(k.e.Bytes()))}
}

// power signs an encoded message, whatever it is.
func (k rawRSA) power(encoded []byte) []byte {
	return new(big.Int).Exp(new(big.Int).SetBytes(encoded), k.d, k.n).FillBytes(make([]byte, (k.n.BitLen()+7)/8))
}

// pkcs1 is EMSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §9.2).
func pkcs1(input string, size int) []byte {
	digest := sha256.Sum256([]byte(input))
	info := append(must(hex.DecodeString("3031300d060960864801650304020105000420")), digest[:]...)
	encoded := make([]byte, size)
	encoded[1] = 1
	for at := 2; at < size-len(info)-1; at++ {
		encoded[at] = 0xff
	}
	copy(encoded[size-len(info):], info)
	return encoded
}

func (k rawRSA) odd() oddKey { return oddKey{k.key(), signer{jwks.RS256, k}} }

func (k rawRSA) Public() crypto.PublicKey { return nil }

// Sign signs the input itself: signature hands it over as it is.
func (k rawRSA) Sign(_ io.Reader, input []byte, _ crypto.SignerOpts) ([]byte, error) {
	return k.power(pkcs1(string(input), (k.n.BitLen()+7)/8)), nil
}

// rsaOfSize makes a modulus of many small primes, which takes less time and
// verifies like any other.
func rsaOfSize(bits int) oddKey { return newRawRSA(bits, big.NewInt(65537)).odd() }

// rsaWithExponent publishes an exponent and signs so that it fits, as far as it
// can be read in 64 bits and has an inverse.
func rsaWithExponent(e *big.Int) oddKey {
	read := new(big.Int).SetUint64(e.Uint64())
	if read.Bit(0) == 0 || read.BitLen() == 1<<6 {
		read = big.NewInt(65537)
	}
	key := newRawRSA(2048, read)
	key.e = e
	return key.odd()
}

func newRawRSA(bits int, e *big.Int) rawRSA {
	n, phi := big.NewInt(1), big.NewInt(1)
	for odd := 0; n.BitLen() < bits; odd ^= 1 {
		left := bits - n.BitLen()
		size, last := 256, left < 512
		if last {
			size = left + odd // one of the two lengths gives the exact product
		}
		p := must(rand.Prime(rand.Reader, size))
		less, product := new(big.Int).Sub(p, big.NewInt(1)), new(big.Int).Mul(n, p)
		if last && product.BitLen() != bits || new(big.Int).GCD(nil, nil, less, e).BitLen() != 1 {
			continue
		}
		n, phi = product, phi.Mul(phi, less)
	}
	return rawRSA{n, e, new(big.Int).ModInverse(e, phi)}
}

// rsaEven signs with 1 as its own inverse, for what it is worth.
func rsaEven() oddKey {
	n := new(big.Int).Sub(rsaKey().(*rsa.PrivateKey).N, big.NewInt(1))
	return rawRSA{n, big.NewInt(65537), big.NewInt(1)}.odd()
}

// smallOrder is a public Ed25519 key for which anybody can sign: R is made of
// the key itself, S is zero, and one input in eight or so is accepted.
type smallOrder []byte

func (k smallOrder) Public() crypto.PublicKey { return ed25519.PublicKey(k) }

func (k smallOrder) Sign(_ io.Reader, _ []byte, _ crypto.SignerOpts) ([]byte, error) {
	signature := make([]byte, ed25519.SignatureSize)
	signature[0] = 1
	return signature, nil
}

func TestSmallOrderKeysAreForgeable(t *testing.T) {
	t.Parallel()
	identity := make(smallOrder, ed25519.PublicKeySize)
	identity[0] = 1
	signature, err := identity.Sign(nil, nil, crypto.Hash(0))
	require.NoError(t, err)
	require.True(t, ed25519.Verify(ed25519.PublicKey(identity), []byte("whatever"), signature), "which is why they are refused")
}
