package jwks_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// 3.11 and 3.19: one odd key costs no other, and is not used.
func TestOddKeyBesideAGoodOne(t *testing.T) {
	good, odd := newFaultKey("good"), newFaultKey("odd")
	x := odd.jwk()
	with := func(members string) string { return strings.TrimSuffix(x, "}") + "," + members + "}" }
	seed := base64.RawURLEncoding.EncodeToString(odd.private.Seed())
	for name, entry := range map[string]string{
		"3.11 I/238 ML-DSA":          `{"kid":"odd","kty":"AKP","alg":"ML-DSA-44","pub":"` + strings.Repeat("A", 1750) + `"}`,
		"3.11 I/238 unknown type":    `{"kid":"odd","kty":"XYZ"}`,
		"3.11 I/238 Ed448":           `{"kid":"odd","kty":"OKP","crv":"Ed448","x":"` + strings.Repeat("A", 76) + `"}`,
		"3.11 I/238 X25519":          strings.Replace(x, "Ed25519", "X25519", 1),
		"3.11 I/238 secp256k1":       ecJWK("secp256k1"),
		"3.11 I/238 unknown alg":     strings.Replace(x, `"EdDSA"`, `"XYZ256"`, 1),
		"3.11 I/238 alg of RSA":      strings.Replace(x, `"EdDSA"`, `"RS256"`, 1),
		"3.11 I/239 short x":         `{"kid":"odd","kty":"OKP","crv":"Ed25519","x":"AAAA"}`,
		"3.11 I/239 no x":            `{"kid":"odd","kty":"OKP","crv":"Ed25519"}`,
		"3.11 I/239 x is a number":   `{"kid":"odd","kty":"OKP","crv":"Ed25519","x":7}`,
		"3.11 I/239 not on P-256":    `{"kid":"odd","kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}`,
		"3.11 I/239 x twice":         with(`"x":"AAAA"`),
		"3.11 I/239 null":            `null`,
		"3.11 I/239 a number":        `7`,
		"3.11 I/239 a list":          `[]`,
		"3.11 weak RSA":              `{"kid":"odd","kty":"RSA","e":"AQAB","n":"` + strings.Repeat("_", 171) + `"}`,
		"3.19 I/240 Ed25519 private": with(`"d":"` + seed + `"`),
		"3.19 I/240 RSA p alone":     with(`"p":"AQ"`),
		"3.19 I/241 symmetric":       `{"kid":"odd","kty":"oct","k":"` + seed + `"}`,
		"3.19 I/241 k beside x":      with(`"k":"` + seed + `"`),
		"I/242 use enc":              strings.Replace(x, `"sig"`, `"enc"`, 1),
		"I/242 key_ops sign":         with(`"key_ops":["sign"]`),
	} {
		t.Run(name, func(t *testing.T) {
			for _, set := range []string{jwkSet(good.jwk(), entry), jwkSet(entry, good.jwk())} {
				bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
					issuer.answer(body(set))
					v := newFaultVerifier(t, issuer, network.transport(t))
					v.accepts(t, good.token(issuer.url))
					v.refuses(t, odd.token(issuer.url), binding.ReasonTokenKeyUnknown)
					v.refuses(t, hmacToken(odd, issuer.url), binding.ReasonTokenAlgorithm)
					synctest.Wait()
					event := v.log.all()[0]
					require.Equal(t, []string{good.id}, event.Added)
					require.Equal(t, 1, event.Keys)
					require.Len(t, event.Ignored, 1)
					require.Error(t, event.Ignored[0].Problem)
					if strings.Contains(entry, "odd") && !strings.Contains(name, "twice") {
						require.Equal(t, "odd", event.Ignored[0].KeyID)
					}
					require.NotContains(t, fmt.Sprintf("%+v", event), seed, "no key material in an event")
				})
			}
		})
	}
}

// A key that a set lacks for its fault takes a good one's place no more than an
// empty set does.
func TestSetOfPrivateKeysAlone(t *testing.T) {
	key := newFaultKey("1")
	private := strings.TrimSuffix(key.jwk(), "}") +
		`,"d":"` + base64.RawURLEncoding.EncodeToString(key.private.Seed()) + `"}`
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		v := newFaultVerifier(t, issuer, network.transport(t))
		v.accepts(t, key.token(issuer.url))
		issuer.answer(body(jwkSet(private)))
		time.Sleep(11 * time.Minute)
		v.accepts(t, key.token(issuer.url))
		event := v.log.last(t) // M/390: why, of each
		require.Equal(t, jwks.KeysFailed, event.Kind)
		require.ErrorContains(t, event.Err, `no key that can be used; "1": the key is published with its private part`)
		require.Len(t, event.Ignored, 1)
		require.Equal(t, "1", event.Ignored[0].KeyID)
		require.ErrorContains(t, event.Ignored[0].Problem, "private part")
	}, key)
}

// I/243: of keys with the same kid, all that fit are tried.
func TestKeysWithTheSameKeyID(t *testing.T) {
	one, two := newFaultKey("1"), newFaultKey("1")
	bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
		v := newFaultVerifier(t, issuer, network.transport(t))
		v.accepts(t, one.token(issuer.url))
		v.accepts(t, two.token(issuer.url))
		require.Equal(t, 1, issuer.fetches())
	}, one, two)
}

func ecJWK(curve string) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return fmt.Sprintf(`{"kid":"odd","kty":"EC","crv":%q,"x":%q,"y":%q}`, curve, encode(point[1:33]), encode(point[33:]))
}

// hmacToken is signed with what a symmetric or private key of the set holds.
func hmacToken(k faultKey, issuer string) string {
	parts := strings.Split(k.token(issuer), ".")
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(`{"alg":"HS256","typ":"at+jwt","kid":"`+k.id+`"}`)) + "." + parts[1]
	mac := hmac.New(sha256.New, k.private.Seed())
	mac.Write([]byte(input))
	return input + "." + encode(mac.Sum(nil))
}
