package jwks_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// benchmarked are the algorithms whose speed is looked at.
var benchmarked = []jwks.Algorithm{jwks.ES256, jwks.EdDSA, jwks.RS256, jwks.PS256}

// BenchmarkVerify compares, for each algorithm, the bare signature check of the
// standard library with the first and every later verification of a token.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range benchmarked {
		as, token := benchmarkToken(b, alg)
		key := signerOf(alg).private.Public()
		first := as.verifier(b, func(c *jwks.Config) { c.SeenTokens = -1 })
		seen := as.verifier(b)
		for _, v := range []*jwks.Verifier{first, seen} {
			requireAccepted(b, v, token)
		}
		b.Run(string(alg)+"/bare", func(b *testing.B) {
			b.ReportAllocs()
			input, signature := signedPart(token)
			for b.Loop() {
				if !bare(key, alg, input, signature) {
					b.Fatal("refused")
				}
			}
		})
		for _, one := range []struct {
			name string
			v    *jwks.Verifier
		}{{"first", first}, {"seen", seen}} {
			b.Run(string(alg)+"/"+one.name, func(b *testing.B) {
				b.ReportAllocs()
				ctx := b.Context()
				for b.Loop() {
					if _, err := one.v.VerifyToken(ctx, token); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRefused is what tokens cost that are refused before their signature
// is checked, and by it.
func BenchmarkRefused(b *testing.B) {
	as, token := benchmarkToken(b, jwks.ES256)
	v := as.verifier(b)
	requireAccepted(b, v, token)
	forged := token[:len(token)-43] + strings.Repeat("A", 43)
	for _, one := range []struct{ name, token string }{
		{"garbage", strings.Repeat("garbage", 90)},
		{"not-json", strings.Repeat("A", 60) + "." + strings.Repeat("A", 500) + "." + strings.Repeat("A", 86)},
		{"expired", signerOf(jwks.ES256).sign(signerOf(jwks.ES256).header("k").String(), as.claims().with("exp", "1700000000").String())},
		{"forged", forged},
	} {
		b.Run(one.name, func(b *testing.B) {
			b.ReportAllocs()
			ctx := b.Context()
			for b.Loop() {
				if _, err := v.VerifyToken(ctx, one.token); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

// BenchmarkKeys is the first verification with that many keys in the set.
func BenchmarkKeys(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		as := newIssuer(b, bindingtest.Config{})
		s := signerOf(jwks.ES256)
		keys := []json.RawMessage{s.key().with("kid", `"k"`).published()}
		for i := 1; i < n; i++ {
			keys = append(keys, keyOf(newEC().Public()).with("kid", quote(fmt.Sprint("other-", i))).published())
		}
		as.publish(keys...)
		v := as.verifier(b, func(c *jwks.Config) { c.SeenTokens = -1 })
		token := s.sign(s.header("k").String(), as.claims().String())
		requireAccepted(b, v, token)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.VerifyToken(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// benchmarkToken is a token of RFC 9068 of about 600 bytes, bound to a certificate.
func benchmarkToken(tb testing.TB, alg jwks.Algorithm) (issuer, string) {
	tb.Helper()
	as := newIssuer(tb, bindingtest.Config{})
	s := signerOf(alg)
	as.publish(s.key().with("kid", `"2026-11-key-1"`).published())
	certificate, err := as.NewClientCertificate("client-1")
	require.NoError(tb, err)
	claims := as.claims().
		with("sub", `"5ba552d67a7a4ad0"`).with("client_id", `"accounts-app"`).
		with("scope", `"accounts payments openid"`).with("jti", `"7ad2a1f0c0a64dd8"`).
		with("cnf", `{"x5t#S256":"`+bindingtest.Thumbprint(certificate.Leaf)+`"}`)
	return as, s.sign(s.header("2026-11-key-1").String(), claims.String())
}

// signedPart takes a token apart, as a benchmark's preparation.
func signedPart(token string) (input, signature []byte) {
	dot := strings.LastIndexByte(token, '.')
	return []byte(token[:dot]), unb64(token[dot+1:])
}

// bare is the standard library's signature check and nothing else.
func bare(key crypto.PublicKey, alg jwks.Algorithm, input, signature []byte) bool {
	switch key := key.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(key, input, signature)
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(input)
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(key, digest[:], r, s)
	case *rsa.PublicKey:
		digest := sha256.Sum256(input)
		if alg == jwks.RS256 {
			return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
		}
		return rsa.VerifyPSS(key, crypto.SHA256, digest[:], signature, nil) == nil
	}
	return false
}
