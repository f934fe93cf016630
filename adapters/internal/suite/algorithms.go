package suite

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// keyed makes a Fixture whose authorization server publishes these keys behind its own, and a guarded server.
func (s *suite) keyed(t *testing.T, keys ...object) (*Fixture, site) {
	t.Helper()
	f := NewFixture(t)
	for _, key := range keys {
		require.NoError(t, f.AS.PublishJWK(key.published()))
	}
	return f, s.serveIn(t, f, Protect(f.Guard(t, binding.Config{})))
}

// algorithms are the rows of section C about algorithms and the keys that fit them.
func (s *suite) algorithms(t *testing.T) {
	rsa2048, p256, p384 := signer{"RS256", rsaKey()}, signer{"ES256", p256Key()}, signer{"ES384", p384Key()}
	ed := signer{"Ed25519", edKey()}
	secret := []byte("0123456789abcdef0123456789abcdef")
	oct := object{"kty": `"oct"`, "k": quoted(b64(secret)), "kid": `"oct"`}
	f, site := s.keyed(t,
		rsa2048.jwk("rsa"), rsa2048.jwk("rs256").with("alg", `"RS256"`), p256.jwk("p256"), p384.jwk("p384"),
		ed.jwk("ed").with("alg", `"Ed25519"`), oct)
	claims := f.members(f.Holder.Certificate)
	as := func(alg string, key signer, kid string) string {
		return signer{alg, key.private}.sign(key.header(kid).with("alg", quoted(alg)), claims)
	}
	// by names one algorithm and signs by another.
	by := func(named, alg string, key signer, kid string) string {
		input := b64([]byte(key.header(kid).with("alg", quoted(named)).String())) + "." + b64([]byte(claims.String()))
		return input + "." + b64(key.signature(alg, input))
	}
	mac := func(alg, kid string, secret []byte) string {
		return hmacSigned(object{"alg": quoted(alg), "typ": `"at+jwt"`, "kid": quoted(kid)}, claims, secret)
	}
	public := rsaKey().Public().(*rsa.PublicKey)
	pkix := must(x509.MarshalPKIXPublicKey(public))
	point := must(p256Key().Public().(*ecdsa.PublicKey).ECDH()).Bytes()
	site.checkTokens(t, site.Probe, []tokenRow{
		{"RS256", as("RS256", rsa2048, "rsa"), OK},
		{"ES384", as("ES384", p384, "p384"), OK},
		{"73 HS256 with the RSA key's PEM", mac("HS256", "rsa", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix})), BadAlgorithm},
		{"73 HS256 with the RSA key's DER", mac("HS256", "rsa", pkix), BadAlgorithm},
		{"73 HS256 with the RSA key's JWK", mac("HS256", "rsa", rsa2048.jwk("rsa").published()), BadAlgorithm},
		{"73 HS256 with the RSA modulus", mac("HS256", "rsa", public.N.Bytes()), BadAlgorithm},
		{"73 HS256 with the key set", mac("HS256", f.AS.KeyID(), f.AS.JWKS()), BadAlgorithm},
		{"73 an HMAC under alg RS256", mac("RS256", "rsa", pkix), Unverifiable},
		{"74 HS256 with the EC point", mac("HS256", "p256", point), BadAlgorithm},
		{"75 HS256 with a published oct key", mac("HS256", "oct", secret), BadAlgorithm},
		{"75 an HMAC of the oct key under alg ES256", mac("ES256", "oct", secret), Unverifiable},
		{"76 PS256 with the key for RS256", as("PS256", rsa2048, "rs256"), Unverifiable},
		{"PS256 with the key for any", as("PS256", rsa2048, "rsa"), OK},
		{"78 ES256 with the key on P-384", by("ES256", "ES256", p384, "p384"), Unverifiable},
		{"78 ES384 with the key on P-256", by("ES384", "ES384", p256, "p256"), Unverifiable},
		{"78 ES256 named, ES384 signed, on P-384", by("ES256", "ES384", p384, "p384"), Unverifiable},
		{"87 Ed25519", as("Ed25519", ed, "ed"), OK},
		{"87 EdDSA with the key for Ed25519", as("EdDSA", ed, "ed"), OK},
	})

	t.Run("77 not among the configured algorithms", func(t *testing.T) {
		t.Parallel()
		narrow := s.serveIn(t, f, Protect(f.Guard(t, binding.Config{Tokens: f.Verifier(t, func(c *jwks.Config) {
			c.Algorithms = []jwks.Algorithm{jwks.ES384}
		})})))
		narrow.Check(t, narrow.Probe, Bearer(f.Holder, as("RS256", rsa2048, "rsa")), BadAlgorithm)
		narrow.Check(t, narrow.Probe, Bearer(f.Holder, as("ES384", p384, "p384")), OK)
	})
	t.Run("Ed25519 not among the configured algorithms", func(t *testing.T) {
		t.Parallel()
		narrow := s.serveIn(t, f, Protect(f.Guard(t, binding.Config{Tokens: f.Verifier(t, func(c *jwks.Config) {
			c.Algorithms = []jwks.Algorithm{jwks.ES256}
		})})))
		narrow.Check(t, narrow.Probe, Bearer(f.Holder, as("Ed25519", ed, "ed")), BadAlgorithm)
	})

	s.weakKeys(t)
	s.keyIDs(t)
}

// weakKeys are rows 79 to 82: keys of RSA that are never used, beside two that are.
func (s *suite) weakKeys(t *testing.T) {
	f65537 := big.NewInt(65537)
	even := rawOf(rsaKey().(*rsa.PrivateKey))
	even.n = new(big.Int).Sub(even.n, big.NewInt(1))
	exponent := func(e int64) rawRSA { return newRawRSA(2048, big.NewInt(e)) }
	evenExponent := newRawRSA(2048, f65537)
	evenExponent.e = big.NewInt(65536)
	rows := []struct {
		name string
		key  rawRSA
		want Answer
	}{
		{"79 RSA of 1024 bits", newRawRSA(1024, f65537), Unverifiable},
		{"RSA of 2048 bits", newRawRSA(2048, f65537), OK},
		{"80 RSA, e 1", exponent(1), Unverifiable},
		{"80 RSA, e even", evenExponent, Unverifiable},
		{"80 RSA, n even", even, Unverifiable},
		{"RSA, e 3", exponent(3), OK},
		{"81 RSA of 16384 bits", newRawRSA(16384, f65537), Unverifiable},
		{"82 RSA with the ROCA fingerprint", newROCA(), Unverifiable},
	}
	var keys []object
	for i, row := range rows {
		keys = append(keys, signer{"RS256", row.key}.jwk(fmt.Sprint("key-", i)))
	}
	f, site := s.keyed(t, keys...)
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			key := signer{"RS256", row.key}
			site.Check(t, site.Probe, Bearer(f.Holder, key.sign(key.header(fmt.Sprint("key-", i)), f.members(f.Holder.Certificate))), row.want)
		})
	}
}

// keyIDs are rows 93, 94, 98 and 99.
func (s *suite) keyIDs(t *testing.T) {
	newKey := func() signer { return signer{"ES256", must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))} }
	t.Run("93 no kid, several keys: eight that fit are tried", func(t *testing.T) {
		t.Parallel()
		var keys []signer
		var published []object
		for range 9 {
			key := newKey()
			keys, published = append(keys, key), append(published, key.jwk(""))
		}
		f, site := s.keyed(t, published...)
		claims := f.members(f.Holder.Certificate)
		// The issuer's own key is the first of the set.
		site.Check(t, site.Probe, Bearer(f.Holder, f.rawHeader(t, f.header().with("kid", "").String(), claims.String())), OK)
		for i, key := range keys {
			want := OK
			if i >= 7 {
				want = Unverifiable
			}
			site.Check(t, site.Probe, Bearer(f.Holder, key.sign(key.header(""), claims)), want)
		}
	})
	t.Run("94 no kid, one key that fits", func(t *testing.T) {
		t.Parallel()
		ed := signer{"EdDSA", edKey()}
		f, site := s.keyed(t, ed.jwk("ed"))
		site.Check(t, site.Probe, Bearer(f.Holder, ed.sign(ed.header(""), f.members(f.Holder.Certificate))), OK)
	})
	t.Run("98 kid in another case", func(t *testing.T) {
		t.Parallel()
		key := newKey()
		f, site := s.keyed(t, key.jwk("Key"))
		site.Check(t, site.Probe, Bearer(f.Holder, key.sign(key.header("Key"), f.members(f.Holder.Certificate))), OK)
		site.Check(t, site.Probe, Bearer(f.Holder, key.sign(key.header("key"), f.members(f.Holder.Certificate))), Unverifiable)
	})
	t.Run("99 kid of two keys, signed by the second", func(t *testing.T) {
		t.Parallel()
		first, second := newKey(), newKey()
		f, site := s.keyed(t, first.jwk("same"), second.jwk("same"))
		for _, key := range []signer{second, first} {
			site.Check(t, site.Probe, Bearer(f.Holder, key.sign(key.header("same"), f.members(f.Holder.Certificate))), OK)
		}
		another := newKey()
		site.Check(t, site.Probe, Bearer(f.Holder, another.sign(another.header("same"), f.members(f.Holder.Certificate))), Unverifiable)
	})
}

func hmacSigned(header, claims object, secret []byte) string {
	input := b64([]byte(header.String())) + "." + b64([]byte(claims.String()))
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte(input))
	return input + "." + b64(mac.Sum(nil))
}
