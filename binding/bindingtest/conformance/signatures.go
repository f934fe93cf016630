package conformance

import (
	"crypto/elliptic"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
)

// signatures is section D: ECDSA signatures of ES256. Row 117 is oldKeys'.
func (s *session) signatures() []check {
	input, signature := "", make([]byte, 64)
	es := func() bool { return s.kit.config.Algorithm == es256 }
	good := s.good(s.holder)
	if es() {
		last := strings.LastIndexByte(good, '.')
		input, signature = good[:last+1], must(base64.RawURLEncoding.DecodeString(good[last+1:]))
	}
	r, v := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	n := elliptic.P256().Params().N
	with := func(r, v *big.Int) string {
		return input + b64(slices.Concat(fixed(r, elliptic.P256()), fixed(v, elliptic.P256())))
	}
	needs := func(checks ...check) []check {
		for i := range checks {
			checks[i] = checks[i].when(es, "the issuer's algorithm is not ES256")
		}
		return checks
	}

	one, zero := big.NewInt(1), new(big.Int)
	values := []struct {
		name  string
		value *big.Int
	}{
		{"0", zero}, {"1", one}, {"n-1", new(big.Int).Sub(n, one)}, {"n", n}, {"n+1", new(big.Int).Add(n, one)},
	}
	var edges []check
	for _, first := range values {
		for _, second := range values {
			if first.value.Sign() != 0 || second.value.Sign() != 0 {
				edges = append(edges, s.token("r is "+first.name+" and s is "+second.name, with(first.value, second.value)))
			}
		}
	}
	edges = append(edges, s.token("r is good and s is 0", with(r, zero)), s.token("r is 0 and s is good", with(zero, v)))

	return slices.Concat(
		rule(112, "CVE-2022-21449", refused, invalidToken, needs(
			s.token("r and s are 0", with(zero, zero)))...),
		rule(113, "RFC 7515 §5.2", refused, invalidToken, needs(edges...)...),
		rule(114, "RFC 7518 §3.4", refused, invalidToken, needs(
			s.token("signature in DER", input+b64(must(asn1.Marshal(struct{ R, S *big.Int }{r, v})))))...),
		rule(115, "RFC 7518 §3.4", anything, accepted, needs(
			s.token("the other s that verifies", with(r, new(big.Int).Sub(n, v))))...),
		rule(116, "RFC 7515 §5.2", refused, invalidToken,
			s.token("signed by another key under the same kid", s.forged(s.issuer.header(), s.claims(s.holder)))),
	)
}
