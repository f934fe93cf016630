package jwks_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// Rows 83 to 86 and section D of attacks.md: values of signatures. Each token is
// good but for its signature, which is made by the right key as far as it can.

// A signing is a key of the issuer's, and the text that its tokens sign.
type signing struct {
	signer
	v     *jwks.Verifier
	input string
}

func newSigning(t *testing.T, alg jwks.Algorithm) signing {
	t.Helper()
	i := newIssuer(t, bindingtest.Config{})
	s := signerOf(alg)
	i.publish(s.key().with("kid", `"key"`).published())
	signing := signing{s, i.verifier(t), b64([]byte(s.header("key").String())) + "." + b64([]byte(i.claims().String()))}
	signing.accepts(t, s.signature(alg, signing.input))
	return signing
}

func (s signing) accepts(t *testing.T, signature []byte) {
	t.Helper()
	requireAccepted(t, s.v, s.input+"."+b64(signature))
}

func (s signing) refuses(t *testing.T, signature []byte) {
	t.Helper()
	requireRefused(t, s.v, s.input+"."+b64(signature), binding.ReasonTokenSignature)
}

func TestECDSAValues(t *testing.T) {
	t.Parallel()
	for _, alg := range []jwks.Algorithm{jwks.ES256, jwks.ES384, jwks.ES512} {
		s := newSigning(t, alg)
		private := s.private.(*ecdsa.PrivateKey)
		curve := private.Curve
		n, one := curve.Params().N, big.NewInt(1)
		good := s.signature(alg, s.input)
		half := len(good) / 2
		r, v := new(big.Int).SetBytes(good[:half]), new(big.Int).SetBytes(good[half:])
		t.Run("D/115 high S and low S: "+string(alg), func(t *testing.T) {
			t.Parallel()
			s.accepts(t, rs(curve, r, new(big.Int).Sub(n, v)))
			s.accepts(t, rs(curve, r, v))
		})
		odd := map[string]*big.Int{
			"0": new(big.Int), "1": one, "n-1": new(big.Int).Sub(n, one), "n": n, "n+1": new(big.Int).Add(n, one),
			"p": curve.Params().P, "all ones": new(big.Int).Sub(new(big.Int).Lsh(one, uint(8*half)), one),
		}
		for left, a := range odd {
			for right, b := range odd {
				t.Run(fmt.Sprintf("D/112 D/113 r=%s, s=%s: %s", left, right, alg), func(t *testing.T) {
					t.Parallel()
					s.refuses(t, rs(curve, a, b))
				})
			}
			t.Run(fmt.Sprintf("D/113 r good, s=%s: %s", left, alg), func(t *testing.T) {
				t.Parallel()
				s.refuses(t, rs(curve, r, a))
				s.refuses(t, rs(curve, a, v))
			})
		}
		for name, signature := range map[string][]byte{
			"D/114 DER":                         must(asn1.Marshal(struct{ R, S *big.Int }{r, v})),
			"D/114 DER of ecdsa":                must(ecdsa.SignASN1(rand.Reader, private, digest(alg, s.input))),
			"B/56 r and s exchanged":            rs(curve, v, r),
			"B/56 no leading zeros":             append(r.Bytes(), v.Bytes()[1:]...),
			"B/56 a leading zero more":          append([]byte{0}, good...),
			"B/56 both with one more":           padEach(good, half+1),
			"B/56 a zero in front of s":         slices.Concat(good[:half], []byte{0}, good[half:]),
			"B/56 a byte less":                  good[:len(good)-1],
			"B/56 r alone":                      good[:half],
			"another hash":                      otherHash(s, curve.Params().BitSize),
			"of the payload alone":              s.signature(alg, s.input[len(s.input)/2:]),
			"of the text and a line end":        s.signature(alg, s.input+"\n"),
			"s of another good signature":       rs(curve, r, new(big.Int).SetBytes(s.signature(alg, s.input)[half:])),
			"D/113 r plus n, as far as it fits": append(new(big.Int).Mod(new(big.Int).Add(r, n), new(big.Int).Lsh(one, uint(8*half))).FillBytes(make([]byte, half)), good[half:]...),
		} {
			t.Run(name+": "+string(alg), func(t *testing.T) {
				t.Parallel()
				s.refuses(t, signature)
			})
		}
	}
}

func digest(alg jwks.Algorithm, input string) []byte {
	_, digest := digestFor(alg, input)
	return digest
}

// otherHash signs with the hash of another algorithm.
func otherHash(s signing, bits int) []byte {
	other := jwks.ES256
	if bits == 256 {
		other = jwks.ES384
	}
	return s.signature(other, s.input)
}

func TestEd25519Values(t *testing.T) {
	t.Parallel()
	s := newSigning(t, jwks.Ed25519)
	good := s.signature(jwks.Ed25519, s.input)
	s.accepts(t, good)
	// RFC 8032 §5.1.7: S is below the order L, or another S says the same.
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	unreduced := func(times int64) []byte {
		le := slices.Clone(good[32:])
		slices.Reverse(le)
		sum := new(big.Int).Add(new(big.Int).SetBytes(le), new(big.Int).Mul(order, big.NewInt(times)))
		bytes := sum.FillBytes(make([]byte, 33))[1:]
		slices.Reverse(bytes)
		return append(slices.Clone(good[:32]), bytes...)
	}
	identity := make([]byte, 64)
	identity[0] = 1
	for name, signature := range map[string][]byte{
		"C/86 S plus L":                unreduced(1),
		"C/86 S plus 7 L":              unreduced(7),
		"C/86 all zero":                make([]byte, 64),
		"C/86 all ones":                bytes.Repeat([]byte{0xff}, 64),
		"C/86 R the identity, S zero":  identity,
		"C/86 R the key":               append(slices.Clone(edKey().Public().(ed25519.PublicKey)), good[32:]...),
		"C/86 S zero":                  append(slices.Clone(good[:32]), make([]byte, 32)...),
		"C/86 sign of R changed":       append(append(slices.Clone(good[:31]), good[31]^0x80), good[32:]...),
		"C/86 63 bytes":                good[:63],
		"C/86 65 bytes":                append(slices.Clone(good), 0),
		"C/86 64 more":                 append(slices.Clone(good), good...),
		"C/86 one byte":                {0},
		"C/86 R alone":                 good[:32],
		"C/86 Ed25519ph":               must(edKey().Sign(nil, digest("XX512", s.input), crypto.SHA512)),
		"C/86 Ed25519ctx":              must(edKey().Sign(nil, []byte(s.input), &ed25519.Options{Context: "jwt"})),
		"C/86 of the digest, not text": ed25519.Sign(edKey().(ed25519.PrivateKey), digest("XX512", s.input)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.refuses(t, signature)
		})
	}
}

func rawKey() rawRSA {
	private := rsaKey().(*rsa.PrivateKey)
	return rawRSA{private.N, big.NewInt(int64(private.E)), private.D}
}

// values are the numbers that no signature is.
func values(n *big.Int) map[string][]byte {
	of := func(v *big.Int) []byte { return v.FillBytes(make([]byte, 256)) }
	return map[string][]byte{
		"0":   of(new(big.Int)),
		"1":   of(big.NewInt(1)),
		"n-1": of(new(big.Int).Sub(n, big.NewInt(1))),
		"n":   of(n),
		"all": bytes.Repeat([]byte{0xff}, 256),
	}
}

func TestPKCS1Values(t *testing.T) {
	t.Parallel()
	s := newSigning(t, jwks.RS256)
	key := rawKey()
	encoded := pkcs1(s.input, 256)
	good := key.power(encoded)
	s.accepts(t, good)
	requireEach(t, encoded, func(t *testing.T, changed []byte) { s.refuses(t, key.power(changed)) })
	info := encoded[256-51:]
	shorter := func(padding int, rest ...[]byte) []byte {
		e := append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, padding)...)
		e = append(e, bytes.Join(rest, nil)...)
		return append(e, bytes.Repeat([]byte{0xaa}, 256-len(e))...)
	}
	noNull := append([]byte{0x30, 0x2f, 0x30, 0x0b}, slices.Concat(info[4:15], info[17:])...)
	for name, signature := range map[string][]byte{
		"C/83 rubbish behind the digest":    key.power(shorter(8, []byte{0}, info)),
		"C/83 rubbish, padding of no bytes": key.power(shorter(0, []byte{0}, info)),
		"C/83 the digest without its info":  key.power(append(append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, 256-35)...), append([]byte{0}, info[19:]...)...)),
		"C/83 without the NULL":             key.power(append(append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, 256-3-len(noNull))...), append([]byte{0}, noNull...)...)),
		"C/83 block type 2":                 key.power(append([]byte{0, 2}, encoded[2:]...)),
		"C/85 the EM itself":                encoded,
		"C/85 cut at the front":             good[1:],
		"C/85 cut at the end":               good[:255],
		"C/85 a zero in front":              append([]byte{0}, good...),
		"C/85 a zero behind":                append(slices.Clone(good), 0),
		"C/85 plus n":                       new(big.Int).Add(new(big.Int).SetBytes(good), key.n).FillBytes(make([]byte, 257)),
		"C/76 a PSS signature":              s.signature(jwks.PS256, s.input),
		"another hash":                      s.signature(jwks.RS512, s.input),
		"another key":                       signer{jwks.RS256, otherRSAKey()}.signature(jwks.RS256, s.input),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.refuses(t, signature)
		})
	}
	for name, signature := range values(key.n) {
		t.Run("C/85 the signature is "+name, func(t *testing.T) {
			t.Parallel()
			s.refuses(t, signature)
		})
	}
}

// requireEach changes every fifth byte of an encoded message, and each of those
// near its ends.
func requireEach(t *testing.T, encoded []byte, refuses func(*testing.T, []byte)) {
	t.Helper()
	t.Run("C/83 C/85 one byte of the encoded message", func(t *testing.T) {
		t.Parallel()
		for at := range encoded {
			if at < 12 || at%5 == 0 || at > 256-60 && at%2 == 0 || at > 252 {
				changed := slices.Clone(encoded)
				changed[at] ^= 0x04
				refuses(t, changed)
			}
		}
	})
}

func TestPSSValues(t *testing.T) {
	t.Parallel()
	for alg, hash := range map[jwks.Algorithm]crypto.Hash{
		jwks.PS256: crypto.SHA256, jwks.PS384: crypto.SHA384, jwks.PS512: crypto.SHA512,
	} {
		s := newSigning(t, alg)
		key := rawKey()
		private := rsaKey().(*rsa.PrivateKey)
		salted := func(length int) []byte {
			return must(rsa.SignPSS(rand.Reader, private, hash, digest(alg, s.input), &rsa.PSSOptions{SaltLength: length}))
		}
		good := salted(hash.Size())
		s.accepts(t, good)
		encoded := new(big.Int).Exp(new(big.Int).SetBytes(good), key.e, key.n).FillBytes(make([]byte, 256))
		require.Equal(t, byte(0xbc), encoded[255])
		if alg == jwks.PS256 {
			requireEach(t, encoded, func(t *testing.T, changed []byte) { s.refuses(t, key.power(changed)) })
		}
		rows := map[string][]byte{
			"C/84 a salt of 1":        salted(1),
			"C/84 a salt of 20":       salted(20),
			"C/84 a salt one shorter": salted(hash.Size() - 1),
			"C/84 a salt one longer":  salted(hash.Size() + 1),
			"C/84 the longest salt":   salted(256 - 2 - hash.Size()),
			"C/85 trailer 0xcc":       key.power(append(slices.Clone(encoded[:255]), 0xcc)),
			"C/85 cut":                good[:255],
			"C/85 a zero in front":    append([]byte{0}, good...),
			"C/76 a PKCS#1 signature": s.signature("RS"+alg[2:], s.input),
			"the hash of the digest":  must(rsa.SignPSS(rand.Reader, private, hash, digest(alg, string(digest(alg, s.input))), &rsa.PSSOptions{SaltLength: hash.Size()})),
		}
		for other, otherHash := range map[jwks.Algorithm]crypto.Hash{"PS256": crypto.SHA256, "PS384": crypto.SHA384, "PS512": crypto.SHA512} {
			if other != alg { // its salt as long as this algorithm's hash
				rows["C/85 hashed as in "+string(other)] = must(rsa.SignPSS(rand.Reader, private, otherHash, digest(other, s.input), &rsa.PSSOptions{SaltLength: hash.Size()}))
			}
		}
		rows["C/84 no salt"] = saltless(t, key, hash, digest(alg, s.input))
		for name, value := range values(key.n) {
			rows["C/85 the signature is "+name] = value
		}
		for name, signature := range rows {
			t.Run(name+": "+string(alg), func(t *testing.T) {
				t.Parallel()
				s.refuses(t, signature)
			})
		}
	}
}

// saltless is EMSA-PSS with an empty salt (RFC 8017 §9.1.1), which crypto/rsa
// cannot be asked for: 0 means something else to it.
func saltless(t *testing.T, key rawRSA, hash crypto.Hash, digest []byte) []byte {
	t.Helper()
	h := hash.New()
	h.Write(make([]byte, 8))
	h.Write(digest)
	seed := h.Sum(nil)
	encoded := make([]byte, 256-hash.Size()-1)
	encoded[len(encoded)-1] = 1
	var mask []byte
	for counter := byte(0); len(mask) < len(encoded); counter++ {
		h := hash.New()
		h.Write(append(slices.Clone(seed), 0, 0, 0, counter))
		mask = h.Sum(mask)
	}
	for at := range encoded {
		encoded[at] ^= mask[at]
	}
	encoded[0] &= 0x7f
	signature := key.power(slices.Concat(encoded, seed, []byte{0xbc}))
	public := rsaKey().Public().(*rsa.PublicKey)
	require.NoError(t, rsa.VerifyPSS(public, hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}), "good but for its salt")
	return signature
}
