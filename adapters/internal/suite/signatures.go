package suite

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// signatures are section D and the rows of section C about values of signatures. Each token is good but for its signature,
// which is made by the right key as far as it can.
func (s *suite) signatures(t *testing.T) {
	f, site := s.keyed(t, signer{"RS256", rsaKey()}.jwk("rsa"), signer{"ES256", p256Key()}.jwk("ec"), signer{"EdDSA", edKey()}.jwk("ed"))
	claims := b64([]byte(f.members(f.Holder.Certificate).String()))
	input := func(alg string, kid string) string {
		return b64([]byte(signer{alg: alg}.header(kid).String())) + "." + claims
	}
	refuses := func(t *testing.T, input string, signatures ...[]byte) {
		t.Helper()
		for _, signature := range signatures {
			site.Check(t, site.Probe, Bearer(f.Holder, input+"."+b64(signature)), Unverifiable)
		}
	}
	accepts := func(t *testing.T, input string, signature []byte) {
		t.Helper()
		site.Check(t, site.Probe, Bearer(f.Holder, input+"."+b64(signature)), OK)
	}
	rs256, ps256, es256, eddsa := input("RS256", "rsa"), input("PS256", "rsa"), input("ES256", "ec"), input("EdDSA", "ed")
	key := rawOf(rsaKey().(*rsa.PrivateKey))
	oneLess := new(big.Int).Sub(key.n, big.NewInt(1))
	numbers := [][]byte{ // that no signature of RSA is
		make([]byte, 256), append(make([]byte, 255), 1), oneLess.FillBytes(make([]byte, 256)), key.n.FillBytes(make([]byte, 256)),
		bytes.Repeat([]byte{0xff}, 256),
	}

	t.Run("C/83 altered paddings of PKCS #1", func(t *testing.T) {
		t.Parallel()
		encoded := pkcs1(rs256, 256)
		accepts(t, rs256, key.power(encoded))
		for _, changed := range altered(encoded) {
			refuses(t, rs256, key.power(changed))
		}
		info := encoded[256-51:]
		for _, padding := range []int{0, 8} { // RFC 8017 §8.2.2: nothing follows the digest
			short := slices.Concat([]byte{0, 1}, bytes.Repeat([]byte{0xff}, padding), []byte{0}, info)
			refuses(t, rs256, key.power(append(short, bytes.Repeat([]byte{0xaa}, 256-len(short))...)))
		}
		refuses(t, rs256, signer{"PS256", rsaKey()}.signature("PS256", rs256), signer{"RS512", rsaKey()}.signature("RS512", rs256))
		refuses(t, rs256, numbers...)
	})

	pss := func(t *testing.T, hash crypto.Hash, alg string, salt int) []byte {
		t.Helper()
		_, digest := digestFor(alg, ps256)
		signature, err := rsa.SignPSS(rand.Reader, rsaKey().(*rsa.PrivateKey), hash, digest, &rsa.PSSOptions{SaltLength: salt})
		require.NoError(t, err)
		return signature
	}
	t.Run("C/84 PS256 with a salt of another length", func(t *testing.T) {
		t.Parallel()
		accepts(t, ps256, pss(t, crypto.SHA256, "PS256", 32))
		for _, salt := range []int{1, 20, 31, 33, 64, rsa.PSSSaltLengthAuto} {
			refuses(t, ps256, pss(t, crypto.SHA256, "PS256", salt))
		}
	})
	t.Run("C/85 PS256 with another hash, an altered EM, numbers", func(t *testing.T) {
		t.Parallel()
		good := pss(t, crypto.SHA256, "PS256", 32)
		refuses(t, ps256, pss(t, crypto.SHA384, "PS384", 32), pss(t, crypto.SHA512, "PS512", 32))
		encoded := new(big.Int).Exp(new(big.Int).SetBytes(good), key.e, key.n).FillBytes(make([]byte, 256))
		require.EqualValues(t, 0xbc, encoded[255])
		for _, changed := range altered(encoded) {
			refuses(t, ps256, key.power(changed))
		}
		refuses(t, ps256, numbers...)
		refuses(t, ps256, good[1:], good[:255], append([]byte{0}, good...), append(slices.Clone(good), 0))
	})

	t.Run("C/86 EdDSA values", func(t *testing.T) {
		t.Parallel()
		private := edKey().(ed25519.PrivateKey)
		good := ed25519.Sign(private, []byte(eddsa))
		accepts(t, eddsa, good)
		identity := append([]byte{1}, make([]byte, 63)...)
		refuses(t, eddsa, unreduced(good, 1), unreduced(good, 7), make([]byte, 64), identity, bytes.Repeat([]byte{0xff}, 64),
			slices.Concat(private.Public().(ed25519.PublicKey), good[32:]), slices.Concat(good[:32], make([]byte, 32)),
			good[:63], append(slices.Clone(good), 0), good[:32], slices.Concat(good, good))
	})

	private := p256Key().(*ecdsa.PrivateKey)
	n, one := private.Curve.Params().N, big.NewInt(1)
	good := signer{"ES256", private}.signature("ES256", es256)
	r, v := new(big.Int).SetBytes(good[:32]), new(big.Int).SetBytes(good[32:])
	of := func(r, s *big.Int) []byte { return rs(private.Curve, r, s) }
	zero := new(big.Int)
	t.Run("D/112 r and s zero", func(t *testing.T) {
		t.Parallel()
		refuses(t, es256, of(zero, zero))
	})
	t.Run("D/113 r or s out of range", func(t *testing.T) {
		t.Parallel()
		accepts(t, es256, good)
		odd := []*big.Int{
			zero, one, new(big.Int).Sub(n, one), n, new(big.Int).Add(n, one), private.Curve.Params().P,
			new(big.Int).Sub(new(big.Int).Lsh(one, 256), one),
		}
		for _, left := range odd {
			refuses(t, es256, of(left, v), of(r, left))
			for _, right := range odd {
				refuses(t, es256, of(left, right))
			}
		}
	})
	t.Run("D/114 DER", func(t *testing.T) {
		t.Parallel()
		der, err := asn1.Marshal(struct{ R, S *big.Int }{r, v})
		require.NoError(t, err)
		refuses(t, es256, der)
	})
	t.Run("D/115 high S and low S", func(t *testing.T) {
		t.Parallel()
		accepts(t, es256, of(r, new(big.Int).Sub(n, v)))
		accepts(t, es256, of(r, v))
	})
	t.Run("D/116 another key under the same kid", func(t *testing.T) {
		t.Parallel()
		forged := f.Token(t, bindingtest.TokenSpec{Certificate: f.Holder.Certificate.Leaf, ForgedSignature: true})
		site.Check(t, site.Probe, Bearer(f.Holder, forged), Unverifiable)
		another := strings.Split(f.Token(t, bindingtest.TokenSpec{Certificate: f.Holder.Certificate.Leaf, Subject: "bob"}), ".")
		mine := strings.Split(f.Good(t), ".")
		site.Check(t, site.Probe, Bearer(f.Holder, mine[0]+"."+mine[1]+"."+another[2]), Unverifiable)
	})
	t.Run("D/117 a key that was rotated out", func(t *testing.T) {
		t.Parallel()
		f := NewFixture(t)
		site := s.serveIn(t, f, Protect(f.Guard(t, binding.Config{})))
		old, unseen := f.Good(t), f.Good(t, "accounts")
		site.Check(t, site.Probe, Bearer(f.Holder, old), OK)
		require.NoError(t, f.AS.Rotate())
		site.Check(t, site.Probe, Bearer(f.Holder, f.Good(t)), OK)
		site.Check(t, site.Probe, Bearer(f.Holder, old), OK) // both are published
		require.NoError(t, f.AS.Rotate())
		f.AS.RetireOldKeys()
		site.Check(t, site.Probe, Bearer(f.Holder, f.Good(t)), OK)
		site.Check(t, site.Probe, Bearer(f.Holder, old), Unverifiable)
		site.Check(t, site.Probe, Bearer(f.Holder, unseen), Unverifiable)
	})
}

// altered changes, one at a time, each byte of an encoded message's first and last ten and every ninth between them.
func altered(encoded []byte) [][]byte {
	var all [][]byte
	for at := range encoded {
		if at < 10 || at >= len(encoded)-10 || at%9 == 0 {
			changed := slices.Clone(encoded)
			changed[at] ^= 0x04
			all = append(all, changed)
		}
	}
	return all
}

// unreduced says the same S in other bytes, by a multiple of the order L (RFC 8032 §5.1.7).
func unreduced(signature []byte, times int64) []byte {
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	littleEndian := slices.Clone(signature[32:])
	slices.Reverse(littleEndian)
	sum := new(big.Int).Add(new(big.Int).SetBytes(littleEndian), order.Mul(order, big.NewInt(times)))
	text := sum.FillBytes(make([]byte, 33))[1:]
	slices.Reverse(text)
	return append(slices.Clone(signature[:32]), text...)
}
