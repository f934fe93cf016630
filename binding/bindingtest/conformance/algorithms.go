package conformance

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
)

// confusion is rows 73, 74 and 76: a key used for an algorithm that it is not
// for.
func (s *session) confusion(claims object) []check {
	rsaKey := s.kit.keys.rsa
	rsaPublic := rsaKey.private.Public().(*rsa.PublicKey)
	ecKey := s.ownKey()
	mac := func(name string, secret []byte, header object) check {
		return s.token("HS256 keyed with "+name, hs256(secret, header.with("alg", `"HS256"`), claims))
	}
	pkix := func(key any) []byte { return must(x509.MarshalPKIXPublicKey(key)) }
	asPEM := func(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}) }
	rsaHeader, own := rsaKey.header(s.issuer), s.issuer.header()
	ecChecks := []check{mac("the issuer's key as a JWK", ecKey.text, own)}
	if public := ecKey.public; public != nil {
		der := pkix(public)
		ecChecks = append(ecChecks,
			mac("the issuer's key as PEM", asPEM(der), own),
			mac("the issuer's key as DER", der, own),
			mac("the issuer's key as a point", must(public.ECDH()).Bytes(), own))
	}
	return slices.Concat(
		rule(73, "RFC 8725 §2.1, §3.1", refused, invalidToken,
			mac("the RSA key as PEM", asPEM(pkix(rsaPublic)), rsaHeader),
			mac("the RSA key as PEM without the last newline", []byte(strings.TrimSpace(string(asPEM(pkix(rsaPublic))))), rsaHeader),
			mac("the RSA key as DER", pkix(rsaPublic), rsaHeader),
			mac("the RSA key as PKCS #1", x509.MarshalPKCS1PublicKey(rsaPublic), rsaHeader),
			mac("the RSA key as a JWK", rsaKey.jwk(), rsaHeader),
			mac("the RSA key's modulus", rsaPublic.N.Bytes(), rsaHeader)),
		rule(74, "RFC 8725 §2.1, §3.1", refused, invalidToken, ecChecks...),
		rule(76, "RFC 8725 §3.1, RFC 7517 §4.4", refused, invalidToken,
			s.token("PS256 with a key for RS256", signer{"PS256", rsaKey.kid, rsaKey.private}.
				sign(rsaKey.header(s.issuer).with("alg", `"PS256"`), claims)).when(s.takes(rsaKey), notTaken(rsaKey))),
	)
}

// jwk is a public key as the issuer publishes it.
type jwk struct {
	text   json.RawMessage
	public *ecdsa.PublicKey // nil if it is no EC key
}

// ownKey is the key by which the issuer signs.
func (s *session) ownKey() jwk {
	var set struct{ Keys []json.RawMessage }
	mustDo(json.Unmarshal(s.as.JWKS(), &set))
	var members struct{ Kty, Crv, X, Y string }
	mustDo(json.Unmarshal(set.Keys[0], &members))
	key := jwk{text: set.Keys[0]}
	curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[members.Crv]
	if members.Kty == "EC" && curve != nil {
		point := slices.Concat([]byte{4}, must(base64.RawURLEncoding.DecodeString(members.X)), must(base64.RawURLEncoding.DecodeString(members.Y)))
		key.public = must(ecdsa.ParseUncompressedPublicKey(curve, point))
	}
	return key
}

// paddings is rows 83 to 85: RSA signatures that are almost good.
func (s *session) paddings(claims object) []check {
	pkcs, pss := s.kit.keys.rsa, s.kit.keys.pss
	size := pkcs.private.Public().(*rsa.PublicKey).Size()
	header := pkcs.header(s.issuer)
	input := signingInput(header.String(), claims.String())
	digest := sha256.Sum256([]byte(input))
	info := digestInfo(digest)
	noNull := append([]byte{0x30, 0x2f, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x04, 0x20}, digest[:]...)
	encode := func(kind, filler byte, padding int, rest []byte) []byte {
		encoded := append([]byte{0, kind}, slices.Repeat([]byte{filler}, padding)...)
		return append(append(encoded, 0), rest...)
	}
	full := size - 3 - len(info)
	altered := func(name string, encoded []byte) check {
		return s.token(name, input+"."+b64(pkcs.raw(encoded))).when(s.takes(pkcs), notTaken(pkcs))
	}
	short := encode(1, 0xff, 8, info)
	short = append(short, make([]byte, size-len(short))...)

	pssHeader := pss.header(s.issuer)
	pssInput := signingInput(pssHeader.String(), claims.String())
	pssSigned := func(name string, signature []byte) check {
		return s.token(name, pssInput+"."+b64(signature)).when(s.takes(pss), notTaken(pss))
	}
	sign := func(hash crypto.Hash, digest []byte, salt int) []byte {
		return must(rsa.SignPSS(rand.Reader, pss.private.(*rsa.PrivateKey), hash, digest, &rsa.PSSOptions{SaltLength: salt}))
	}
	pssDigest, longDigest := sha256.Sum256([]byte(pssInput)), sha512.Sum512([]byte(pssInput))
	n := pss.private.Public().(*rsa.PublicKey).N
	return slices.Concat(
		rule(83, "RFC 8017 §8.2.2", refused, invalidToken,
			altered("RS256 of block type 2", encode(2, 0xff, full, info)),
			altered("RS256 with another filler", encode(1, 0xfe, full, info)),
			altered("RS256 with short padding and bytes behind", short),
			altered("RS256 without the parameters of the hash", encode(1, 0xff, size-3-len(noNull), noNull)).expect(anything, invalidToken)),
		rule(84, "RFC 7518 §3.5", anything, invalidToken,
			pssSigned("PS256 with a salt of 20 bytes", sign(crypto.SHA256, pssDigest[:], 20)),
			pssSigned("PS256 with a salt of 64 bytes", sign(crypto.SHA256, pssDigest[:], 64))),
		rule(85, "RFC 8017 §8.1.2", refused, invalidToken,
			pssSigned("PS256 with SHA-512", sign(crypto.SHA512, longDigest[:], 64)),
			pssSigned("PS256 signature of 0", make([]byte, size)),
			pssSigned("PS256 signature of 1", append(make([]byte, size-1), 1)),
			pssSigned("PS256 signature of n", n.FillBytes(make([]byte, size)))),
	)
}

// digestInfo is RFC 8017 §9.2's, of SHA-256.
func digestInfo(digest [sha256.Size]byte) []byte {
	prefix := []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}
	return append(prefix, digest[:]...)
}

// pkcs1 is the padded digest, of as many bytes as the key has: 00 01 FF...FF 00
// DigestInfo.
func pkcs1(digest [sha256.Size]byte, size int) []byte {
	info := digestInfo(digest)
	padding := slices.Repeat([]byte{0xff}, size-3-len(info))
	return slices.Concat([]byte{0, 1}, padding, []byte{0}, info)
}

// takes asks, once for a key, whether the server accepts a good token of it.
func (s *session) takes(key signer) func() bool {
	return func() bool {
		taken, asked := s.taken[key.kid]
		if !asked {
			taken = s.send(bearer(s.holder, key.sign(key.header(s.issuer), s.claims(s.holder)))).accepted
			s.taken[key.kid] = taken
		}
		return taken
	}
}

func notTaken(key signer) string { return "the server takes no token of " + key.alg }

// keyInHeader is rows 89 to 91: a header that brings its own key, or says where
// to fetch one.
func (s *session) keyInHeader(good, claims object) []check {
	attacker, trap := s.kit.keys.attacker, s.kit.trap
	named := attacker.members().with("kid", quote(s.as.KeyID())).with("alg", quote(attacker.alg))
	trap.serve(keySetOf(named, attacker.members()))
	certificate := s.attackerChain(attacker)
	forged := func(header object) string { return attacker.sign(header.with("alg", quote(attacker.alg)), claims) }
	own := good.with("kid", quote(attacker.kid))
	var fetching []check
	for _, kid := range []object{good, own} {
		which := "under the issuer's kid"
		if len(fetching) > 0 {
			which = "under its own kid"
		}
		for _, member := range []string{"jku", "x5u"} {
			for _, base := range []string{trap.plain.URL, trap.secure.URL} {
				scheme, _, _ := strings.Cut(base, ":")
				token := forged(kid.with(member, quote(base+"/jwks")))
				fetching = append(fetching, s.token(member+" of the attacker's by "+scheme+", "+which, token))
			}
		}
	}
	before := trap.fetched.Load()
	untouched := custom("nobody fetched what jku and x5u name", func() answer {
		fetched := trap.fetched.Load() - before
		return fact(fetched == 0, "%d requests to the attacker's server", fetched)
	}).expect(seen("no request"), seen("no request"))
	return slices.Concat(
		rule(89, "RFC 8725 §3.10, CVE-2018-0114", refused, unknownKey,
			s.token("the attacker's key as jwk, under the issuer's kid", forged(good.with("jwk", named.String()))),
			s.token("the attacker's key as jwk, under its own kid", forged(own.with("jwk", attacker.members().String()))),
			s.token("the attacker's key as jwk, no kid", forged(good.without("kid").with("jwk", attacker.members().without("kid").String())))),
		rule(90, "RFC 8725 §3.10", refused, unknownKey, append(fetching, untouched)...),
		rule(91, "RFC 7515 §4.1.6", refused, unknownKey,
			s.token("the attacker's certificate as x5c", forged(good.with("x5c", "["+quote(certificate)+"]"))),
			s.token("the attacker's certificate as x5c, no kid", forged(good.without("kid").with("x5c", "["+quote(certificate)+"]"))),
			s.token("x5c that is not base64, on a good token", s.sign(good.with("x5c", `["?"]`), claims)).expect(anything, accepted)),
	)
}
