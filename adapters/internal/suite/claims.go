package suite

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// payload is section E. The signature over these claims is good, and the binding is the Holder's: the claims alone refuse
// the token.
func (s *suite) payload(t *testing.T) {
	site := s.guarded(t, binding.Config{})
	claims := s.members(s.Holder.Certificate)
	text := func(payload string) string { return s.raw(t, []byte(payload)) }
	with := func(name, value string) string { return text(claims.with(name, value).String()) }
	iss, hour := s.AS.Issuer(), time.Hour

	site.checkTokens(t, site.Probe, []tokenRow{
		{"118 null", text("null"), Malformed},
		{"118 an array", text("[" + claims.String() + "]"), Malformed},
		{"118 a string", text(quoted(claims.String())), Malformed},
		{"118 a number", text("1"), Malformed},
		{"118 spaces alone", text("  "), Malformed},
		{"119 bytes behind it", text(claims.String() + "x"), Malformed},
		{"119 two objects", text(claims.String() + claims.String()), Malformed},
		{"120 a BOM", text("\ufeff" + claims.String()), Malformed},
		{"120 invalid UTF-8", with("odd", "\"\xff\""), Malformed},
		{"121 exp twice", text(claims.before(`"exp":` + s.in(hour))), Malformed},
		{"121 iss twice", text(claims.before(`"iss":` + quoted(iss))), Malformed},
		{"121 aud twice", text(claims.before(`"aud":"https://other.example"`)), Malformed},
		{"121 cnf twice", text(claims.before(`"cnf":{}`)), Malformed},
		{"121 sub twice", text(claims.before(`"sub":"bob"`)), Malformed},
		{"121 sub twice, once escaped", text(claims.before(`"s\u0075b":"bob"`)), Malformed},
		{"122 EXP alone", text(claims.with("exp", "").with("EXP", s.in(hour)).String()), BadClaims},
		{"122 Exp alone", text(claims.with("exp", "").with("Exp", s.in(hour)).String()), BadClaims},
		{"122 exp past, EXP in the future", text(claims.with("exp", s.in(-hour)).with("EXP", s.in(hour)).String()), Expired},
		{"123 exp missing", with("exp", ""), BadClaims},
		{"124 exp null", with("exp", "null"), BadClaims},
		{"124 exp true", with("exp", "true"), BadClaims},
		{"124 exp an array", with("exp", "["+s.in(hour)+"]"), BadClaims},
		{"124 exp an object", with("exp", "{}"), BadClaims},
		{"124 exp NaN", with("exp", "NaN"), Malformed},
		{"125 exp a string of digits", with("exp", quoted(s.in(hour))), BadClaims},
		{"125 exp by RFC 3339", with("exp", quoted(s.now().Add(hour).Format(time.RFC3339))), BadClaims},
		{"126 exp 0", with("exp", "0"), BadClaims},
		{"127 exp -1", with("exp", "-1"), BadClaims},
		{"127 exp -0", with("exp", "-0"), BadClaims},
		{"128 exp 1e400", with("exp", "1e400"), BadClaims},
		{"128 exp 1e300", with("exp", "1e300"), BadClaims},
		{"128 exp 2^63-1", with("exp", "9223372036854775807"), BadClaims},
		{"128 exp 10^20", with("exp", "100000000000000000000"), BadClaims},
		{"129 exp with a fraction", with("exp", s.in(time.Minute)+".5"), OK},
		{"129 exp in exponent form", with("exp", s.in(time.Minute)[:1]+"."+s.in(time.Minute)[1:]+"e9"), OK},
		{"130 exp now", with("exp", s.in(0)), OK},
		{"130 exp as long ago as the leeway", with("exp", s.in(-59*time.Second)), OK},
		{"130 exp longer ago than the leeway", with("exp", s.in(-61*time.Second)), Expired},
		{"130 exp an hour ago", s.Token(t, bindingtest.TokenSpec{Certificate: s.Holder.Certificate.Leaf, ExpiresIn: -hour}), Expired},
		{"132 nbf in the future", with("nbf", s.in(hour)), NotYetValid},
		{"132 nbf beyond the leeway", with("nbf", s.in(62*time.Second)), NotYetValid},
		{"132 nbf a string", with("nbf", quoted(s.in(0))), BadClaims},
		{"132 nbf null", with("nbf", "null"), BadClaims},
		{"132 nbf 1e300", with("nbf", "1e300"), BadClaims},
		{"133 iat in the future", with("iat", s.in(hour)), NotYetValid},
		{"134 iat a string", with("iat", quoted(s.in(0))), BadClaims},
		{"135 iss missing", with("iss", ""), BadIssuer},
		{"135 iss null", with("iss", "null"), BadClaims},
		{"135 iss an array", with("iss", "["+quoted(iss)+"]"), BadClaims},
		{"135 iss an object", with("iss", "{}"), BadClaims},
		{"136 iss with a slash at its end", with("iss", quoted(iss+"/")), BadIssuer},
		{"136 iss in another case", with("iss", quoted(strings.ToUpper(iss))), BadIssuer},
		{"136 iss with a suffix", with("iss", quoted(iss+".evil")), BadIssuer},
		{"136 iss with a user in front", with("iss", quoted(strings.Replace(iss, "https://", "https://evil@", 1))), BadIssuer},
		{"136 iss as a user", with("iss", quoted(iss+"@evil.example")), BadIssuer},
		{"136 iss with the default port", with("iss", quoted(iss[:strings.LastIndexByte(iss, ':')]+":443")), BadIssuer},
		{"136 of another issuer", s.anotherIssuer(t), BadIssuer},
		{"137 of another issuer, under our name", s.underOurName(t), Unverifiable},
		{"137 of another tenant, by the same key", with("iss", quoted(iss+"/tenant2")), BadIssuer},
		{"138 aud missing", with("aud", ""), BadAudience},
		{"138 aud null", with("aud", "null"), BadClaims},
		{"138 aud empty", with("aud", `""`), BadClaims},
		{"138 aud an empty array", with("aud", "[]"), BadClaims},
		{"138 aud [1, ours]", with("aud", "[1,"+quoted(Audience)+"]"), BadClaims},
		{"138 aud an object", with("aud", "{"+quoted(Audience)+":1}"), BadClaims},
		{"138 aud nested", with("aud", "[["+quoted(Audience)+"]]"), BadClaims},
		{"139 aud ours", with("aud", quoted(Audience)), OK},
		{"139 aud of several, ours among them", with("aud", quoted([]string{"https://other.example", Audience})), OK},
		{"140 aud of another", with("aud", `"https://other.example"`), BadAudience},
		{"140 aud in another case", with("aud", quoted(strings.ToUpper(Audience))), BadAudience},
		{"140 aud with a slash at its end", with("aud", quoted(Audience+"/")), BadAudience},
		{"140 aud a prefix", with("aud", quoted(Audience[:len(Audience)-1])), BadAudience},
		{"140 aud a substring", with("aud", quoted("urn:"+Audience+":x")), BadAudience},
		{"140 aud joined by a space", with("aud", quoted("https://other.example "+Audience)), BadAudience},
		{"141 aud of 100,000", with("aud", "["+strings.Repeat(`"a",`, 100_000)+quoted(Audience)+"]"), TooLong},
		{"141 aud of as many as fit, ours last", with("aud", "["+strings.Repeat(`"a",`, 2_800)+quoted(Audience)+"]"), OK},
		{"142 sub a number", with("sub", "1"), BadClaims},
		{"142 jti an object", with("jti", "{}"), BadClaims},
		{"142 client_id an array", with("client_id", `["client-1"]`), BadClaims},
		{"143 scope as an array", with("scope", `["accounts"]`), OK},
		{"143 scope null", with("scope", "null"), BadClaims},
		{"143 scope with a tab", with("scope", `"accounts\tpayments"`), BadClaims},
		{"143 scope with two spaces", with("scope", `"accounts  payments"`), BadClaims},
		{"143 scope an array of one text", with("scope", `["accounts payments"]`), BadClaims},
		{"143 scope a number", with("scope", "1"), BadClaims},
		{"144 1e999 in a claim of the application's", with("odd", `{"n":[1e999,-1e999]}`), OK},
		{"144 a number of 1,000 digits", with("odd", strings.Repeat("9", 1_000)), OK},
	})

	t.Run("131 exp further ahead than MaxLifetime", func(t *testing.T) {
		t.Parallel()
		bounded := s.guarded(t, binding.Config{Tokens: s.Verifier(t, func(c *jwks.Config) { c.MaxLifetime = 10 * time.Minute })})
		bounded.Check(t, bounded.Probe, Bearer(s.Holder, with("exp", s.in(10*time.Minute))), OK)
		bounded.Check(t, bounded.Probe, Bearer(s.Holder, with("exp", s.in(12*time.Minute))), invalidToken("the access token lives longer than is accepted here"))
		site.Check(t, site.Probe, Bearer(s.Holder, with("exp", s.in(12*time.Minute))), OK)
	})
}

func (s *suite) anotherIssuer(t *testing.T) string {
	t.Helper()
	another, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Audience: Audience})
	require.NoError(t, err)
	defer another.Close()
	token, err := another.BoundToken(s.Holder.Certificate.Leaf)
	require.NoError(t, err)
	return token
}

// underOurName is another issuer's with our issuer's name and kid in it.
func (s *suite) underOurName(t *testing.T) string {
	t.Helper()
	another, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Audience: Audience})
	require.NoError(t, err)
	defer another.Close()
	token, err := another.Token(bindingtest.TokenSpec{
		Certificate: s.Holder.Certificate.Leaf,
		Claims:      map[string]any{"iss": s.AS.Issuer()},
		Header:      map[string]any{"kid": s.AS.KeyID()},
	})
	require.NoError(t, err)
	return token
}
