package binding_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// malformedPayloads are texts that are no single JSON object, or that can be read in two ways.
func malformedPayloads() map[string]string {
	deep := func(open, end string, depth int) string {
		return strings.Repeat(open, depth) + strings.Repeat(end, depth)
	}
	return map[string]string{
		"E/118 nothing":                        ``,
		"E/118 space":                          " \n",
		"E/118 null":                           `null`,
		"E/118 array":                          `[{"iss":"a"}]`,
		"E/118 string":                         `"{}"`,
		"E/118 number":                         `1`,
		"E/118 true":                           `true`,
		"E/118 no JSON":                        `iss=a`,
		"E/118 object cut off":                 `{"iss":"a"`,
		"E/118 object cut off in a name":       `{"is`,
		"E/118 name without quotes":            `{iss:"a"}`,
		"E/118 single quotes":                  `{'iss':'a'}`,
		"E/118 comma at the end":               `{"iss":"a",}`,
		"E/118 comment":                        `{"iss":"a"/**/}`,
		"E/118 control character in a string":  "{\"iss\":\"a\nb\"}",
		"E/119 bytes behind it":                `{"iss":"a"}x`,
		"E/119 NUL behind it":                  "{\"iss\":\"a\"}\x00",
		"E/119 two objects":                    `{"iss":"a"}{"iss":"b"}`,
		"E/119 two objects on two lines":       "{\"iss\":\"a\"}\n{\"iss\":\"b\"}",
		"E/119 a brace too many":               `{"iss":"a"}}`,
		"E/120 BOM":                            "\ufeff{\"iss\":\"a\"}",
		"E/120 invalid UTF-8 in a value":       "{\"iss\":\"a\xff\"}",
		"E/120 invalid UTF-8 in a name":        "{\"iss\xc0\x80\":\"a\"}",
		"E/120 invalid UTF-8 in a custom one":  "{\"iss\":\"a\",\"x\":{\"y\":[\"\xed\xa0\x80\"]}}",
		"E/120 UTF-16":                         "{\x00\"\x00i\x00s\x00s\x00\"\x00:\x001\x00}\x00",
		"E/121 iss twice":                      `{"iss":"a","iss":"a"}`,
		"E/121 sub twice":                      `{"sub":"a","x":1,"sub":"b"}`,
		"E/121 aud twice":                      `{"aud":"a","aud":["a"]}`,
		"E/121 exp twice":                      `{"exp":1,"exp":2}`,
		"E/121 cnf twice":                      `{"cnf":null,"cnf":{}}`,
		"E/121 scope twice":                    `{"scope":"a","scope":"b"}`,
		"E/121 client_id twice":                `{"client_id":"a","client_id":"b"}`,
		"E/121 a custom one twice":             `{"x":1,"x":1}`,
		"E/121 the empty name twice":           `{"":1,"":1}`,
		"E/121 twice, by an escape":            `{"exp":1,"\u0065xp":2}`,
		"E/121 twice, by two escapes":          `{"\u0065xp":1,"e\u0078p":2}`,
		"E/121 twice, by lone surrogates":      `{"\ud800":1,"\ud801":2}`,
		"E/121 twice, one level down":          `{"x":{"a":1,"a":2}}`,
		"E/121 twice, in an array":             `{"x":[1,{"a":1,"a":2}]}`,
		"E/121 twice, ten levels down":         strings.Repeat(`{"x":[`, 10) + `{"a":1,"a":2}` + strings.Repeat(`]}`, 10),
		"E/121 twice, behind an object":        `{"a":{"b":1},"a":1}`,
		"E/121 twice, behind 23 other names":   `{` + manyMembers(23) + `,"n0":1}`,
		"E/121 twice, behind 24 other names":   `{` + manyMembers(24) + `,"n23":1}`,
		"E/121 twice, behind 1,000 names":      `{` + manyMembers(1000) + `,"n0":1}`,
		"E/121 twice, the last of 1,000 names": `{` + manyMembers(1000) + `,"n999":1}`,
		"E/144 objects 65 deep":                strings.Repeat(`{"x":`, 64) + `{}` + strings.Repeat(`}`, 64),
		"E/144 arrays and an object 65 deep":   `{"x":` + deep(`[`, `]`, 64) + `}`,
		"E/144 arrays 20,000 deep":             `{"x":` + deep(`[`, `]`, 20_000) + `}`,
		"E/144 objects 20,000 deep":            strings.Repeat(`{"x":`, 20_000) + `1` + strings.Repeat(`}`, 20_000),
		"E/124 exp NaN":                        `{"exp":NaN}`,
		"E/124 exp Infinity":                   `{"exp":Infinity}`,
		"E/128 exp with a leading zero":        `{"exp":01}`,
		"E/128 exp with a plus sign":           `{"exp":+1}`,
		"E/128 exp in hex":                     `{"exp":0x7fffffff}`,
	}
}

func manyMembers(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`"n%d":%d`, i, i)
	}
	return strings.Join(all, ",")
}

func TestParseClaimsRefusesWhatIsNotOneUnambiguousObject(t *testing.T) {
	t.Parallel()
	for name, payload := range malformedPayloads() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parsed, err := binding.ParseClaims([]byte(payload))
			require.Zero(t, parsed)
			requireRefused(t, err, binding.ReasonTokenMalformed, 401)
		})
	}
}

// wrongClaims are members of which one has a type or a form that its claim cannot have.
func wrongClaims() map[string]string {
	all := map[string]string{
		"E/138 aud empty":                          `"aud":""`,
		"E/138 aud array with a number":            `"aud":[1,"` + audience + `"]`,
		"E/138 aud array with an empty one":        `"aud":["","` + audience + `"]`,
		"E/138 aud array with null":                `"aud":["` + audience + `",null]`,
		"E/138 aud object":                         `"aud":{}`,
		"E/138 aud array in an array":              `"aud":[["` + audience + `"]]`,
		"E/138 aud number":                         `"aud":1`,
		"E/138 aud true":                           `"aud":true`,
		"E/142 jti object":                         `"jti":{}`,
		"E/142 jti number":                         `"jti":1`,
		"E/143 scope number":                       `"scope":1`,
		"E/143 scope object":                       `"scope":{"accounts":true}`,
		"E/143 scope true":                         `"scope":true`,
		"E/143 scope with two spaces":              `"scope":"accounts  payments"`,
		"E/143 scope with a space at its start":    `"scope":" accounts"`,
		"E/143 scope with a space at its end":      `"scope":"accounts "`,
		"E/143 scope of a space":                   `"scope":" "`,
		"E/143 scope with a tab":                   `"scope":"accounts\tpayments"`,
		"E/143 scope with a line feed":             `"scope":"accounts\npayments"`,
		"E/143 scope with a quote":                 `"scope":"acc\"ounts"`,
		"E/143 scope with a backslash":             `"scope":"acc\\ounts"`,
		"E/143 scope beyond ASCII":                 `"scope":"käse"`,
		"E/143 scope with DEL":                     "\"scope\":\"a\x7f\"",
		"E/143 scope array with an empty one":      `"scope":["accounts",""]`,
		"E/143 scope array with two in one":        `"scope":["accounts payments"]`,
		"E/143 scope array with a number":          `"scope":["accounts",1]`,
		"E/143 scope array in an array":            `"scope":[["accounts"]]`,
		"E/143 scope array with an object":         `"scope":["accounts",{}]`,
		"E/142 azp array, where client_id is gone": `"azp":["a"]`,
	}
	for _, name := range []string{"iss", "sub", "client_id"} {
		row := map[string]string{"iss": "E/135 ", "sub": "E/142 ", "client_id": "E/142 "}[name] + name
		for form, value := range map[string]string{
			"number": `1`, "true": `true`, "array": `["a"]`, "empty array": `[]`, "object": `{}`, "empty": `""`,
			"string in a string's array": `[["` + issuer + `"]]`,
		} {
			all[row+" "+form] = fmt.Sprintf("%q:%s", name, value)
		}
	}
	for _, name := range []string{"exp", "nbf", "iat"} {
		row := map[string]string{"exp": "124 ", "nbf": "132 ", "iat": "134 "}[name] + name
		for form, value := range map[string]string{
			"true": `true`, "false": `false`, "array": `[]`, "array of a number": `[1]`, "object": `{}`,
			"string of digits": `"1800000060"`, "RFC 3339": `"2027-01-15T08:01:00Z"`, "empty": `""`,
			"negative": `-1`, "negative zero": `-0`, "negative fraction": `-0.1`, "1e400": `1e400`, "1e300": `1e300`,
			"2^63-1": `9223372036854775807`, "2^63": `9223372036854775808`, "10^20": `100000000000000000000`,
			"the year 10000": `253402300800`, "the year 10000, fraction": `253402300800.5`, "milliseconds": `1800000060000`,
		} {
			all["E/"+row+" "+form] = fmt.Sprintf("%q:%s", name, value)
		}
	}
	for form, value := range map[string]string{"0": `0`, "0.0": `0.0`, "0.5": `0.5`, "0e9": `0e9`, "1e-400": `1e-400`} {
		all["E/126 exp "+form] = `"exp":` + value
	}
	return all
}

func TestParseClaimsRefusesClaimsOfTheWrongType(t *testing.T) {
	t.Parallel()
	for name, member := range wrongClaims() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Alone, and between others: the place of a claim changes nothing.
			for _, payload := range []string{`{` + member + `}`, `{"x":1, ` + member + ` ,"y":{}}`} {
				parsed, err := binding.ParseClaims([]byte(payload))
				require.Zero(t, parsed)
				requireRefused(t, err, binding.ReasonTokenClaims, 401)
			}
		})
	}
}

func TestParseClaimsReadsNothingThatIsNotThere(t *testing.T) {
	t.Parallel()
	require.Empty(t, mustParse(t, []byte(` { } `)).Issuer())
	token := validWith(t, `"x":1`)
	require.Empty(t, token.Subject())
	require.Empty(t, token.ClientID())
	require.Empty(t, token.Scopes())
	require.False(t, token.HasScope(""))
	require.True(t, token.Expiry().IsZero())
	require.True(t, token.NotBefore().IsZero())
	require.True(t, token.IssuedAt().IsZero())
	_, bound := token.Thumbprint()
	require.False(t, bound)
	_, bound = token.KeyThumbprint()
	require.False(t, bound)
	require.False(t, token.Bound())
}

func TestParseClaimsReadsTheClaims(t *testing.T) {
	t.Parallel()
	parsed := mustParse(t, []byte(`{"iss":"https:\/\/auth.bank.example","sub":"\u00e4lice","aud":["a","b"],"client_id":"c",
		"exp":1800000060,"nbf":1799999999.25,"iat":1.8e9,"jti":"","scope":"accounts payments:read","cnf":{"x5t#S256":"`+appendixA+`"},
		"ISS":1,"Aud":null,"eXp":"never","Scope":[1],"CLIENT_ID":{}}`))
	require.Equal(t, issuer, parsed.Issuer())
	token, err := parsed.Validate(binding.Expect{Issuer: issuer, Audiences: []string{"b"}, Now: now})
	require.NoError(t, err)
	require.Equal(t, issuer, token.Issuer())
	require.Equal(t, "älice", token.Subject())
	require.Equal(t, []string{"a", "b"}, token.Audience())
	require.Equal(t, "c", token.ClientID())
	require.True(t, token.Expiry().Equal(time.Unix(1_800_000_060, 0)))
	require.True(t, token.NotBefore().Equal(time.Unix(1_799_999_999, 250_000_000)))
	require.True(t, token.IssuedAt().Equal(time.Unix(1_800_000_000, 0)))
	require.Equal(t, []string{"accounts", "payments:read"}, token.Scopes())
	thumbprint, bound := token.Thumbprint()
	require.True(t, bound)
	require.Equal(t, appendixA, thumbprint.String())
}

func TestParseClaimsReadsDates(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Time{
		"1":              time.Unix(1, 0),
		"1800000000":     now,
		"1800000000.0":   now,
		"1800000000.5":   now.Add(500 * time.Millisecond),
		"1.8e9":          now,
		"18E8":           now,
		"18000000000e-1": now,
		"253402300799":   time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		t.Run("E/129 exp "+value, func(t *testing.T) {
			t.Parallel()
			token := validWith(t, `"exp":`+value)
			require.True(t, want.Equal(token.Expiry()), token.Expiry())
		})
	}
}

func TestParseClaimsReadsScopes(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]string{
		`"accounts"`:              {"accounts"},
		`"accounts payments"`:     {"accounts", "payments"},
		`"!#[]~ a:b/c"`:           {"!#[]~", "a:b/c"},
		`"a a"`:                   {"a", "a"},
		`""`:                      nil,
		`[]`:                      nil,
		`["accounts"]`:            {"accounts"},
		`[ "a" , "\u0062" ,"c" ]`: {"a", "b", "c"},
	} {
		t.Run("E/143 "+value, func(t *testing.T) {
			t.Parallel()
			token := validWith(t, `"scope":`+value)
			require.ElementsMatch(t, want, token.Scopes())
			for _, scope := range want {
				require.True(t, token.HasScope(scope))
			}
			require.False(t, token.HasScope(""))
			require.False(t, token.HasScope("Accounts"))
			require.False(t, token.HasScope("acc"))
			require.False(t, token.HasScope("accounts payments"))
		})
	}
}

func TestParseClaimsReadsTheClientFromTheFirstClaimThatIsPresent(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]string{
		`"appid":"4","cid":"3","azp":"2","client_id":"1"`: "1",
		`"appid":"4","cid":"3","azp":"2"`:                 "2",
		`"appid":"4","cid":"3"`:                           "3",
		`"appid":"4"`:                                     "4",
		`"azp":7,"client_id":"1"`:                         "1", // one that is not read may be anything
		`"Client_ID":"1","sub":"s"`:                       "",
	} {
		require.Equal(t, want, validWith(t, payload).ClientID(), payload)
	}
}

// E/144: what no claim of ours is stays as it came, and only its grammar is looked at.
func TestParseClaimsKeepsOtherClaims(t *testing.T) {
	t.Parallel()
	token := validWith(t, `"big":1e999,"long":`+strings.Repeat("9", 1000)+`,"EXP":"never","deep":`+
		strings.Repeat("[", 62)+`{}`+strings.Repeat("]", 62)+`,`+manyMembers(1000))
	var all map[string]json.RawMessage
	require.NoError(t, token.Claims(&all))
	require.JSONEq(t, `"never"`, string(all["EXP"]))
	require.Equal(t, "1e999", string(all["big"]))
	require.Len(t, all["long"], 1000)
	require.Len(t, all, 1006)
}

// E/141: the time that a long list takes grows with its length, not with its square.
func TestParseClaimsReadsAHugeAudience(t *testing.T) {
	t.Parallel()
	list := strings.Repeat(`"x",`, 100_000)
	token := valid(t, claims(t, members{"aud": json.RawMessage(`[` + list + `"` + audience + `"]`)}))
	require.Len(t, token.Audience(), 100_001)
}

// What permits less if it is absent is absent if it is null, in a JWT too.
func TestNullIsAbsentWhereTheTokenThenPermitsLess(t *testing.T) {
	t.Parallel()
	payload := claims(t, members{
		"scope": null, "sub": null, "client_id": null, "jti": null, "acr": null, "auth_time": null,
		"scp": null, "roles": []string{"read"}, "cid": null, "azp": "client-2",
	})
	for name, test := range map[string]struct {
		scopeClaims, clientIDClaims []string
		scopes                      []string
		clientID                    string
	}{
		"N/429 the default names":       {nil, nil, nil, "client-2"},
		"N/429 the next name is read":   {[]string{"scp", "scope", "roles"}, []string{"cid", "client_id", "azp"}, []string{"read"}, "client-2"},
		"N/429 null under a name alone": {[]string{"scp"}, []string{"cid"}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expect := good
			expect.ScopeClaims, expect.ClientIDClaims = test.scopeClaims, test.clientIDClaims
			token, err := mustParse(t, payload).Validate(expect)
			require.NoError(t, err)
			require.ElementsMatch(t, test.scopes, token.Scopes())
			require.Equal(t, test.clientID, token.ClientID())
			require.Empty(t, token.Subject())
			require.Empty(t, token.ID())
			require.Empty(t, token.ACR())
			require.True(t, token.AuthTime().IsZero())
		})
	}
}

// In an introspection response null, and an aud of nothing, is absent; in a JWT it is malformed.
func TestNullIsAbsentFromAnAnswerAlone(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]json.RawMessage{
		"iss": null, "exp": null, "nbf": null, "iat": null, "aud": null, "aud of nothing": json.RawMessage("[ \n]"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claim, _, _ := strings.Cut(name, " ")
			parsed := mustParse(t, claims(t, members{claim: value, "token_type": "Bearer"}))
			_, err := parsed.Validate(good)
			requireRefused(t, err, binding.ReasonTokenClaims, 401)
			require.ErrorContains(t, refusalOf(t, err).Cause, "claim "+claim+" is null", "M/397")

			expect := good
			expect.Introspection, expect.DangerouslyAcceptMissingAudience = true, true
			token, err := parsed.Validate(expect)
			require.NoError(t, err, "M/395, M/396")
			require.NoError(t, token.ValidAt(now, 0))
			if claim == "aud" {
				require.Empty(t, token.Audience())
				expect.DangerouslyAcceptMissingAudience = false
				_, err = parsed.Validate(expect)
				requireRefused(t, err, binding.ReasonTokenAudience, 401)
			}
		})
	}
	// A list that is not of nothing is no list of nothing.
	for _, aud := range []string{`[]]`, `[""]`, `[null]`, `[[]]`, `{}`} {
		_, err := binding.ParseClaims([]byte(`{"aud":` + aud + `}`))
		require.Equal(t, 401, refusalOf(t, err).StatusCode(), aud)
	}
}
