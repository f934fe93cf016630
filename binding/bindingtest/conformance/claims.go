package conformance

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// claimsSet is section E. The good token is signed over each set of claims, so
// that the claims alone decide.
//
// Not here: 130 within the leeway and 131, which depend on the server's
// configuration; 137, which needs two tenants of one issuer; 141, an array that
// fits no token.
func (s *session) claimsSet() []check {
	claims, now := s.claims(s.holder), time.Now()
	text := claims.String()
	raw := func(name, payload string) check {
		return s.token(name, s.signText(s.issuer.header().String(), payload))
	}
	with := func(name string, claims object) check { return raw(name, claims.String()) }
	value := func(claim, value, name string) check { return with(claim+" "+name, claims.with(claim, value)) }
	exp, late, past := seconds(now.Add(lifetime)), seconds(now.Add(time.Hour)), seconds(now.Add(-time.Hour))
	iss, aud := s.as.Issuer(), s.kit.config.Audience
	foreign := quote("https://other.example")
	// No answer at all is the authorization server's fault, where it is asked;
	// and it need not say everything (RFC 7662 §2.2).
	malformed, optional := invalidToken, invalidToken
	if s.opaque != nil {
		malformed, optional = invalidToken.or(unavailable), anything
	}
	return s.asIntrospected(slices.Concat(
		rule(118, "RFC 7519 §7.2", refused, malformed,
			raw("empty payload of one space", " "),
			raw("null", "null"), raw("an array", "["+text+"]"), raw("a string", quote(text)), raw("a number", "1"),
			raw("cut short", text[:len(text)-1])),
		rule(119, "RFC 7519 §7.2", refused, malformed,
			raw("bytes behind the claims", text+"x"), raw("a NUL behind the claims", text+"\x00"), raw("two objects", text+text)),
		rule(120, "RFC 7519 §7.2, RFC 8259 §8.1", refused, malformed,
			raw("a BOM", "\ufeff"+text).expect(anything, malformed),
			raw("not UTF-8", claims.with("odd", "\"\xff\"").String())),
		rule(121, "RFC 7519 §4", anything, malformed,
			with("exp twice, the last past", claims.and("exp", past)).expect(refused, malformed),
			with("exp twice, the first past", claims.without("exp").and("exp", past).and("exp", exp)),
			with("iss twice, the last another", claims.and("iss", foreign)).expect(refused, malformed),
			with("aud twice, the last another", claims.and("aud", foreign)).expect(refused, malformed),
			with("aud twice, the same", claims.and("aud", quote(aud))),
			with("sub twice", claims.and("sub", `"bob"`))),
		rule(122, "RFC 7519 §4, §7.3", anything, invalidToken,
			with("EXP alone", claims.without("exp").and("EXP", exp)).expect(anything, optional),
			with("exp past, EXP in the future", claims.with("exp", past).and("EXP", exp)).expect(refused, invalidToken),
			with("aud of another, AUD ours", claims.with("aud", foreign).and("AUD", quote(aud))).expect(refused, invalidToken),
			with("iss of another, ISS ours", claims.with("iss", foreign).and("ISS", quote(iss))).expect(refused, invalidToken)),
		rule(123, "RFC 9068 §2.2", anything, optional,
			with("exp missing", claims.without("exp"))),
		// A server may take what is no NumericDate for no exp, which RFC 7519
		// allows.
		rule(124, "RFC 7519 §2, §4.1.4", anything, invalidToken,
			value("exp", "true", "true"), value("exp", "["+exp+"]", "an array"), value("exp", "{}", "an object"),
			value("exp", "NaN", "NaN").expect(refused, malformed)),
		// The MUST of RFC 7519 §4.1.4 is the issuer's: a server may read the
		// date, and may not ignore one that is past.
		rule(125, "RFC 7519 §2, §4.1.4", anything, invalidToken,
			value("exp", quote(exp), "a string of digits"),
			value("exp", quote(now.Add(lifetime).UTC().Format(time.RFC3339)), "RFC 3339"),
			value("exp", quote(past), "a string of digits, an hour ago").expect(refused, invalidToken),
			value("exp", quote(now.Add(-time.Hour).UTC().Format(time.RFC3339)), "RFC 3339, an hour ago").expect(refused, invalidToken)),
		rule(126, "RFC 7519 §4.1.4", refused, invalidToken,
			value("exp", "0", "0"), value("exp", "0.0", "0.0")),
		rule(127, "RFC 7519 §4.1.4", refused, invalidToken,
			value("exp", "-1", "-1"), value("exp", "-0", "-0")),
		rule(128, "RFC 7519 §2", anything, invalidToken,
			value("exp", "1e400", "1e400"), value("exp", "1e300", "1e300"),
			value("exp", "9223372036854775807", "2^63-1"), value("exp", "100000000000000000000", "10^20")),
		rule(129, "RFC 7519 §2", anything, accepted,
			value("exp", exp+".5", "not an integer"), value("exp", exp+"e0", "with an exponent")),
		rule(130, "RFC 7519 §4.1.4", refused, invalidToken,
			value("exp", past, "an hour ago"),
			value("exp", seconds(now.Add(-365*24*time.Hour)), "a year ago")),
		s.inactive(claims),
		rule(132, "RFC 7519 §4.1.5", refused, invalidToken,
			value("nbf", late, "in an hour"),
			value("nbf", quote(seconds(now)), "a string").expect(anything, invalidToken),
			value("nbf", "null", "null").expect(anything, invalidToken),
			value("nbf", "1e300", "1e300")),
		rule(133, "RFC 7519 §4.1.6", anything, invalidToken,
			value("iat", late, "in an hour")),
		rule(134, "RFC 7519 §4.1.6", anything, invalidToken,
			value("iat", quote(seconds(now)), "a string")),
		rule(135, "RFC 9068 §4", anything, invalidToken,
			with("iss missing", claims.without("iss")).expect(anything, optional),
			value("iss", "null", "null"), value("iss", "["+quote(iss)+"]", "an array"), value("iss", "{}", "an object")),
		rule(136, "RFC 7519 §2, §4.1.1, RFC 8725 §3.8", refused, invalidToken,
			value("iss", foreign, "another"),
			value("iss", quote(iss+"/"), "with a slash at the end"),
			value("iss", quote(strings.Replace(iss, "https", "HTTPS", 1)), "in capitals"),
			value("iss", quote(iss+".evil.example"), "with a suffix"),
			value("iss", quote(strings.Replace(iss, "https://", "https://evil.example@", 1)), "behind an @"),
			value("iss", quote(strings.Replace(iss, "https", "http", 1)), "by http")),
		rule(138, "RFC 8725 §3.9", refused, invalidToken,
			with("aud missing", claims.without("aud")),
			value("aud", "null", "null"), value("aud", `""`, "empty"), value("aud", "[]", "an empty array"),
			value("aud", "{"+quote(aud)+":1}", "an object"), value("aud", "[["+quote(aud)+"]]", "an array in an array"),
			value("aud", "["+quote(aud)+",1]", "an array with a number").expect(anything, invalidToken)),
		rule(139, "RFC 7519 §4.1.3", accepted, accepted,
			value("aud", quote(aud), "a string"),
			value("aud", `["https://other.example",`+quote(aud)+"]", "an array with others")),
		rule(140, "RFC 7519 §4.1.3", refused, invalidToken,
			value("aud", foreign, "another"),
			value("aud", quote(strings.ToUpper(aud)), "in capitals"),
			value("aud", quote(aud+"/"), "with a slash at the end"),
			value("aud", quote(aud[:len(aud)-1]), "the beginning of ours"),
			value("aud", quote(aud+".evil"), "that begins with ours"),
			value("aud", quote(aud+" https://other.example"), "ours and another, with a space")),
		rule(142, "RFC 7519 §4.1.2, RFC 9068 §2.2", anything, invalidToken,
			value("sub", "1", "a number"), value("jti", "{}", "an object"), value("client_id", `["app"]`, "an array")),
		rule(143, "RFC 6749 §3.3, RFC 9068 §2.2.3", anything, invalidToken,
			value("scope", "1", "a number"),
			value("scope", `"a\tb"`, "with a tab"), value("scope", `"a  b"`, "with two spaces"),
			value("scope", string(must(json.Marshal(append([]string{"odd"}, s.kit.config.Scopes...)))), "an array").expect(anything, accepted)),
		rule(144, "RFC 8259 §6", anything, answered,
			value("odd", "[1e999,-1e999]", "1e999")),
	))
}

// asIntrospected leaves of the demands on claims those that hold for the
// answers of an introspection endpoint: that the answer is a JSON object, and
// that it says active. RFC 7662 §4 has the authorization server check expiry,
// time and audience, and §2.2 makes every other member optional.
func (s *session) asIntrospected(checks []check) []check {
	if s.opaque == nil {
		return checks
	}
	objects := map[int]bool{118: true, 119: true}
	for i := range checks {
		c := &checks[i]
		if c.must.text == accepted.text || objects[c.Row] || c.Source == introspected || c.Name == "exp NaN" {
			continue
		}
		c.must, c.Must, c.Source = anything, anything.text, introspected+", §4"
		switch c.Name { // what an answer may leave out, or say as null (row 396)
		case "nbf null", "iss null", "scope null":
			c.should, c.Should = accepted, accepted.text
		}
	}
	return checks
}
