package jwks_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// What real issuers need: each option, what it admits, and what it still refuses.

func TestTokenTypes(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	typed := func(typ string) string { return i.token(t, i.header().with("typ", typ)) }
	for name, test := range map[string]struct {
		types              []string
		admits, refusesAll []string
	}{
		"C/106 nil is at+jwt": {nil,
			[]string{`"at+jwt"`, `"AT+JWT"`, `"At+Jwt"`, `"application/at+jwt"`, `"APPLICATION/AT+JWT"`},
			[]string{`"JWT"`, `"jwt"`, ``, `"absent"`, `"application/jwt"`}},
		"C/106 at+jwt by its long name": {[]string{"Application/AT+JWT"},
			[]string{`"at+jwt"`, `"application/at+jwt"`},
			[]string{`"JWT"`, ``}},
		"C/107 JWT": {[]string{"JWT"},
			[]string{`"JWT"`, `"jwt"`, `"application/jwt"`},
			[]string{`"at+jwt"`, ``, `"absent"`}},
		"C/107 absent": {[]string{jwks.TypeAbsent},
			[]string{``},
			[]string{`"at+jwt"`, `"JWT"`, `"absent"`, `"application/absent"`, `"ABSENT"`, `""`, `"application/"`}},
		"C/107 all three": {[]string{"at+jwt", "JWT", jwks.TypeAbsent},
			[]string{`"at+jwt"`, `"application/AT+jwt"`, `"JWT"`, ``},
			[]string{`"absent"`, `""`}},
	} {
		v := i.verifier(t, func(c *jwks.Config) { c.TokenTypes = test.types })
		for _, typ := range test.admits {
			t.Run(name+" admits "+typ, func(t *testing.T) {
				t.Parallel()
				requireAccepted(t, v, typed(typ))
			})
		}
		// C/108: refused whatever is configured.
		for _, typ := range append(test.refusesAll, `"logout+jwt"`, `"dpop+jwt"`, `"secevent+jwt"`, `"token-introspection+jwt"`,
			`"oauth-authz-req+jwt"`, `"vc+sd-jwt"`, `"JOSE"`, `"at+jwt "`, `"at jwt"`, `"at+jwt;v=1"`, `"text/at+jwt"`,
			`"application/application/at+jwt"`, `"jwt+at"`, `"id+jwt"`, `"JWS"`, `"\u0000"`) {
			t.Run("C/108 "+name+" refuses "+typ, func(t *testing.T) {
				t.Parallel()
				requireRefused(t, v, typed(typ), binding.ReasonTokenType)
			})
		}
	}
}

// Without a type of its own an access token is told from others by its claims
// alone (RFC 8725 §3.12).
func TestOtherKindsOfToken(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	strict := i.verifier(t)
	lenient := i.verifier(t, func(c *jwks.Config) { c.TokenTypes = []string{"at+jwt", "JWT", jwks.TypeAbsent} })
	token := func(typ, name, text string) string {
		return i.sign(t, i.header().with("typ", typ).String(), i.claims().with(name, text).String())
	}
	for name, claim := range map[string][2]string{
		"nonce":                       {"nonce", `"x"`},
		"at_hash":                     {"at_hash", `"x"`},
		"c_hash":                      {"c_hash", `"x"`},
		"s_hash":                      {"s_hash", `"x"`},
		"events":                      {"events", `{}`},
		"nonce null":                  {"nonce", `null`},
		"Keycloak's typ ID":           {"typ", `"ID"`},
		"Keycloak's typ Refresh":      {"typ", `"Refresh"`},
		"Keycloak's typ Offline":      {"typ", `"Offline"`},
		"Keycloak's typ Logout":       {"typ", `"Logout"`},
		"Keycloak's typ, a number":    {"typ", `1`},
		"Cognito's token_use id":      {"token_use", `"id"`},
		"Hydra's token_use refresh":   {"token_use", `"refresh_token"`},
		"token_use, another spelling": {"token_use", `"Access"`},
	} {
		t.Run("C/110 "+name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, lenient, token(`"JWT"`, claim[0], claim[1]), binding.ReasonTokenType)
			requireRefused(t, lenient, token("", claim[0], claim[1]), binding.ReasonTokenType)
			// Where the header says what it is, the claims need not (RFC 9068 §2.1).
			requireAccepted(t, lenient, token(`"at+jwt"`, claim[0], claim[1]))
			requireAccepted(t, strict, token(`"application/at+jwt"`, claim[0], claim[1]))
			requireRefused(t, strict, token(`"JWT"`, claim[0], claim[1]), binding.ReasonTokenType)
		})
	}
	for name, claim := range map[string][2]string{
		"Keycloak's typ Bearer":         {"typ", `"Bearer"`},
		"Keycloak's typ DPoP":           {"typ", `"DPoP"`},
		"token_use access":              {"token_use", `"access"`},
		"token_use access_token":        {"token_use", `"access_token"`},
		"nothing":                       {"odd", `1`},
		"auth_time and acr (RFC 9068)":  {"auth_time", `1`},
		"NONCE, which is another claim": {"NONCE", `"x"`},
	} {
		t.Run("C/110 an access token with "+name, func(t *testing.T) {
			t.Parallel()
			requireAccepted(t, lenient, token(`"JWT"`, claim[0], claim[1]))
			requireAccepted(t, lenient, token("", claim[0], claim[1]))
		})
	}
}

func TestScopeClaims(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	both := i.claims().with("scope", `"a b"`).with("scp", `["c"]`).with("permissions", `["d"]`)
	for name, test := range map[string]struct {
		names  []string
		claims raw
		want   []string
		reason binding.Reason
	}{
		"nil is scope":                       {nil, both, []string{"a", "b"}, ""},
		"nil does not read scp":              {nil, both.with("scope", ""), nil, ""},
		"scp as an array":                    {[]string{"scp"}, both, []string{"c"}, ""},
		"scp as a string":                    {[]string{"scp"}, both.with("scp", `"c d"`), []string{"c", "d"}, ""},
		"permissions":                        {[]string{"permissions"}, both, []string{"d"}, ""},
		"the first that is present":          {[]string{"scp", "scope"}, both, []string{"c"}, ""},
		"the next where it is absent":        {[]string{"scp", "scope"}, both.with("scp", ""), []string{"a", "b"}, ""},
		"an empty one is present":            {[]string{"scp", "scope"}, both.with("scp", `[]`), []string{}, ""},
		"only scp, and scope is no scope":    {[]string{"scp"}, both.with("scp", ""), nil, ""},
		"names match exactly":                {[]string{"SCP"}, both, nil, ""},
		"N/429 null":                         {[]string{"scp"}, both.with("scp", `null`), nil, ""},
		"N/429 null, and the next is read":   {[]string{"scp", "scope"}, both.with("scp", `null`), []string{"a", "b"}, ""},
		"an object":                          {[]string{"scp"}, both.with("scp", `{"a":1}`), nil, binding.ReasonTokenClaims},
		"with a space in an array":           {[]string{"scp"}, both.with("scp", `["c d"]`), nil, binding.ReasonTokenClaims},
		"with a quote":                       {[]string{"scp"}, both.with("scp", `["c\""]`), nil, binding.ReasonTokenClaims},
		"scope malformed though scp is read": {[]string{"scp"}, both.with("scope", `1`), nil, binding.ReasonTokenClaims},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := i.verifier(t, func(c *jwks.Config) { c.ScopeClaims = test.names })
			if test.reason != "" {
				requireRefused(t, v, i.tokenWith(t, test.claims), test.reason)
				return
			}
			text := i.tokenWith(t, test.claims)
			for range 2 { // the second time it was seen before
				token := requireAccepted(t, v, text)
				require.Equal(t, test.want, token.Scopes())
				require.Equal(t, "app", token.ClientID())
			}
		})
	}
}

func TestClientIDClaims(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	all := i.claims().with("azp", `"b"`).with("cid", `"c"`).with("appid", `"d"`).with("own", `"e"`).with("scope", `"s"`)
	for name, test := range map[string]struct {
		names  []string
		claims raw
		want   string
		reason binding.Reason
	}{
		"nil: client_id":               {nil, all, "app", ""},
		"nil: then azp":                {nil, all.with("client_id", ""), "b", ""},
		"nil: then cid":                {nil, all.with("client_id", "").with("azp", ""), "c", ""},
		"nil: then appid":              {nil, all.with("client_id", "").with("azp", "").with("cid", ""), "d", ""},
		"nil: none":                    {nil, i.claims().with("client_id", ""), "", ""},
		"nil does not read others":     {nil, i.claims().with("client_id", "").with("own", `"e"`), "", ""},
		"one of its own":               {[]string{"own"}, all, "e", ""},
		"the first that is present":    {[]string{"own", "azp"}, all, "e", ""},
		"the next where it is absent":  {[]string{"own", "azp"}, all.with("own", ""), "b", ""},
		"own alone, and absent":        {[]string{"own"}, all.with("own", ""), "", ""},
		"empty":                        {[]string{"own"}, all.with("own", `""`), "", binding.ReasonTokenClaims},
		"a number":                     {[]string{"own"}, all.with("own", `1`), "", binding.ReasonTokenClaims},
		"N/429 null, the next is read": {[]string{"own", "azp"}, all.with("own", `null`), "b", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := i.verifier(t, func(c *jwks.Config) { c.ClientIDClaims = test.names })
			if test.reason != "" {
				requireRefused(t, v, i.tokenWith(t, test.claims), test.reason)
				return
			}
			text := i.tokenWith(t, test.claims)
			for range 2 { // the second time it was seen before
				token := requireAccepted(t, v, text)
				require.Equal(t, test.want, token.ClientID())
				if test.claims["scope"] != "" {
					require.Equal(t, []string{"s"}, token.Scopes())
				}
			}
		})
	}
}

func TestAudiencesAnyOfThem(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	configured := []string{"https://a.example", "urn:b"}
	v := i.verifier(t, func(c *jwks.Config) { c.Audiences = configured })
	configured[0] = "https://evil.example" // New has a copy
	for aud, accepted := range map[string]bool{
		`"https://a.example"`: true, `"urn:b"`: true, `["x","urn:b"]`: true,
		`"https://evil.example"`: false, `"https://api.example"`: false, `["x","y"]`: false,
	} {
		token := i.tokenWith(t, i.claims().with("aud", aud))
		if accepted {
			requireAccepted(t, v, token)
			continue
		}
		requireRefused(t, v, token, binding.ReasonTokenAudience)
	}
}
