package conformance

import (
	"slices"
	"strings"

	"github.com/certbound/certbound/binding/bindingtest"
)

// header is section C: the JOSE header, and which key and algorithm it may
// choose. The issuer signs every header that is not said to be forged, so that
// the header alone decides.
//
// Not here: 75 and 78 to 81, which are keySet's; 77, a configuration; 82, a key
// that takes the faulty chip's arithmetic; 86 and 87, algorithms that a server
// need not know.
func (s *session) header() []check {
	good, claims := s.issuer.header(), s.claims(s.holder)
	raw := func(name, header string) check { return s.token(name, s.signText(header, claims.String())) }
	with := func(name string, header object) check { return raw(name, header.String()) }
	value := func(member, value, name string) check { return with(member+" "+name, good.with(member, value)) }
	alg := good[0].value
	profile := func(checks ...check) []check {
		for i := range checks {
			checks[i] = checks[i].when(func() bool { return s.kit.config.TokenType == atJWT }, "the server takes another typ than at+jwt")
		}
		return checks
	}
	unsigned := func(alg string) string {
		return signingInput(good.with("alg", quote(alg)).String(), claims.String()) + "."
	}
	deep := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	return slices.Concat(
		rule(57, "RFC 7515 §4", refused, invalidToken,
			raw("no JSON", "alg"), raw("an array", "["+good.String()+"]"), raw("a string", quote(good.String())),
			raw("a number", "1"), raw("null", "null")),
		rule(58, "RFC 8259 §2", refused, invalidToken,
			raw("bytes behind the header", good.String()+"x"), raw("two objects", good.String()+good.String())),
		rule(59, "RFC 8259 §8.1", anything, invalidToken,
			raw("a BOM", "\ufeff"+good.String())),
		rule(60, "RFC 7515 §5.2", refused, invalidToken,
			raw("not UTF-8", good.with("odd", "\"\xff\"").String())),
		rule(61, "RFC 8259 §9", anything, rejected.or(noAnswer),
			with("nested 20,000 deep", good.with("odd", deep)),
			s.token("claims nested 20,000 deep", s.sign(good, claims.with("odd", deep)))),
		rule(62, "RFC 7515 §4", anything, invalidToken,
			with("alg twice, none first", good.behind("alg", `"none"`)),
			with("alg twice, none last", good.and("alg", `"none"`)).expect(refused, invalidToken)),
		rule(63, "RFC 7515 §4", anything, invalidToken,
			with("kid twice", good.behind("kid", `"another"`))),
		rule(64, "RFC 7515 §4", refused, unknownKey,
			with("ALG alone", good.without("alg").and("ALG", alg))),
		rule(65, "RFC 8259 §8.3", accepted, accepted,
			with("an escaped name", good.without("alg").and(`\u0061lg`, alg))),
		rule(66, "RFC 8725 §3.1, §3.2", refused, invalidToken,
			s.token("alg none, no signature", unsigned("none")),
			s.token("alg none, any signature", unsigned("none")+"AAAA")),
		rule(67, "RFC 8725 §3.1, §3.2", refused, invalidToken,
			s.token("alg None", unsigned("None")), s.token("alg NONE", unsigned("NONE")), s.token("alg nOnE", unsigned("nOnE"))),
		rule(68, "RFC 8725 §3.1, §3.2", refused, invalidToken,
			value("alg", `"none"`, "none, with a good signature")),
		rule(69, "RFC 7515 §4.1.1", refused, invalidToken,
			with("alg missing", good.without("alg")), value("alg", `""`, "empty"), value("alg", "null", "null"), value("alg", "256", "a number")),
		rule(70, "RFC 7515 §4.1.1", refused, invalidToken,
			value("alg", strings.ToLower(alg), "in small letters"), value("alg", strings.TrimSuffix(alg, `"`)+` "`, "with a space")),
		rule(71, "RFC 7515 §4.1.1", refused, invalidToken,
			value("alg", `"XX999"`, "unknown, with a good signature")),
		rule(72, "RFC 8725 §3.1", refused, invalidToken,
			value("alg", `"HS256"`, "HS256, with a good signature of the issuer's"),
			value("alg", `"ES384"`, "ES384, with a good signature of the issuer's").
				when(func() bool { return s.kit.config.Algorithm != "ES384" }, "it is the issuer's algorithm"),
			value("alg", `"RS256"`, "RS256, with a good signature of the issuer's").
				when(func() bool { return s.kit.config.Algorithm != "RS256" }, "it is the issuer's algorithm")),
		s.confusion(claims),
		s.paddings(claims),
		rule(88, "RFC 7515 §4.1.1", refused, invalidToken,
			value("alg", `"ES256K"`, "ES256K, with a good signature of the issuer's")),
		s.keyInHeader(good, claims),
		rule(92, "RFC 7515 §4.1.8", anything, accepted,
			with("x5t#S256 of somebody", good.with("x5t#S256", quote(s.other.thumbprint()))),
			s.probe("x5t#S256 of the thief, and no such cnf", bearer(s.other, s.sign(good.with("x5t#S256", quote(s.other.thumbprint())), claims))).
				expect(refused, invalidToken)),
		rule(94, "RFC 7515 §4.1.4", anything, accepted,
			with("kid missing", good.without("kid"))),
		rule(95, "RFC 7515 §4.1.4", anything, invalidToken,
			value("kid", `""`, "empty"), value("kid", "1", "a number"), value("kid", `["a"]`, "an array"), value("kid", "null", "null")),
		rule(96, "RFC 8725 §3.10", anything, rejected,
			value("kid", quote(strings.Repeat("k", 8<<10)), "of 8 KiB")),
		rule(97, "RFC 8725 §3.10", anything, unknownKey,
			value("kid", `"../../../../dev/null"`, "a path"), value("kid", quote(s.as.URL(bindingtest.JWKSPath)), "a URL"),
			value("kid", `"'; DROP TABLE keys; --"`, "SQL"), value("kid", `"a\r\nX-Odd: b"`, "with CR LF"), value("kid", `"a\u0000"`, "with a NUL"),
			s.token("kid a path to an empty file, HS256 with no secret", hs256(nil, good.with("alg", `"HS256"`).with("kid", `"../../../../dev/null"`), claims)).
				expect(refused, invalidToken)),
		rule(98, "RFC 7515 §4.1.4", anything, unknownKey,
			value("kid", quote(swapCase(s.as.KeyID())), "in other case")),
		rule(100, "RFC 7515 §4.1.11", refused, invalidToken,
			with("crit, an extension nobody knows", good.with("crit", `["odd"]`).with("odd", "1"))),
		rule(101, "RFC 7515 §4.1.11", anything, invalidToken,
			value("crit", `["odd"]`, "names what is not there").expect(refused, invalidToken),
			value("crit", `["alg"]`, "names alg")),
		rule(102, "RFC 7515 §4.1.11", anything, invalidToken,
			value("crit", "[]", "empty"), value("crit", "null", "null"), value("crit", `"odd"`, "a string"), value("crit", "{}", "an object")),
		rule(103, "RFC 7797 §7", refused, invalidToken,
			with("b64 false with crit", good.with("b64", "false").with("crit", `["b64"]`))),
		rule(104, "RFC 7797 §6", anything, invalidToken,
			value("b64", "false", "false without crit")),
		rule(105, "RFC 7797 §7", anything, invalidToken,
			with("b64 true with crit", good.with("b64", "true").with("crit", `["b64"]`))),
		rule(106, "RFC 9068 §2.1, RFC 7515 §4.1.9", anything, accepted, profile(
			value("typ", `"at+jwt"`, "at+jwt"), value("typ", `"AT+JWT"`, "AT+JWT"), value("typ", `"application/at+jwt"`, "application/at+jwt"))...),
		rule(107, "RFC 9068 §4", anything, invalidToken, profile(
			value("typ", `"JWT"`, "JWT"), with("typ missing", good.without("typ")))...),
		rule(108, "RFC 9068 §4, RFC 8725 §3.11", anything, invalidToken,
			value("typ", `"logout+jwt"`, "logout+jwt"), value("typ", `"dpop+jwt"`, "dpop+jwt"), value("typ", `"secevent+jwt"`, "secevent+jwt"),
			value("typ", `"token-introspection+jwt"`, "token-introspection+jwt"), value("typ", `"oauth-authz-req+jwt"`, "oauth-authz-req+jwt")),
		rule(109, "RFC 7515 §4.1.9", anything, invalidToken,
			value("typ", "1", "a number"), value("typ", `["at+jwt"]`, "an array")),
		rule(110, "RFC 9068 §5, RFC 8725 §3.12", anything, invalidToken,
			s.token("an ID token for us", s.sign(good.with("typ", `"JWT"`), claims.with("nonce", `"n"`).with("at_hash", `"h"`).with("auth_time", "1")))),
	)
}

func swapCase(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z':
			return c - 'a' + 'A'
		case c >= 'A' && c <= 'Z':
			return c - 'A' + 'a'
		}
		return c
	}, text)
}
