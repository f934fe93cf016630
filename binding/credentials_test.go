package binding_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// fields is an Authorization field by its values, and what the guard must make of it.
type fields struct {
	values []string
	reason binding.Reason // "": the token is taken from it
}

// credentialFields are values as a handler may get them: net/http's server would trim some and refuse others.
func credentialFields(token string) map[string]fields {
	const (
		missing     = binding.ReasonCredentialsMissing
		unsupported = binding.ReasonCredentialsUnsupported
		ambiguous   = binding.ReasonCredentialsAmbiguous
		malformed   = binding.ReasonCredentialsMalformed
	)
	one := func(value string, reason binding.Reason) fields { return fields{[]string{value}, reason} }
	all := map[string]fields{
		"A/1 no field":                         {nil, missing},
		"A/1 a field without values":           {[]string{}, missing},
		"A/2 empty":                            one("", missing),
		"A/3 Basic":                            one("Basic eA==", unsupported),
		"A/4 DPoP":                             one("DPoP "+token, unsupported),
		"A/5 bearer":                           one("bearer "+token, ""),
		"A/5 BEARER":                           one("BEARER "+token, ""),
		"A/5 bEaReR":                           one("bEaReR "+token, ""),
		"A/5 Bearer":                           one("Bearer "+token, ""),
		"A/5 every character and padding":      one("Bearer aZ09-._~+/==", ""),
		"A/6 Bearer alone":                     one("Bearer", malformed),
		"A/6 Bearer and a space":               one("Bearer ", malformed),
		"A/6 Bearer and spaces":                one("Bearer    ", malformed),
		"A/6 Bearer and padding":               one("Bearer ==", malformed),
		"A/7 two spaces":                       one("Bearer  "+token, ""),
		"A/7 many spaces":                      one("Bearer"+strings.Repeat(" ", 100)+token, ""),
		"A/8 tab":                              one("Bearer\t"+token, malformed),
		"A/8 space and tab":                    one("Bearer \t"+token, malformed),
		"A/8 tab and space":                    one("Bearer\t "+token, malformed),
		"A/9 two tokens":                       one("Bearer a b", malformed),
		"A/9 space at the end":                 one("Bearer "+token+" ", malformed),
		"A/10 comma-joined":                    one("Bearer "+token+", Bearer "+token, malformed),
		"A/11 comma at the end":                one("Bearer "+token+",", malformed),
		"A/12 Bearer=":                         one("Bearer="+token, unsupported),
		"A/12 BearerXYZ":                       one("BearerXYZ "+token, unsupported),
		"A/12 Bearer:":                         one("Bearer: "+token, unsupported),
		"A/12 Beare":                           one("Beare "+token, unsupported),
		"A/12 the token alone":                 one(token, unsupported),
		"A/12 space in front":                  one(" Bearer "+token, unsupported),
		"A/13 two, different":                  {[]string{"Bearer " + token, "Bearer other"}, ambiguous},
		"A/14 two, alike":                      {[]string{"Bearer " + token, "Bearer " + token}, ambiguous},
		"A/14 an empty one first":              {[]string{"", "Bearer " + token}, ambiguous},
		"A/14 an empty one last":               {[]string{"Bearer " + token, ""}, ambiguous},
		"A/14 two empty ones":                  {[]string{"", ""}, ambiguous},
		"A/15 Basic and Bearer":                {[]string{"Basic eA==", "Bearer " + token}, ambiguous},
		"A/13 two, both Basic":                 {[]string{"Basic eA==", "Basic eA=="}, ambiguous},
		"A/21 NUL in front of the token":       one("Bearer \x00"+token, malformed),
		"A/21 NUL":                             one("Bearer "+token+"\x00", malformed),
		"A/21 NUL in place of the space":       one("Bearer\x00"+token, malformed),
		"A/21 0x01":                            one("Bearer "+token+"\x01", malformed),
		"A/21 DEL":                             one("Bearer "+token+"\x7f", malformed),
		"A/21 DEL in place of the space":       one("Bearer\x7f"+token, malformed),
		"A/21 CR":                              one("Bearer "+token+"\r", malformed),
		"A/22 LF":                              one("Bearer "+token+"\nX-Other: 1", malformed),
		"A/23 obs-fold, as it would be joined": one("Bearer "+token+"\r\n "+token, malformed),
		"A/24 NBSP behind the scheme":          one("Bearer\u00a0"+token, malformed),
		"A/24 NBSP behind the space":           one("Bearer \u00a0"+token, malformed),
		"A/24 NBSP behind the token":           one("Bearer "+token+"\u00a0", malformed),
		"A/24 zero-width space":                one("Bearer "+token+"\u200b", malformed),
		"A/24 zero-width space in front":       one("Bearer \u200b"+token, malformed),
		"A/24 latin-1 byte":                    one("Bearer "+token+"\xe4", malformed),
		"A/24 latin-1 byte behind the scheme":  one("Bearer\xe4 "+token, malformed),
		"A/24 full-width scheme":               one("Ｂearer "+token, unsupported),
	}
	for _, c := range `!"%,;:@#$&'()*<>?[\]^{|}` + "`" {
		all["A/25 "+string(c)+" in the token"] = one("Bearer a"+string(c)+"b", malformed)
	}
	all["A/25 = in the middle"] = one("Bearer a=b", malformed)
	all["A/25 = in front"] = one("Bearer =a", malformed)
	return all
}

// withFields is a request with just these Authorization values.
func withFields(values []string) *http.Request {
	r := request("")
	r.Header = http.Header{}
	if values != nil {
		r.Header["Authorization"] = values
	}
	return r
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	var status = map[binding.Reason]int{
		binding.ReasonCredentialsMissing: 401, binding.ReasonCredentialsUnsupported: 401,
		binding.ReasonCredentialsAmbiguous: 400, binding.ReasonCredentialsMalformed: 400,
	}
	for name, test := range credentialFields("a.b-c_d~e+f/9==") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			guard := newGuard(t, binding.Config{
				Policy: binding.DangerouslyAcceptUnbound,
				Tokens: verifierFunc(func(_ context.Context, token string) (*binding.Token, error) {
					got = append(got, token)
					return valid(t, claims(t, nil)), nil
				}),
			})
			_, err := guard.Check(withFields(test.values))
			if test.reason != "" {
				requireRefused(t, err, test.reason, status[test.reason])
				require.Empty(t, got, "no verifier sees what is no credential")
				return
			}
			require.NoError(t, err)
			parts := strings.Fields(test.values[0])
			require.Equal(t, parts[1:], got)
		})
	}
}

// What is not in the Authorization field is no credential, and beside one it changes nothing.
func TestCredentialsAreInNoOtherPlace(t *testing.T) {
	t.Parallel()
	token := bearer(claims(t, nil))
	for name, place := range map[string]func(*http.Request) *http.Request{
		"A/17 query": func(r *http.Request) *http.Request {
			r.URL.RawQuery = "access_token=" + token
			return r
		},
		"A/18 form body": func(r *http.Request) *http.Request {
			form, err := http.NewRequest(http.MethodPost, r.URL.String(), strings.NewReader("access_token="+token))
			require.NoError(t, err)
			form.Header = r.Header
			form.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return form
		},
		"A/19 Cookie": func(r *http.Request) *http.Request {
			r.AddCookie(&http.Cookie{Name: "access_token", Value: token})
			return r
		},
		"A/19 X-Access-Token":      header("X-Access-Token", token),
		"A/19 Proxy-Authorization": header("Proxy-Authorization", "Bearer "+token),
		"A/29 Authori_zation":      header("Authori_zation", "Bearer "+token),
		"A/29 authorization, as no server stores it": func(r *http.Request) *http.Request {
			r.Header["authorization"] = []string{"Bearer " + token}
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			guard := newGuard(t, binding.Config{Policy: binding.DangerouslyAcceptUnbound})
			_, err := guard.Check(place(withFields(nil)))
			requireRefused(t, err, binding.ReasonCredentialsMissing, 401)
			require.Empty(t, refusalOf(t, err).Code())
			// A/16: beside a good one.
			_, err = guard.Check(place(withFields([]string{"Bearer " + token})))
			require.NoError(t, err)
		})
	}
}

func header(name, value string) func(*http.Request) *http.Request {
	return func(r *http.Request) *http.Request {
		r.Header.Set(name, value)
		return r
	}
}

// The DPoP scheme stands for proof, so that without one it is for tokens that x5t#S256 alone binds.
func TestAcceptDPoPScheme(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	bound := bearer(claims(t, boundTo(certificate)))
	unbound := bearer(claims(t, nil))
	jkt := bearer(claims(t, members{"cnf": members{"jkt": appendixA}}))
	both := bearer(claims(t, members{"cnf": members{"jkt": appendixA, "x5t#S256": boundTo(certificate)["cnf"].(members)["x5t#S256"]}}))
	const ok = binding.Reason("")
	for name, test := range map[string]struct {
		value string
		want  map[string]binding.Reason // by policy; "" is for all
	}{
		"bound": {"DPoP " + bound, map[string]binding.Reason{
			"RequireBound": ok, "DangerouslyAcceptUnbound": ok, "DangerouslyBearerOnly": binding.ReasonTokenBound,
		}},
		"bound, dpop":        {"dpop  " + bound, map[string]binding.Reason{"RequireBound": ok, "DangerouslyAcceptUnbound": ok}},
		"bound, Bearer":      {"Bearer " + bound, map[string]binding.Reason{"RequireBound": ok, "DangerouslyAcceptUnbound": ok}},
		"unbound":            {"DPoP " + unbound, map[string]binding.Reason{"": binding.ReasonTokenUnbound}},
		"unbound, DPOP":      {"DPOP " + unbound, map[string]binding.Reason{"": binding.ReasonTokenUnbound}},
		"F/164 bound by jkt": {"DPoP " + jkt, map[string]binding.Reason{"": binding.ReasonConfirmationDPoP}},
		"F/165 by both":      {"DPoP " + both, map[string]binding.Reason{"": binding.ReasonConfirmationDPoP}},
		"two tokens":         {"DPoP a b", map[string]binding.Reason{"": binding.ReasonCredentialsMalformed}},
		"no token":           {"DPoP", map[string]binding.Reason{"": binding.ReasonCredentialsMalformed}},
		"another name":       {"DPoPX " + bound, map[string]binding.Reason{"": binding.ReasonCredentialsUnsupported}},
		"unbound, Bearer":    {"Bearer " + unbound, map[string]binding.Reason{"DangerouslyAcceptUnbound": ok, "DangerouslyBearerOnly": ok}},
	} {
		for policy, value := range allPolicies {
			want, stated := test.want[policy]
			if !stated {
				if want, stated = test.want[""]; !stated {
					continue
				}
			}
			t.Run(name+", "+policy, func(t *testing.T) {
				t.Parallel()
				guard := newGuard(t, binding.Config{Policy: value, AcceptDPoPScheme: true})
				r := request("", certificate)
				r.Header.Set("Authorization", test.value)
				_, err := guard.Check(r)
				if want == ok {
					require.NoError(t, err)
				} else {
					require.Equal(t, want, refusalOf(t, err).Reason)
				}
				// A/4: without the option no such request gets in.
				if strings.EqualFold(test.value[:4], "DPoP") {
					_, err = newGuard(t, binding.Config{Policy: value}).Check(r)
					requireRefused(t, err, binding.ReasonCredentialsUnsupported, 401)
				}
			})
		}
	}
}
