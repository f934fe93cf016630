package jwks_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// Section E of attacks.md, through VerifyToken: the signature over these claims
// is good, so that the claims alone refuse the token.

func TestClaimsText(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	v := i.verifier(t)
	good := i.claims()
	requireAccepted(t, v, i.tokenWith(t, good))
	text := good.String()
	for name, payload := range map[string]string{
		"E/118 null":                 "null",
		"E/118 an array":             "[" + text + "]",
		"E/118 a string":             quote(text),
		"E/118 a number":             "1",
		"E/118 no JSON":              "iss",
		"E/118 cut short":            text[:len(text)-1],
		"E/119 trailing bytes":       text + "x",
		"E/119 a trailing NUL":       text + "\x00",
		"E/119 two objects":          text + text,
		"E/120 a BOM":                "\ufeff" + text,
		"E/120 invalid UTF-8":        good.with("odd", "\"\xff\"").String(),
		"E/121 exp twice":            good.and(`"exp":` + seconds(noon.Add(time.Hour))),
		"E/121 iss twice":            good.and(`"iss":` + good["iss"]),
		"E/121 aud twice":            good.and(`"aud":"https://other.example"`),
		"E/121 sub twice":            good.and(`"sub":"bob"`),
		"E/121 sub twice, escaped":   good.and(`"s\u0075b":"bob"`),
		"E/121 cnf twice":            good.with("cnf", "{}").and(`"cnf":{}`),
		"E/121 a name twice, inside": good.with("odd", `{"a":1,"a":2}`).String(),
		"E/124 exp NaN":              good.with("exp", "NaN").String(),
		"E/124 exp with a plus":      good.with("exp", "+1").String(),
		"C/61 nested 65 deep":        good.with("odd", strings.Repeat("[", 64)+strings.Repeat("]", 64)).String(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, v, i.sign(t, i.header().String(), payload), binding.ReasonTokenMalformed)
		})
	}
	for name, payload := range map[string]string{
		"C/61 nested 64 deep":          good.with("odd", strings.Repeat("[", 63)+strings.Repeat("]", 63)).String(),
		"an escaped name":              good.with("iss", "").and(`"\u0069ss":` + good["iss"]),
		"space around it":              " \n" + text + "\t",
		"E/144 1e999 in another claim": good.with("odd", `[1e999,-1e999]`).String(),
		"ISS beside iss":               good.and(`"ISS":"https://other.example"`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireAccepted(t, v, i.sign(t, i.header().String(), payload))
		})
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	v := i.verifier(t)
	requireAccepted(t, v, i.goodToken(t))
	const (
		claims   = binding.ReasonTokenClaims
		issuer   = binding.ReasonTokenIssuer
		audience = binding.ReasonTokenAudience
		expired  = binding.ReasonTokenExpired
		early    = binding.ReasonTokenNotYetValid
	)
	iss := i.Issuer()
	rfc3339 := quote(noon.Add(time.Minute).Format(time.RFC3339))
	type row struct {
		name, text string
		reason     binding.Reason
	}
	for name, test := range map[string]row{
		"E/123 exp missing":             {"exp", "", claims},
		"E/124 exp null":                {"exp", "null", claims},
		"E/124 exp true":                {"exp", "true", claims},
		"E/124 exp an array":            {"exp", "[" + seconds(noon.Add(time.Minute)) + "]", claims},
		"E/124 exp an object":           {"exp", "{}", claims},
		"E/125 exp a digit string":      {"exp", quote(seconds(noon.Add(time.Minute))), claims},
		"E/125 exp RFC 3339":            {"exp", rfc3339, claims},
		"E/126 exp 0":                   {"exp", "0", claims},
		"E/126 exp 0.0":                 {"exp", "0.0", claims},
		"E/127 exp -1":                  {"exp", "-1", claims},
		"E/127 exp -0":                  {"exp", "-0", claims},
		"E/128 exp 1e400":               {"exp", "1e400", claims},
		"E/128 exp 1e300":               {"exp", "1e300", claims},
		"E/128 exp 2^63-1":              {"exp", "9223372036854775807", claims},
		"E/128 exp 10^20":               {"exp", "100000000000000000000", claims},
		"E/128 exp in milliseconds":     {"exp", seconds(noon) + "000", claims},
		"E/122 EXP alone":               {"exp", "EXP", claims},
		"E/132 nbf a string":            {"nbf", quote(seconds(noon)), claims},
		"E/132 nbf null":                {"nbf", "null", claims},
		"E/132 nbf 1e300":               {"nbf", "1e300", claims},
		"E/132 nbf in the future":       {"nbf", seconds(noon.Add(61 * time.Second)), early},
		"E/133 iat in the future":       {"iat", seconds(noon.Add(61 * time.Second)), early},
		"E/134 iat a string":            {"iat", quote(seconds(noon)), claims},
		"E/134 iat null":                {"iat", "null", claims},
		"E/135 iss missing":             {"iss", "", issuer},
		"E/135 ISS alone":               {"iss", "ISS", issuer},
		"E/135 iss null":                {"iss", "null", claims},
		"E/135 iss an array":            {"iss", "[" + quote(iss) + "]", claims},
		"E/135 iss an object":           {"iss", "{}", claims},
		"E/135 iss empty":               {"iss", `""`, claims},
		"E/136 iss with a slash":        {"iss", quote(iss + "/"), issuer},
		"E/136 iss in capitals":         {"iss", quote(strings.ToUpper(iss)), issuer},
		"E/136 iss with a suffix":       {"iss", quote(iss + ".evil.example"), issuer},
		"E/136 iss before an @":         {"iss", quote(iss + "@evil.example"), issuer},
		"E/136 iss behind an @":         {"iss", quote(strings.Replace(iss, "https://", "https://evil.example@", 1)), issuer},
		"E/136 iss without the port":    {"iss", quote(iss[:strings.LastIndexByte(iss, ':')]), issuer},
		"E/136 iss with space":          {"iss", quote(iss + " "), issuer},
		"E/136 iss by http":             {"iss", quote(strings.Replace(iss, "https", "http", 1)), issuer},
		"E/137 iss of another tenant":   {"iss", quote(iss + "/tenant2"), issuer},
		"E/138 aud missing":             {"aud", "", audience},
		"E/138 aud null":                {"aud", "null", claims},
		"E/138 aud empty":               {"aud", `""`, claims},
		"E/138 aud []":                  {"aud", "[]", claims},
		"E/138 aud [ours, 1]":           {"aud", `["https://api.example",1]`, claims},
		"E/138 aud [ours, empty]":       {"aud", `["https://api.example",""]`, claims},
		"E/138 aud {}":                  {"aud", "{}", claims},
		"E/138 aud {ours}":              {"aud", `{"https://api.example":1}`, claims},
		"E/138 aud [[ours]]":            {"aud", `[["https://api.example"]]`, claims},
		"E/138 aud a number":            {"aud", "1", claims},
		"E/140 aud of another case":     {"aud", `"https://API.example"`, audience},
		"E/140 aud with a slash":        {"aud", `"https://api.example/"`, audience},
		"E/140 aud a prefix":            {"aud", `"https://api.exampl"`, audience},
		"E/140 aud that begins so":      {"aud", `"https://api.example.evil"`, audience},
		"E/140 aud joined by a space":   {"aud", `"https://api.example https://other.example"`, audience},
		"E/140 aud joined by a comma":   {"aud", `"https://other.example,https://api.example"`, audience},
		"E/140 aud of others":           {"aud", `["https://other.example","https://more.example"]`, audience},
		"E/142 sub a number":            {"sub", "1", claims},
		"E/142 sub empty":               {"sub", `""`, claims},
		"E/142 jti an object":           {"jti", "{}", claims},
		"E/142 client_id an array":      {"client_id", `["app"]`, claims},
		"E/143 scope a number":          {"scope", "1", claims},
		"E/143 scope with a tab":        {"scope", `"a\tb"`, claims},
		"E/143 scope, two spaces":       {"scope", `"a  b"`, claims},
		"E/143 scope, a leading space":  {"scope", `" a"`, claims},
		"E/143 scope, a trailing space": {"scope", `"a "`, claims},
		"E/143 scope, [a b]":            {"scope", `["a b"]`, claims},
		"E/143 scope, [1]":              {"scope", `[1]`, claims},
		"E/130 exp a second too old":    {"exp", seconds(noon.Add(-61 * time.Second)), expired},
		"E/130 exp long ago":            {"exp", "1", expired},
		"F/150 cnf null":                {"cnf", "null", binding.ReasonConfirmationMalformed},
		"F/151 cnf {}":                  {"cnf", "{}", binding.ReasonConfirmationUnsupported},
		"F/153 x5t#S256 empty":          {"cnf", `{"x5t#S256":""}`, binding.ReasonThumbprintMalformed},
		"L/363 jkt x":                   {"cnf", `{"jkt":"x"}`, binding.ReasonThumbprintMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claims := i.claims()
			if test.text == strings.ToUpper(test.name) {
				claims, test.text = claims.with(test.text, claims[test.name]), ""
			}
			requireRefused(t, v, i.tokenWith(t, claims.with(test.name, test.text)), test.reason)
		})
	}
	t.Run("E/122 exp past and EXP future", func(t *testing.T) {
		t.Parallel()
		claims := i.claims().with("exp", "1").with("EXP", seconds(noon.Add(time.Hour)))
		requireRefused(t, v, i.tokenWith(t, claims), expired)
	})
	for name, test := range map[string]row{
		"E/129 exp a fraction":             {"exp", seconds(noon) + ".5", ""},
		"E/129 exp in exponent form":       {"exp", "1." + seconds(noon.Add(time.Minute))[1:] + "e9", ""},
		"E/130 exp now":                    {"exp", seconds(noon), ""},
		"E/130 exp as old as the leeway":   {"exp", seconds(noon.Add(-time.Minute)), ""},
		"E/132 nbf within the leeway":      {"nbf", seconds(noon.Add(time.Minute)), ""},
		"E/133 iat within the leeway":      {"iat", seconds(noon.Add(time.Minute)), ""},
		"E/133 iat missing":                {"iat", "", ""},
		"E/139 aud an array with ours":     {"aud", `["https://other.example","https://api.example"]`, ""},
		"E/141 aud of 3,000, ours at last": {"aud", "[" + strings.Repeat(`"a",`, 2_900) + `"https://api.example"]`, ""},
		"E/142 sub missing":                {"sub", "", ""},
		"E/142 jti missing":                {"jti", "", ""},
		"E/142 client_id missing":          {"client_id", "", ""},
		"E/143 scope empty":                {"scope", `""`, ""},
		"E/143 scope of two":               {"scope", `"a b"`, ""},
		"E/143 scope an array":             {"scope", `["a","b"]`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireAccepted(t, v, i.tokenWith(t, i.claims().with(test.name, test.text)))
		})
	}
	t.Run("E/141 aud of 100,000", func(t *testing.T) {
		t.Parallel()
		list := "[" + strings.Repeat(`"a",`, 100_000) + `"https://api.example"` + "]"
		requireRefused(t, v, i.tokenWith(t, i.claims().with("aud", list)), binding.ReasonTokenTooLong)
	})
}

func TestWhatIsRead(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	v := i.verifier(t)
	certificate, err := i.NewClientCertificate("client")
	require.NoError(t, err)
	claims := i.claims().with("scope", `"accounts payments"`).with("nbf", seconds(noon)).with("odd", "1e999").
		with("cnf", `{"x5t#S256":`+quote(bindingtest.Thumbprint(certificate.Leaf))+`}`)
	token := requireAccepted(t, v, i.tokenWith(t, claims))
	require.Equal(t, i.Issuer(), token.Issuer())
	require.Equal(t, "alice", token.Subject())
	require.Equal(t, "app", token.ClientID())
	require.Equal(t, []string{audience}, token.Audience())
	require.Equal(t, []string{"accounts", "payments"}, token.Scopes())
	require.True(t, token.Expiry().Equal(noon.Add(5*time.Minute)))
	require.True(t, token.NotBefore().Equal(noon))
	require.True(t, token.IssuedAt().Equal(noon))
	thumbprint, bound := token.Thumbprint()
	require.True(t, bound)
	require.True(t, thumbprint.Matches(binding.ThumbprintOf(certificate.Leaf)))
	unbound := requireAccepted(t, v, i.goodToken(t))
	_, bound = unbound.Thumbprint()
	require.False(t, bound)
}

func TestLeeway(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	for _, test := range []struct{ configured, effective time.Duration }{
		{0, time.Minute}, {-1, 0}, {-time.Hour, 0}, {time.Second, time.Second}, {5 * time.Minute, 5 * time.Minute},
	} {
		v := i.verifier(t, func(c *jwks.Config) { c.Leeway = test.configured })
		t.Run("Leeway "+test.configured.String(), func(t *testing.T) {
			t.Parallel()
			at := func(claim string, offset time.Duration) string {
				return i.tokenWith(t, i.claims().with(claim, seconds(noon.Add(offset))))
			}
			requireAccepted(t, v, at("exp", -test.effective))
			requireRefused(t, v, at("exp", -test.effective-time.Second), binding.ReasonTokenExpired)
			for _, claim := range []string{"nbf", "iat"} {
				requireAccepted(t, v, at(claim, test.effective))
				requireRefused(t, v, at(claim, test.effective+time.Second), binding.ReasonTokenNotYetValid)
			}
		})
	}
}

// Claims that nobody has verified are those of a token that lacks its audience
// and nothing else.
func TestWithoutAudience(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	without := i.claims().with("aud", "")
	token := i.tokenWith(t, without)
	longest := func(c *jwks.Config) { c.MaxTokenBytes = len(token) }
	for name, test := range map[string]struct {
		token  string
		change func(*jwks.Config)
		ok     bool
	}{
		"no aud":                     {token, nil, true},
		"no aud, the longest":        {token, longest, true},
		"no aud, a byte longer":      {i.tokenWith(t, without.with("odd", "1")), longest, false},
		"no aud, a signature by any": {token[:strings.LastIndexByte(token, '.')] + ".c2ln", nil, true},
		"no aud, and no signature":   {token[:strings.LastIndexByte(token, '.')], nil, false},
		"the right aud":              {i.goodToken(t), nil, false},
		"another aud":                {i.tokenWith(t, without.with("aud", `"https://other.example"`)), nil, false},
		"aud null":                   {i.tokenWith(t, without.with("aud", "null")), nil, false},
		"no aud, expired":            {i.tokenWith(t, without.with("exp", seconds(noon.Add(-time.Hour)))), nil, false},
		"no aud, of another issuer":  {i.tokenWith(t, without.with("iss", `"https://other.example"`)), nil, false},
		"no aud, another algorithm":  {token, func(c *jwks.Config) { c.Algorithms = []jwks.Algorithm{jwks.PS256} }, false},
		"no aud, another type":       {i.sign(t, i.header().with("typ", `"id+jwt"`).String(), without.String()), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var changes []func(*jwks.Config)
			if test.change != nil {
				changes = append(changes, test.change)
			}
			claims, ok := i.verifier(t, changes...).WithoutAudience(test.token)
			require.Equal(t, test.ok, ok)
			if ok {
				require.Equal(t, i.Issuer(), claims.Issuer())
			} else {
				require.Empty(t, claims)
			}
		})
	}
}

func TestMaxLifetime(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	expiring := func(in time.Duration) string { return i.tokenWith(t, i.claims().with("exp", seconds(noon.Add(in)))) }
	none := i.verifier(t)
	requireAccepted(t, none, expiring(100*365*24*time.Hour))
	for _, leeway := range []time.Duration{-1, time.Minute} {
		v := i.verifier(t, func(c *jwks.Config) { c.MaxLifetime, c.Leeway = 10*time.Minute, leeway })
		t.Run("E/131 leeway "+strconv.Itoa(int(max(leeway, 0).Seconds())), func(t *testing.T) {
			t.Parallel()
			most := 10*time.Minute + max(leeway, 0)
			requireAccepted(t, v, expiring(most))
			requireRefused(t, v, expiring(most+time.Second), binding.ReasonTokenLifetime)
		})
	}
}
