package suite

import (
	"net/http"
	"strings"
	"testing"

	"github.com/certbound/certbound/binding"
)

// credentials is section A: where a token may stand and where not. Row 32 is the constructor's of package binding: no
// request comes to a guard that is not made. Row 27, 34 and others of bytes are in wire.
func (s *suite) credentials(t *testing.T) {
	site := s.guarded(t, binding.Config{})
	good := s.Good(t)
	loose := s.Good(t) // not in Authorization: a framework's log may show a query
	for _, row := range []struct {
		name    string
		request Request
		want    Answer
	}{
		{"1 no Authorization field", Request{}, NoCredentials},
		{"2 empty value", Request{Authorization: []string{""}}, NoCredentials},
		{"3 Basic", Request{Authorization: []string{"Basic eA=="}}, NoCredentials},
		{"3 Basic with a good token", Request{Authorization: []string{"Basic " + good}}, NoCredentials},
		{"3 a scheme and nothing else", Request{Authorization: []string{"Negotiate"}}, NoCredentials},
		{"4 DPoP with a good token", Request{Authorization: []string{"DPoP " + good}}, NoCredentials},
		{"5 Bearer", Request{Authorization: []string{"Bearer " + good}}, OK},
		{"5 bearer", Request{Authorization: []string{"bearer " + good}}, OK},
		{"5 BEARER", Request{Authorization: []string{"BEARER " + good}}, OK},
		{"5 bEaReR", Request{Authorization: []string{"bEaReR " + good}}, OK},
		{"6 Bearer and nothing", Request{Authorization: []string{"Bearer"}}, BadCredentials},
		{"6 Bearer and a space", Request{Authorization: []string{"Bearer "}}, BadCredentials},
		{"6 Bearer and spaces", Request{Authorization: []string{"Bearer    "}}, BadCredentials},
		{"7 two spaces", Request{Authorization: []string{"Bearer  " + good}}, OK},
		{"7 many spaces", Request{Authorization: []string{"Bearer" + strings.Repeat(" ", 100) + good}}, OK},
		{"8 tab after the scheme", Request{Authorization: []string{"Bearer\t" + good}}, BadCredentials},
		{"8 tab behind the space", Request{Authorization: []string{"Bearer \t" + good}}, BadCredentials},
		{"9 space inside", Request{Authorization: []string{"Bearer " + good + " b"}}, BadCredentials},
		{"9 space inside, short", Request{Authorization: []string{"Bearer a b"}}, BadCredentials},
		{"10 two credentials with a comma", Request{Authorization: []string{"Bearer " + good + ", Bearer " + good}}, BadCredentials},
		{"10 another scheme behind a comma", Request{Authorization: []string{"Bearer " + good + ", Basic eA=="}}, BadCredentials},
		{"10 another scheme before the comma", Request{Authorization: []string{"Basic eA==, Bearer " + good}}, NoCredentials},
		{"11 comma at the end", Request{Authorization: []string{"Bearer " + good + ","}}, BadCredentials},
		{"12 Bearer=token", Request{Authorization: []string{"Bearer=" + good}}, NoCredentials},
		{"12 BearerXYZ", Request{Authorization: []string{"BearerXYZ " + good}}, NoCredentials},
		{"12 no scheme", Request{Authorization: []string{good}}, NoCredentials},
		{"13 two fields, different", Request{Authorization: []string{"Bearer " + good, "Bearer x"}}, ManyCredentials},
		{"13 two fields, the second good", Request{Authorization: []string{"Bearer x", "Bearer " + good}}, ManyCredentials},
		{"14 two fields, identical", Request{Authorization: []string{"Bearer " + good, "Bearer " + good}}, ManyCredentials},
		{"14 two fields, one empty", Request{Authorization: []string{"", "Bearer " + good}}, ManyCredentials},
		{"14 two fields, both empty", Request{Authorization: []string{"", ""}}, ManyCredentials},
		{"15 Basic beside Bearer", Request{Authorization: []string{"Basic eA==", "Bearer " + good}}, ManyCredentials},
		{"16 a good token in the query as well", Request{Authorization: []string{"Bearer " + good}, Query: "access_token=" + loose}, OK},
		{"16 another token in the query", Request{Authorization: []string{"Bearer " + good}, Query: "access_token=x"}, OK},
		{"16 a bad token, a good one in the query", Request{Authorization: []string{"Bearer x.y.z"}, Query: "access_token=" + loose}, Malformed},
		{"17 in the query alone", Request{Query: "access_token=" + loose}, NoCredentials},
		{
			"18 in a form alone",
			Request{
				Method: http.MethodPost, Body: "access_token=" + loose,
				Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
			},
			NoCredentials,
		},
		{"19 in a cookie", Request{Header: http.Header{"Cookie": {"access_token=" + loose}}}, NoCredentials},
		{"19 in X-Access-Token", Request{Header: http.Header{"X-Access-Token": {good}}}, NoCredentials},
		{"19 in Proxy-Authorization", Request{Header: http.Header{"Proxy-Authorization": {"Bearer " + good}}}, NoCredentials},
		{"24 letter outside of ASCII", Request{Authorization: []string{"Bearer " + good + "é"}}, BadCredentials},
		{"24 NBSP before the token", Request{Authorization: []string{"Bearer \u00a0" + good}}, BadCredentials},
		{"24 NBSP in place of the space", Request{Authorization: []string{"Bearer\u00a0" + good}}, BadCredentials},
		{"24 NBSP behind the token", Request{Authorization: []string{"Bearer " + good + "\u00a0"}}, BadCredentials},
		{"24 zero-width space", Request{Authorization: []string{"Bearer \u200b" + good}}, BadCredentials},
		{"24 invalid UTF-8", Request{Authorization: []string{"Bearer " + good + "\xff"}}, BadCredentials},
		{"25 exclamation mark", Request{Authorization: []string{"Bearer " + good + "!"}}, BadCredentials},
		{"25 quotes", Request{Authorization: []string{`Bearer "` + good + `"`}}, BadCredentials},
		{"25 percent", Request{Authorization: []string{"Bearer " + good + "%20"}}, BadCredentials},
		{"25 equals sign inside", Request{Authorization: []string{"Bearer a=b"}}, BadCredentials},
		{"25 equals signs alone", Request{Authorization: []string{"Bearer =="}}, BadCredentials},
		{"26 longer than the limit", Request{Authorization: []string{"Bearer " + good + strings.Repeat("A", 16<<10)}}, TooLong},
		{"29 Authori_zation", Request{Header: http.Header{"Authori_zation": {"Bearer " + good}}}, NoCredentials},
		{"29 X-Authorization", Request{Header: http.Header{"X-Authorization": {"Bearer " + good}}}, NoCredentials},
		{"30 CORS preflight", Request{
			Method: http.MethodOptions,
			Header: http.Header{"Origin": {"https://app.example"}, "Access-Control-Request-Method": {"POST"}},
		}, NoCredentials},
		{"30 OPTIONS with a good token", Request{Method: http.MethodOptions, Authorization: []string{"Bearer " + good}}, OK},
		{"31 two fields over HTTP/2", Request{Authorization: []string{"Bearer " + good, "Bearer " + good}}, ManyCredentials},
		{"HEAD without credentials", Request{Method: http.MethodHead}, NoCredentials},
		{"POST with a good token", Request{Method: http.MethodPost, Body: "x", Authorization: []string{"Bearer " + good}}, OK},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.request.Client = s.Holder
			site.Check(t, site.Probe, row.request, row.want)
		})
	}

	t.Run("33 scope missing on a route that needs it", func(t *testing.T) {
		t.Parallel()
		site := s.serve(t, Protect(s.Guard(t, binding.Config{})), RequireScopes("payments"))
		site.Check(t, site.Probe, Bearer(s.Holder, s.Good(t, "accounts")), MissesScopes("payments"))
		site.Check(t, site.Probe, Bearer(s.Holder, s.Good(t, "accounts", "payments")), OK)
	})

	// What net/http lets through no socket another server might.
	for _, row := range []struct{ name, value string }{
		{"21 NUL", "Bearer \x00" + good},
		{"21 0x01", "Bearer " + good + "\x01"},
		{"21 0x7f", "Bearer " + good + "\x7f"},
		{"21 CR", "Bearer " + good + "\r"},
		{"21 LF", "Bearer " + good + "\nX: y"},
		{"21 CR in place of the space", "Bearer\r" + good},
		{"21 NUL in place of the space", "Bearer\x00" + good},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			site.checkDirectly(t, site.Probe, direct(row.value), BadCredentials)
		})
	}
}
