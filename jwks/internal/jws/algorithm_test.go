package jws_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/internal/jws"
)

func TestSupportsTheAlgorithmsOfJWKS(t *testing.T) {
	t.Parallel()
	for _, alg := range []jwks.Algorithm{
		jwks.RS256, jwks.RS384, jwks.RS512, jwks.PS256, jwks.PS384, jwks.PS512,
		jwks.ES256, jwks.ES384, jwks.ES512, jwks.EdDSA, jwks.Ed25519,
	} {
		require.True(t, jws.Supports(string(alg)), alg)
	}
	for _, alg := range []string{"", "none", "None", "HS256", "HS384", "HS512", "es256", "ES256K", "Ed448", "RSA1_5", "ES521"} {
		require.False(t, jws.Supports(alg), alg)
	}
}

// An integer of a signature is as long as the curve's order whatever its value (RFC 7518 §3.4): those that begin with zeros,
// and those whose first bit is set, are one of many.
func TestSignaturesOfEveryShape(t *testing.T) {
	t.Parallel()
	encode := base64.RawURLEncoding.EncodeToString
	for alg, curve := range map[string]struct {
		elliptic.Curve
		hash crypto.Hash
	}{"ES256": {elliptic.P256(), crypto.SHA256}, "ES384": {elliptic.P384(), crypto.SHA384}, "ES512": {elliptic.P521(), crypto.SHA512}} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			key, err := ecdsa.GenerateKey(curve.Curve, rand.Reader)
			require.NoError(t, err)
			public, err := key.PublicKey.Bytes()
			require.NoError(t, err)
			size := len(public) / 2
			parsed, err := jws.ParseKey(fmt.Appendf(nil, `{"kty":"EC","crv":%q,"x":%q,"y":%q}`,
				curve.Params().Name, encode(public[1:1+size]), encode(public[1+size:])))
			require.NoError(t, err)
			seen := make(map[string]bool)
			for n := 0; len(seen) < 4; n++ {
				input := encode(fmt.Appendf(nil, `{"alg":%q}`, alg)) + "." + encode(fmt.Append(nil, n))
				hash := curve.hash.New()
				_, _ = hash.Write([]byte(input))
				r, s, err := ecdsa.Sign(rand.Reader, key, hash.Sum(nil))
				require.NoError(t, err)
				signature := make([]byte, 2*size)
				r.FillBytes(signature[:size])
				s.FillBytes(signature[size:])
				for name, first := range map[string]byte{"r": signature[0], "s": signature[size]} {
					switch {
					case first == 0:
						seen[name+" begins with a zero"] = true
					case size == 66 || first >= 0x80: // the first bit of 521 is never that of a byte
						seen[name+" is long"] = true
					}
				}
				require.True(t, jws.Verify(alg, parsed, []byte(input), signature), "%x", signature)

				signature[n%len(signature)] ^= 1 << (n % 8)
				require.False(t, jws.Verify(alg, parsed, []byte(input), signature), "%x", signature)
			}
		})
	}
}

// In DER a length of 128 bytes takes two bytes. R and S of P-521 come to that length on both sides, and just to it, only where
// an integer is some bytes short: the key is made for the signature, by RFC 7518 §3.4 read backwards.
func TestSignaturesOfEveryLength(t *testing.T) {
	t.Parallel()
	curve, encode := elliptic.P521(), base64.RawURLEncoding.EncodeToString
	input := encode([]byte(`{"alg":"ES512"}`)) + "." + encode([]byte(`{}`))
	digest := sha512.Sum512([]byte(input))
	order, e := curve.Params().N, new(big.Int).SetBytes(digest[:])
	for length := 50; length <= 65; length++ {
		nonce, err := ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(t, err)
		point, err := nonce.PublicKey.Bytes()
		require.NoError(t, err)
		k, err := nonce.Bytes()
		require.NoError(t, err)
		r := new(big.Int).SetBytes(point[1:67])
		s := new(big.Int).Lsh(big.NewInt(1), uint(8*length-2)) // so many bytes, without a zero in front
		// s = (e + r d) / k, so that d = (s k - e) / r.
		d := new(big.Int).Mul(s, new(big.Int).SetBytes(k))
		d.Sub(d, e).Mul(d, new(big.Int).ModInverse(r, order)).Mod(d, order)
		key, err := ecdsa.ParseRawPrivateKey(curve, d.FillBytes(make([]byte, 66)))
		require.NoError(t, err)
		public, err := key.PublicKey.Bytes()
		require.NoError(t, err)
		parsed, err := jws.ParseKey(fmt.Appendf(nil, `{"kty":"EC","crv":"P-521","x":%q,"y":%q}`,
			encode(public[1:67]), encode(public[67:])))
		require.NoError(t, err)
		signature := append(r.FillBytes(make([]byte, 66)), s.FillBytes(make([]byte, 66))...)
		require.True(t, jws.Verify("ES512", parsed, []byte(input), signature), "%d bytes of S: %x", length, signature)
	}
}
