package conformance

import (
	"slices"
	"strings"
)

// compact is section B: the compact serialization and its encoding. Row 54,
// space around the token, is section A's.
func (s *session) compact() []check {
	header, claims := s.issuer.header(), s.claims(s.holder)
	good := s.sign(header, claims)
	parts := strings.Split(good, ".")
	h, p, sig := parts[0], parts[1], parts[2]
	// Letters that only the standard alphabet has: claims in which every third
	// byte makes one.
	odd := s.sign(header, claims.with("odd", `"???>>>???>>>"`))
	standard := strings.NewReplacer("-", "+", "_", "/").Replace(odd)
	flattened := `{"protected":"` + h + `","payload":"` + p + `","signature":"` + sig + `"}`
	one := `{"protected":"` + h + `","signature":"` + sig + `"}`
	forged := `{"protected":"` + h + `","signature":"AAAA"}`
	none := signingInput(`{"alg":"none"}`, claims.String()) + "."
	badCredentials := invalidRequest.or(invalidToken)
	return slices.Concat(
		rule(35, "RFC 7515 §7.1", refused, invalidToken,
			s.token("no dots", "abc")),
		rule(36, "RFC 7515 §5.2", refused, invalidToken,
			s.token("two segments", h+"."+p)),
		rule(37, "RFC 7515 §5.2", refused, invalidToken,
			s.token("four segments", good+"."+sig),
			s.token("dot at the end", good+"."),
			s.token("dot in front", "."+good)),
		rule(38, "RFC 7515 §5.2", refused, rejected,
			s.token("8,000 dots", strings.Repeat(".", 8000)),
			s.token("100,000 dots", strings.Repeat(".", 100_000)).expect(refused, rejected.or(noAnswer))),
		rule(39, "RFC 7519 §7.2", refused, invalidToken,
			s.token("five segments", b64([]byte(`{"alg":"dir","enc":"A256GCM"}`))+"..AAAA.AAAA.AAAA")),
		rule(40, "RFC 7519 §1", refused, badCredentials,
			s.token("JSON serialization, flattened", flattened)),
		rule(41, "RFC 7519 §1", refused, badCredentials,
			s.token("JSON serialization, general", `{"payload":"`+p+`","signatures":[`+one+`]}`)),
		rule(42, "RFC 7519 §1", refused, badCredentials,
			s.token("JSON serialization, a forged signature and a good one", `{"payload":"`+p+`","signatures":[`+forged+`,`+one+`]}`)),
		rule(43, "RFC 7519 §7.2", refused, badCredentials,
			s.token("claims in place of a token", claims.String()),
			s.token("claims in place of a token, encoded", p)),
		// RFC 7519 §7.2 step 8 goes on with the inner token: both are the
		// issuer's.
		rule(44, "RFC 9068 §2.1, RFC 7519 §5.2", anything, invalidToken,
			s.token("a token in a token, cty JWT", s.signText(header.with("cty", `"JWT"`).String(), good))),
		rule(45, "RFC 7519 §7.2", refused, invalidToken,
			s.token("a token in a token", s.signText(header.String(), good))),
		rule(46, "RFC 7519 §5.2", refused, invalidToken,
			s.token("a token in a token, the inner one of alg none", s.signText(header.with("cty", `"JWT"`).String(), none))),
		rule(47, "RFC 7515 §5.2", refused, invalidToken,
			s.token("no signature", h+"."+p+".")),
		rule(48, "RFC 7515 §5.2", refused, invalidToken,
			s.token("no header", "."+p+"."+sig),
			s.token("no payload", h+".."+sig),
			s.token("nothing but dots", "..")),
		rule(49, "RFC 7515 §2, §5.2", refused, invalidToken,
			// What stands behind "=" in a b64token may be "=" alone: the rest
			// is no Bearer credential.
			s.token("padded header", padded(h)+"."+p+"."+sig).expect(refused, badCredentials),
			s.token("padded signature", padded(good))),
		rule(50, "RFC 7515 §2, §5.2", refused, invalidToken,
			s.token("standard alphabet", standard).when(func() bool { return standard != odd }, "no letter differs")),
		rule(52, "RFC 4648 §3.5", anything, invalidToken,
			s.token("last letter of the signature not canonical", nonCanonical(good)).
				when(func() bool { return len(sig)%4 != 0 }, "the signature has no spare bits")),
		rule(53, "RFC 7515 §5.2", refused, badCredentials,
			s.token("a question mark in the payload", h+"."+p[:4]+"?"+p[4:]+"."+sig),
			s.token("a tilde in the signature", h+"."+p+"."+sig[:4]+"~"+sig[4:])),
		rule(55, "RFC 7515 §5.2", refused, invalidToken,
			s.token("another subject in the payload", h+"."+b64([]byte(strings.Replace(claims.String(), "alice", "alicf", 1)))+"."+sig),
			s.token("a space more in the payload", h+"."+b64([]byte(claims.String()+" "))+"."+sig),
			s.token("a space more in the header", b64([]byte(header.String()+" "))+"."+p+"."+sig)),
		rule(56, "RFC 7518 §3.4", refused, invalidToken,
			s.token("signature cut", h+"."+p+"."+sig[:len(sig)/4*4-4]),
			s.token("signature longer", h+"."+p+"."+sig[:len(sig)/4*4]+"AAAA"+sig[len(sig)/4*4:]),
			s.token("signature twice", h+"."+p+"."+sig+sig)),
	)
}

// padded adds what base64url without padding leaves out, or "=" where there is
// nothing to pad.
func padded(text string) string {
	last := text[strings.LastIndexByte(text, '.')+1:]
	return text + map[int]string{0: "=", 1: "===", 2: "==", 3: "="}[len(last)%4]
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// nonCanonical sets the last bit of the last letter, which stands for nothing.
func nonCanonical(text string) string {
	last := len(text) - 1
	return text[:last] + string(alphabet[strings.IndexByte(alphabet, text[last])|1])
}
