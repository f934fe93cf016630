package dpop_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/certbound/certbound/jwks/dpop"
)

// BenchmarkReadProof compares a proof that is accepted, and those that are refused before their signature is looked at, with the
// bare signature check of the standard library. Each accepted proof has a jti of its own.
func BenchmarkReadProof(b *testing.B) {
	longToken := strings.Repeat("t", 600)
	claims := func() object { return goodClaims().with("ath", quote(ath(longToken))) }
	good := func() string { return signed(claims()) }
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		proof := good()
		at := strings.LastIndex(proof, ".")
		signature := must(base64.RawURLEncoding.DecodeString(proof[at+1:]))
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		public := es256().private.Public().(*ecdsa.PublicKey)
		for b.Loop() {
			digest := sha256.Sum256([]byte(proof[:at]))
			if !ecdsa.Verify(public, digest[:], r, s) {
				b.Fatal("refused")
			}
		}
	})
	for _, accepted := range []struct {
		name   string
		change func(*dpop.Config)
		nonce  bool
		fresh  bool // another key each time: its header is read
	}{
		{"accepted", func(*dpop.Config) {}, false, false},
		{"accepted, nonces", withNonces(key(1)), true, false},
		{"accepted, replays", func(c *dpop.Config) { c.DangerouslyAcceptReplays = true }, false, false},
		{"accepted, another header", func(*dpop.Config) {}, false, true},
	} {
		b.Run(accepted.name, func(b *testing.B) {
			b.ReportAllocs()
			v := newVerifier(b, accepted.change)
			requests := make([]*http.Request, b.N)
			for n := range requests {
				c, header := claims(), es256().header()
				if accepted.nonce {
					c = c.with("nonce", quote(v.Nonce()))
				}
				if accepted.fresh {
					header = header.with("kid", quote(fmt.Sprint(n)))
				}
				requests[n] = get(es256().sign(header.String(), c.String()))
			}
			b.ResetTimer()
			for n := range b.N {
				proof, err := v.ReadProof(requests[n], longToken)
				if err == nil {
					err = proof.Prove(b.Context())
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for _, refused := range []struct{ name, proof string }{
		{"garbage", strings.Repeat("garbage", 70)},
		{"three parts of garbage", strings.Repeat("A", 280) + "." + strings.Repeat("A", 220) + "." + strings.Repeat("A", 86)},
		{"many members", es256().sign("{"+manyMembers(500)+"}", claims().String())},
		{"another method", signed(claims().with("htm", `"POST"`))},
		{"another URI", signed(claims().with("htu", `"https://evil.example/accounts"`))},
		{"old", signed(claims().with("iat", "1"))},
		{"another token", signed(claims().with("ath", quote(ath("another"))))},
	} {
		b.Run("refused, "+refused.name, func(b *testing.B) {
			b.ReportAllocs()
			v, r := newVerifier(b), get(refused.proof)
			for b.Loop() {
				if _, err := v.ReadProof(r, longToken); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
	b.Run("refused, another key", func(b *testing.B) { // by the guard
		b.ReportAllocs()
		v, r := newVerifier(b), get(good())
		for b.Loop() {
			if _, err := v.ReadProof(r, longToken); err != nil {
				b.Fatal(err)
			}
		}
	})
}
