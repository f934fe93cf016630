package conformance

import (
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
)

// proofHeader is the JOSE header of a proof, but for the key.
func (p *proving) proofHeader() []check {
	secret := `{"kty":"oct","k":"` + strings.Repeat("A", 43) + `"}`
	ec := p.owner.public().String()
	fetched := func() answer {
		before := p.kit.trap.fetched.Load()
		for _, url := range []string{p.kit.trap.plain.URL, p.kit.trap.secure.URL} {
			header := proofOf(p.owner).with("jku", quote(url)).with("x5u", quote(url))
			p.send(dpop(p.token, p.owner.sign(header, p.statement(p.token))))
		}
		count := p.kit.trap.fetched.Load() - before
		return fact(count == 0, "%d requests", count)
	}
	return slices.Concat(
		rule(301, "RFC 9449 §4.3, §11.5", badProof, invalidProof,
			p.member("no typ", "typ", ""), p.member("typ JWT", "typ", `"JWT"`), p.member("typ at+jwt", "typ", `"at+jwt"`),
			p.member("typ dpop+jwt+wrongyousee", "typ", `"dpop+jwt+wrongyousee"`),
			p.member("typ a number", "typ", "1"), p.member("typ an array", "typ", `["dpop+jwt"]`)),
		rule(302, "RFC 7515 §4.1.9", anything, accepted,
			p.member("typ application/dpop+jwt", "typ", `"application/dpop+jwt"`), p.member("typ DPoP+JWT", "typ", `"DPoP+JWT"`)),
		rule(303, "RFC 9449 §4.3, §11.6", badProof, invalidProof,
			p.member("no alg", "alg", ""), p.member("alg none", "alg", `"none"`), p.member("alg nOnE", "alg", `"nOnE"`),
			p.member("alg es256", "alg", `"es256"`), p.member("alg a number", "alg", "256"),
			p.unsigned("alg none, no signature"),
			p.fields("alg HS256, and the key an EC key", func() []string {
				return []string{hs256([]byte(ec), proofOf(p.owner).with("alg", `"HS256"`), p.statement(p.token))}
			}),
			p.fields("alg HS256, and the key a secret", func() []string {
				return []string{hs256(make([]byte, 32), proofOf(p.owner).with("alg", `"HS256"`).with("jwk", secret), p.statement(p.token))}
			})),
		rule(305, "RFC 7518 §3.1, RFC 8725 §3.1", badProof, invalidProof,
			p.member("alg RS256, an EC key", "alg", `"RS256"`), p.member("alg EdDSA, an EC key", "alg", `"EdDSA"`),
			p.member("alg ES256, an RSA key", "jwk", p.kit.keys.rsa.public().String()),
			p.member("alg ES256, an Ed25519 key", "jwk", `{"kty":"OKP","crv":"Ed25519","x":`+quote(hashOf("x"))+`}`),
			p.member("alg ES256, a P-384 key", "jwk", must(newECSigner("ES384", "", elliptic.P384())).public().String())),
		rule(306, "RFC 7515 §4.1.11", badProof, invalidProof,
			p.header("crit, an extension nobody knows", func(o object) object { return o.with("crit", `["odd"]`).with("odd", "1") }),
			p.member("crit empty", "crit", "[]").expect(anything, invalidProof), p.member("crit exp", "crit", `["exp"]`),
			p.member("b64 true", "b64", "true").expect(anything, invalidProof), p.member("b64 false", "b64", "false").expect(anything, invalidProof)),
		rule(307, "RFC 9449 §4.2", accepted, accepted,
			p.header("unknown parameters", func(o object) object { return o.with("tx_id", `"1"`).with("tx_id_key", "{}") }),
			p.changed("unknown claims", func(o object) object { return o.with("tx_id", `"1"`).with("sub", `"x"`).with("aud", `["y"]`) })),
		rule(308, "RFC 9449 §4.2, RFC 8725 §3.10", anything, accepted,
			p.header("kid, x5c, x5t, x5u and jku beside jwk", func(o object) object {
				return o.with("kid", `"k"`).with("x5c", "[]").with("x5t", `"t"`).with("x5u", `"https://attacker.example"`).with("jku", `"https://attacker.example"`)
			}),
			custom("nothing is fetched from jku and x5u", fetched).expect(seen("no request"), seen("no request"))),
		rule(309, "RFC 9449 §4.2", badProof, invalidProof,
			p.header("jku in place of jwk", func(o object) object { return o.without("jwk").with("jku", quote(p.kit.trap.secure.URL)) }),
			p.header("x5u in place of jwk", func(o object) object { return o.without("jwk").with("x5u", quote(p.kit.trap.secure.URL)) }),
			p.header("kid in place of jwk", func(o object) object { return o.without("jwk").with("kid", quote(thumbprintOf(p.owner.public()))) })),
	)
}

func (p *proving) unsigned(name string) check {
	return p.fields(name, func() []string {
		return []string{signingInput(proofOf(p.owner).with("alg", `"none"`).String(), p.statement(p.token).String()) + "."}
	})
}

// proofKey is the key in the header. A token is bound to whatever key is sent,
// so that no other rule refuses it.
func (p *proving) proofKey() []check {
	good, rsa := p.owner.public(), p.kit.keys.rsa
	jwk := func(name, value string) check { return p.member("jwk "+name, "jwk", value) }
	with := func(name, member, value string) check { return p.by(name, p.owner, good.orWithout(member, value)) }
	d := quote(privateHalf(p.owner))
	coordinate := func(name string, change func([]byte) []byte) check {
		return p.by(name, p.owner, good.with("x", quote(b64(change(bytesOf(good, "x"))))))
	}
	modulus := func(name string, bits uint) check {
		n := new(big.Int).SetBit(must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), bits))), int(bits)-1, 1)
		return p.by(name, rsa, rsa.public().with("n", quote(b64(n.SetBit(n, 0, 1).Bytes()))))
	}
	zeroInFront := func(member string) object {
		return rsa.public().with(member, quote(b64(append([]byte{0}, bytesOf(rsa.public(), member)...))))
	}
	exponent := func(name string, e ...byte) check { return p.by(name, rsa, rsa.public().with("e", quote(b64(e)))) }
	even := bytesOf(rsa.public(), "n")
	even[len(even)-1] &^= 1
	weak := p.sends("an RSA key of 1024 bits", func() request {
		key := weakRSA()
		jwk := object{{"e", `"AQAB"`}, {"kty", `"RSA"`}, {"n", quote(b64(key.public.N.Bytes()))}}
		token := p.boundTo(`{"jkt":` + quote(thumbprintOf(jwk)) + `}`)
		header := object{{"typ", `"dpop+jwt"`}, {"alg", `"RS256"`}, {"jwk", jwk.String()}}
		return dpop(token, signer{"RS256", "", key}.sign(header, p.statement(token)))
	})
	return slices.Concat(
		rule(310, "RFC 9449 §4.2", badProof, invalidProof,
			jwk("missing", ""), jwk("a string", quote(good.String())), jwk("an array", "["+good.String()+"]"), jwk("null", "null"), jwk("empty", "{}")),
		rule(311, "RFC 9449 §4.3", badProof, invalidProof,
			with("a jwk with d", "d", d), with("a jwk with d that is a number", "d", "1"), with("a jwk with d that is null", "d", "null").expect(anything, invalidProof),
			with("a jwk with d that is empty", "d", `""`).expect(anything, invalidProof),
			p.by("an RSA jwk with d", rsa, rsa.public().with("d", `"AQAB"`)), p.by("an RSA jwk with p", rsa, rsa.public().with("p", `"AQAB"`)),
			p.by("an RSA jwk with dp, dq, qi and q", rsa, rsa.public().with("q", `"AQ"`).with("dp", `"AQ"`).with("dq", `"AQ"`).with("qi", `"AQ"`)),
			p.by("an RSA jwk with oth", rsa, rsa.public().with("oth", "[{}]")).expect(anything, invalidProof),
			with("an EC jwk with k", "k", `"AQAB"`).expect(anything, invalidProof)),
		rule(312, "RFC 9449 §4.3", badProof, invalidProof,
			with("kty oct", "kty", `"oct"`), with("kty ec", "kty", `"ec"`), with("kty AKP", "kty", `"AKP"`), with("kty missing", "kty", ""), with("kty a number", "kty", "1")),
		rule(313, "RFC 7518 §6.2, RFC 8037 §2", badProof, invalidProof,
			with("crv missing", "crv", ""), with("crv secp256k1", "crv", `"secp256k1"`), with("crv X25519", "crv", `"X25519"`),
			with("crv P-384, coordinates of 32 bytes", "crv", `"P-384"`)),
		rule(314, "RFC 7518 §6.2.1.2", anything, invalidProof,
			coordinate("x with a zero in front", func(b []byte) []byte { return append([]byte{0}, b...) }),
			coordinate("x one byte short", func(b []byte) []byte { return b[1:] }).expect(badProof, invalidProof),
			with("x with padding", "x", quote(b64(bytesOf(good, "x"))+"=")),
			coordinate("x of 100 bytes", func([]byte) []byte { return make([]byte, 100) }).expect(badProof, invalidProof)),
		rule(315, "SEC 1 §3.2.2, RFC 8032 §5.1.3", badProof, invalidProof,
			coordinate("a point off the curve", func(b []byte) []byte { b[31] ^= 1; return b }),
			p.by("the point 0, 0", p.owner, good.with("x", quote(b64(make([]byte, 32)))).with("y", quote(b64(make([]byte, 32))))),
			coordinate("x of all ones", func([]byte) []byte { return slices.Repeat([]byte{0xff}, 32) }),
			p.member("an Ed25519 key of 31 bytes", "jwk", `{"kty":"OKP","crv":"Ed25519","x":`+quote(b64(make([]byte, 31)))+`}`)),
		rule(316, "RFC 7518 §3.3", badProof, invalidProof,
			weak, modulus("an RSA key of 2040 bits", 2040),
			modulus("an RSA key of 4104 bits", 4104), modulus("an RSA key of 16,384 bits", 16_384),
			p.by("an RSA key of an even modulus", rsa, rsa.public().with("n", quote(b64(even))))),
		rule(317, "RFC 7518 §2, §6.3.1", badProof, invalidProof,
			p.by("an n with a zero in front", rsa, zeroInFront("n")).expect(anything, invalidProof),
			p.by("an e with a zero in front", rsa, zeroInFront("e")).expect(anything, invalidProof),
			exponent("an e of 1", 1), exponent("an even e", 1, 0, 0), exponent("an e above 2^31", 1, 0, 0, 0, 1)),
		rule(318, "RFC 7638 §3.2", accepted, accepted,
			p.member("a jwk with alg, use, key_ops, kid and ext", "jwk",
				good.with("alg", `"ES256"`).with("use", `"sig"`).with("key_ops", `["verify"]`).with("kid", `"k"`).with("ext", "true").String()),
			p.member("a jwk in another order, with white space", "jwk", strings.ReplaceAll(reversed(good).String(), ",", " ,\n\t"))),
		rule(319, "RFC 7638 §3.2", refused, p.undisclosed(dpopToken),
			p.sends("a token bound to the thumbprint of all members of the jwk", func() request {
				jwk := good.with("kid", `"k"`).with("use", `"sig"`)
				token := p.boundTo(`{"jkt":` + quote(thumbprintOf(jwk)) + `}`)
				return dpop(token, p.owner.sign(proofOf(p.owner).with("jwk", jwk.String()), p.statement(token)))
			})),
	)
}

func bytesOf(jwk object, name string) []byte {
	i := slices.IndexFunc(jwk, func(m member) bool { return m.name == name })
	return must(base64.RawURLEncoding.DecodeString(strings.Trim(jwk[i].value, `"`)))
}

func reversed(o object) object {
	o = slices.Clone(o)
	slices.Reverse(o)
	return o
}
