package dpop_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/dpop"
)

// proofFor is a good proof but for its htu.
func proofFor(htu string) string {
	return es256().sign(es256().header().String(), goodClaims().with("htu", quote(htu)).String())
}

func TestURI(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	other := binding.ReasonProofURI
	for name, test := range map[string]struct {
		target, htu string
		want        binding.Reason
	}{
		"L/331 another path":                                    {"/accounts", origin + "/payments", other},
		"L/331 a longer path":                                   {"/accounts", origin + "/accounts/1", other},
		"L/331 another host":                                    {"/accounts", "https://evil.example/accounts", other},
		"L/331 a host that ends in ours":                        {"/accounts", "https://an.api.example/accounts", other},
		"L/331 a host that begins with ours":                    {"/accounts", "https://api.example.evil.example/accounts", other},
		"L/331 another port":                                    {"/accounts", origin + ":8443/accounts", other},
		"L/331 http":                                            {"/accounts", "http://api.example/accounts", other},
		"L/331 http, our port":                                  {"/accounts", "http://api.example:443/accounts", other},
		"L/331 https, the port of http":                         {"/accounts", origin + ":80/accounts", other},
		"L/331 wss":                                             {"/accounts", "wss://api.example/accounts", other},
		"L/332 the request has a query":                         {"/accounts?page=2", origin + "/accounts", accepted},
		"L/333 htu with query and fragment":                     {"/accounts", origin + "/accounts?a=b#c", accepted},
		"L/333 htu with the request's query":                    {"/accounts?page=2", origin + "/accounts?page=2", accepted},
		"L/333 ? alone":                                         {"/accounts", origin + "/accounts?", accepted},
		"L/333 # alone":                                         {"/accounts", origin + "/accounts#", accepted},
		"L/333 a ? in the fragment":                             {"/accounts", origin + "/accounts#a?b", accepted},
		"L/333 a path in the query":                             {"/accounts", origin + "?/accounts", other},
		"L/333 an authority in the fragment":                    {"/accounts", "https:#//api.example/accounts", other},
		"L/334 capitals":                                        {"/accounts", "HTTPS://API.EXAMPLE/accounts", accepted},
		"L/334 :443":                                            {"/accounts", origin + ":443/accounts", accepted},
		"L/334 a bare colon":                                    {"/accounts", origin + ":/accounts", accepted},
		"L/334 no path for /":                                   {"/", origin, accepted},
		"L/334 no path, a query, for /":                         {"/?a", origin + "?a", accepted},
		"L/334 / for /":                                         {"/", origin + "/", accepted},
		"L/334 no path for //":                                  {"//", origin, other},
		"L/334 no path for /.":                                  {"/.", origin, other},
		"L/334 no path for another":                             {"/accounts", origin, other},
		"L/335 :0443":                                           {"/accounts", origin + ":0443/accounts", other},
		"L/335 :443:443":                                        {"/accounts", origin + ":443:443/accounts", other},
		"L/335 :443:":                                           {"/accounts", origin + ":443:/accounts", other},
		"L/335 no authority":                                    {"/accounts", "https:///accounts", other},
		"L/335 one slash":                                       {"/accounts", "https:/api.example/accounts", other},
		"L/335 three slashes":                                   {"/accounts", "https:///api.example/accounts", other},
		"L/336 a path in another case":                          {"/accounts", origin + "/Accounts", other},
		"L/336 a slash more":                                    {"/accounts", origin + "/accounts/", other},
		"L/336 a slash less":                                    {"/accounts/", origin + "/accounts", other},
		"L/336 two slashes":                                     {"/accounts", origin + "//accounts", other},
		"L/336 two slashes in both":                             {"//accounts", origin + "//accounts", accepted},
		"L/336 two slashes in the request":                      {"//accounts", origin + "/accounts", other},
		"L/336 path parameters":                                 {"/accounts", origin + "/accounts;v=1", other},
		"L/337 %61 in the claim":                                {"/accounts", origin + "/%61ccounts", accepted},
		"L/337 %61 in the request":                              {"/%61ccounts", origin + "/accounts", accepted},
		"L/337 %7E and ~":                                       {"/%7euser", origin + "/~user", accepted},
		"L/337 the first and last letters and digits":           {"/azAZ09", origin + "/%61%7A%41%5A%30%39", accepted},
		"L/337 %2f and %2F":                                     {"/a%2fb", origin + "/a%2Fb", accepted},
		"L/337 %c3%a9":                                          {"/%c3%a9", origin + "/%C3%A9", accepted},
		"L/338 a%2Fb requested, a/b claimed":                    {"/a%2Fb", origin + "/a/b", other},
		"L/338 a/b requested, a%2Fb claimed":                    {"/a/b", origin + "/a%2Fb", other},
		"L/338 %3B and ;":                                       {"/a%3Bb", origin + "/a;b", other},
		"L/338 ; and %3B":                                       {"/a;b", origin + "/a%3Bb", other},
		"L/338 ! and %21":                                       {"/a!b", origin + "/a%21b", other},
		"L/338 %25 and %":                                       {"/%2541", origin + "/A", other},
		"L/338 + and a space":                                   {"/a+b", origin + "/a%20b", other},
		"L/339 dots in the claim":                               {"/accounts", origin + "/x/../accounts", accepted},
		"L/339 dots behind two slashes":                         {"//accounts", origin + "//x/../accounts", accepted},
		"L/339 a dot in the claim":                              {"/accounts", origin + "/./accounts", accepted},
		"L/339 encoded dots in the claim":                       {"/accounts", origin + "/x/%2e%2e/accounts", accepted},
		"L/339 dots that climb over the root":                   {"/accounts", origin + "/../../accounts", accepted},
		"L/339 dots at the end":                                 {"/a/", origin + "/a/b/..", accepted},
		"L/339 a dot at the end":                                {"/a/", origin + "/a/.", accepted},
		"L/339 dots that leave nothing":                         {"/", origin + "/a/..", accepted},
		"L/339 three dots are a name":                           {"/accounts", origin + "/.../accounts", other},
		"L/339 dots before two slashes":                         {"//accounts", origin + "/a/..//accounts", accepted},
		"L/340 dots in the request":                             {"/x/../accounts", origin + "/accounts", other},
		"L/340 a dot in the request":                            {"/./accounts", origin + "/accounts", other},
		"L/340 encoded dots in the request":                     {"/x/%2e%2e/accounts", origin + "/accounts", other},
		"L/340 dots in both":                                    {"/x/../accounts", origin + "/x/../accounts", accepted},
		"L/340 dots in both, encoded in one":                    {"/x/%2e%2e/accounts", origin + "/x/../accounts", accepted},
		"L/341 userinfo":                                        {"/accounts", "https://user@api.example/accounts", other},
		"L/341 an empty userinfo":                               {"/accounts", "https://@api.example/accounts", other},
		"L/341 userinfo that is ours":                           {"/accounts", "https://api.example@evil.example/accounts", other},
		"L/341 a backslash for a slash":                         {"/accounts", `https://api.example\accounts`, other},
		"L/341 a backslash before userinfo":                     {"/accounts", `https://api.example\@evil.example/accounts`, other},
		"L/341 a backslash in the path":                         {"/accounts", origin + `/x\..\accounts`, other},
		"L/341 a backslash in the path, encoded in the request": {"/a%5Cb", origin + `/a\b`, other},
		"L/341 DEL, encoded in the request":                     {"/a%7Fb", origin + "/a\x7fb", other},
		"L/341 %4@, which is no %49":                            {"/I", origin + "/%4@", other},
		"L/341 %4., which is no %FE":                            {"/%FE", origin + "/%4.", other},
		"L/341 %G1, which is no %01":                            {"/%01", origin + "/%G1", other},
		"L/341 %0G, which is no %10":                            {"/%10", origin + "/%0G", other},
		"L/341 a space in the path":                             {"/a%20b", origin + "/a b", other},
		"L/341 a space in front":                                {"/accounts", " " + origin + "/accounts", other},
		"L/341 a space behind":                                  {"/accounts", origin + "/accounts ", other},
		"L/341 a tab":                                           {"/accounts", "https://api.\texample/accounts", other},
		"L/341 a line end":                                      {"/accounts", origin + "/acc\nounts", other},
		"L/341 NUL":                                             {"/accounts", origin + "/accounts\x00", other},
		"L/341 %zz":                                             {"/accounts", origin + "/%zz", other},
		"L/341 % at the end":                                    {"/accounts", origin + "/accounts%", other},
		"L/341 %4 at the end":                                   {"/accounts", origin + "/accounts%4", other},
		"L/341 %00":                                             {"/accounts", origin + "/accounts%00", other},
		"L/341 relative":                                        {"/accounts", "/accounts", other},
		"L/341 without a scheme":                                {"/accounts", "//api.example/accounts", other},
		"L/341 without a scheme and its colon":                  {"/accounts", "api.example/accounts", other},
		"L/341 a scheme alone":                                  {"/accounts", "https://", other},
		"L/342 a dot behind the host":                           {"/accounts", "https://api.example./accounts", other},
		"L/342 an encoded host":                                 {"/accounts", "https://%61pi.example/accounts", other},
		"L/342 a U-label":                                       {"/accounts", "https://bücher.example/accounts", other},
		"L/342 an encoded U-label":                              {"/accounts", "https://b%C3%BCcher.example/accounts", other},
		"a bar, which net/http lets through, in both":           {"/a|b", origin + "/a|b", accepted},
		"a bar, which net/http lets through, encoded":           {"/a|b", origin + "/a%7Cb", accepted},
		"a quote, which net/http lets through, encoded":         {`/a"b`, origin + "/a%22b", accepted},
		"UTF-8, which net/http lets through, encoded":           {"/é", origin + "/%C3%A9", accepted},
		"# in the request is no fragment":                       {"/a#b", origin + "/a#b", other},
		"# in the request, encoded in the claim":                {"/a#b", origin + "/a%23b", accepted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireAnswer(t, v, received(t, "GET "+test.target+" HTTP/1.1\r\nHost: api.example\r\n", proofFor(test.htu)), test.want)
		})
	}
}

// received is a request as net/http reads it from a connection.
func received(t *testing.T, head, proof string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + "DPoP: " + proof + "\r\n\r\n")))
	require.NoError(t, err)
	return r
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, func(c *dpop.Config) {
		c.Origins = []string{"https://XN--Bcher-KVA.example:443/", "https://[2001:DB8::1]:8443", "HTTPS://api.example:", "https://az.example"}
	})
	for name, test := range map[string]struct {
		htu  string
		want binding.Reason
	}{
		"L/343 an A-label":                                {"https://xn--bcher-kva.example/accounts", accepted},
		"L/343 an A-label in capitals":                    {"https://XN--BCHER-KVA.EXAMPLE/accounts", accepted},
		"L/343 an IPv6 literal":                           {"https://[2001:db8::1]:8443/accounts", accepted},
		"L/343 an IPv6 literal in capitals":               {"https://[2001:DB8::1]:8443/accounts", accepted},
		"L/344 another spelling of the address":           {"https://[2001:db8:0::1]:8443/accounts", binding.ReasonProofURI},
		"L/344 without its port":                          {"https://[2001:db8::1]/accounts", binding.ReasonProofURI},
		"L/344 braces for its brackets":                   {"https://{2001:db8::1}:8443/accounts", binding.ReasonProofURI},
		"L/343 the first and the last letter in capitals": {"https://AZ.example/accounts", accepted},
		"any of the origins":                              {"https://api.example/accounts", accepted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireAnswer(t, v, get(proofFor(test.htu)), test.want)
		})
	}
}

// However a target may be written that the htu of a proof fits, the proof is good for one request.
func TestOneUseOfAnHTUThatFitsManyTargets(t *testing.T) {
	t.Parallel()
	htus := []string{"", "?a", "/", "/.", "/v1", "/v1/", "/v1/.", "/v1/..", "/v1/x/..", "/v1/x/../../v1", "/v1/x/../../v1/", "/x/../v1", "/x/../v1/", "/v1/../v1", "/v1/../v1/"}
	for _, base := range []string{"", "/v1", "/v1/..", "/%2E"} {
		htus = append(htus, base+"/accounts", base+"/./accounts", base+"/x/../accounts", base+"/x/%2e%2E/accounts", base+"/%61ccounts", base+"/../accounts", base+"//accounts", base+"/x/..//accounts", base+"/accounts/.", base+"/accounts/", base+"/accounts/x/..")
	}
	targets := []string{"/accounts?x", "http://other.example", "http://other.example/accounts"}
	for _, htu := range htus {
		for _, target := range []string{htu, strings.TrimPrefix(htu, "/v1")} {
			if strings.HasPrefix(target, "/") && !slices.Contains(targets, target) {
				targets = append(targets, target)
			}
		}
	}
	for _, prefix := range []string{"", "/v1", "/v1/.."} {
		v := newVerifier(t, func(c *dpop.Config) { c.PathPrefix = prefix })
		spellings := 0
		for _, htu := range htus {
			proof := proofFor(origin + htu)
			first, fits := "", 0
			for _, target := range targets {
				_, err := use(t, v, received(t, "GET "+target+" HTTP/1.1\r\nHost: x\r\n", proof))
				switch {
				case err == nil && first == "":
					first = target
				case err == nil:
					require.Fail(t, "used twice", "prefix %q, htu %q: for %q and for %q", prefix, htu, first, target)
				case binding.AsError(err).Reason == binding.ReasonProofReplayed:
					fits++
				}
			}
			spellings = max(spellings, fits)
		}
		require.Greater(t, spellings, 2)
	}
}

// Whatever a request says of its own origin, it decides nothing.
func TestOriginIsNeverTheRequests(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	prefixed := newVerifier(t, func(c *dpop.Config) { c.PathPrefix = "/%76%31/a%2fb" })
	t.Run("L/345 Host", func(t *testing.T) {
		t.Parallel()
		for _, host := range []string{"evil.example", "evil.example:443", "", "api.example.", "a,b"} {
			requireRefused(t, v, received(t, "GET /accounts HTTP/1.1\r\nHost: "+host+"\r\n", proofFor("https://evil.example/accounts")), binding.ReasonProofURI)
			requireAccepted(t, v, received(t, "GET /accounts HTTP/1.1\r\nHost: "+host+"\r\n", proofFor(origin+"/accounts")))
		}
	})
	t.Run("L/346 forwarded fields", func(t *testing.T) {
		t.Parallel()
		const fields = "Host: api.example\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Prefix: /x\r\n" +
			"Forwarded: host=evil.example;proto=https\r\nOrigin: https://evil.example\r\nX-Original-URL: /other\r\n"
		requireRefused(t, v, received(t, "GET /accounts HTTP/1.1\r\n"+fields, proofFor("https://evil.example/accounts")), binding.ReasonProofURI)
		requireRefused(t, v, received(t, "GET /accounts HTTP/1.1\r\n"+fields, proofFor(origin+"/other")), binding.ReasonProofURI)
		requireAccepted(t, v, received(t, "GET /accounts HTTP/1.1\r\n"+fields, proofFor(origin+"/accounts")))
	})
	t.Run("L/347 behind a proxy", func(t *testing.T) {
		t.Parallel()
		head := "GET /accounts HTTP/1.1\r\nHost: 10.0.0.1:8080\r\n"
		requireAccepted(t, v, received(t, head, proofFor(origin+"/accounts")))
		requireAccepted(t, prefixed, received(t, head, proofFor(origin+"/v1/a%2Fb/accounts")))
		requireRefused(t, prefixed, received(t, head, proofFor(origin+"/accounts")), binding.ReasonProofURI)
		requireRefused(t, prefixed, received(t, head, proofFor(origin+"/v1/a/b/accounts")), binding.ReasonProofURI)
		for _, root := range []string{"/", "/?a=b", "http://10.0.0.1:8080"} { // asked for with the prefix alone, or with a slash behind it
			head := "GET " + root + " HTTP/1.1\r\nHost: 10.0.0.1:8080\r\n"
			for htu, want := range map[string]binding.Reason{"/v1/a%2fb": accepted, "/v1/a%2Fb/": accepted, "/v1/a%2Fb?a=b": accepted, "": binding.ReasonProofURI, "/": binding.ReasonProofURI, "/v1": binding.ReasonProofURI, "/v1/a%2Fb//": binding.ReasonProofURI} {
				requireAnswer(t, prefixed, received(t, head, proofFor(origin+htu)), want)
			}
			claims := goodClaims()
			requireAccepted(t, prefixed, received(t, head, signed(claims.with("htu", quote(origin+"/v1/a%2Fb")))))
			requireRefused(t, prefixed, received(t, head, signed(claims.with("htu", quote(origin+"/v1/a%2Fb/")))), binding.ReasonProofReplayed)
		}
		requireRefused(t, prefixed, received(t, head, proofFor(origin+"/v1/a%2Fb")), binding.ReasonProofURI)
	})
	t.Run("L/348 http.StripPrefix in front", func(t *testing.T) {
		t.Parallel()
		for _, target := range []string{"/api/accounts", "http://api.example/api/accounts", "https://other.example/%61pi/accounts?a=/b"} {
			for path, want := range map[string]binding.Reason{"/api/accounts": accepted, "/accounts": binding.ReasonProofURI} {
				http.StripPrefix("/api", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					require.Equal(t, "/accounts", r.URL.Path)
					requireAnswer(t, v, r, want)
				})).ServeHTTP(httptest.NewRecorder(), received(t, "GET "+target+" HTTP/1.1\r\nHost: x\r\n", proofFor(origin+path)))
			}
		}
	})
	t.Run("L/349 the absolute form", func(t *testing.T) {
		t.Parallel()
		for target, want := range map[string]binding.Reason{
			"https://other.example/accounts": accepted, "https://other.example/accounts?a": accepted, "http://other.example/%61ccounts": accepted, "http://user@other.example/accounts": accepted,
			"HTTP://other.example:80/accounts?b://c/payments": accepted, "http:///accounts": accepted,
			"https://other.example/x/../accounts": binding.ReasonProofURI, "https://other.example/a%2Faccounts": binding.ReasonProofURI,
			"https://other.example//accounts": binding.ReasonProofURI, "http://other.example?/accounts": binding.ReasonProofURI,
			"http:/accounts": binding.ReasonProofURI, "http:accounts": binding.ReasonProofURI, "http:/payments?a://b/accounts": binding.ReasonProofURI,
			"http:payments://b/accounts": binding.ReasonProofURI, "http:/payments://b/accounts": binding.ReasonProofURI,
		} {
			requireAnswer(t, v, received(t, "GET "+target+" HTTP/1.1\r\nHost: api.example\r\n", proofFor(origin+"/accounts")), want)
		}
		for _, target := range []string{"https://other.example", "https://other.example?a=/accounts", "https://other.example/"} {
			requireAccepted(t, v, received(t, "GET "+target+" HTTP/1.1\r\nHost: api.example\r\n", proofFor(origin+"/")))
		}
		// Whatever net/http makes of a path, the bytes that came decide.
		for target, htu := range map[string]string{"/a%2Fb|c": "/a%2Fb%7Cc", "/a%2Fb#c": "/a%2Fb%23c", "/a%2fb": "/a%2Fb"} {
			requireAccepted(t, v, received(t, "GET http://api.example"+target+" HTTP/1.1\r\nHost: api.example\r\n", proofFor(origin+htu)))
			requireRefused(t, v, received(t, "GET http://api.example"+target+" HTTP/1.1\r\nHost: api.example\r\n", proofFor(origin+strings.ReplaceAll(htu, "%2F", "/"))), binding.ReasonProofURI)
		}
	})
	t.Run("L/350 CONNECT and OPTIONS *", func(t *testing.T) {
		t.Parallel()
		connect := func(target, htu string) *http.Request {
			return received(t, "CONNECT "+target+" HTTP/1.1\r\nHost: api.example\r\n", es256().sign(es256().header().String(),
				goodClaims().with("htm", `"CONNECT"`).with("htu", quote(htu)).String()))
		}
		for _, htu := range []string{origin, origin + "/", origin + "/accounts", "https://api.example:443"} {
			requireRefused(t, v, connect("api.example:443", htu), binding.ReasonProofURI)
			requireRefused(t, v, connect("https://api.example/accounts", htu), binding.ReasonProofURI) // net/http finds the path //api.example/accounts in it
		}
		requireAccepted(t, v, connect("/accounts", origin+"/accounts")) // one of net/rpc, and a resource like another
		for _, htu := range []string{origin, origin + "/", origin + "/*", origin + "*"} {
			requireRefused(t, v, received(t, "OPTIONS * HTTP/1.1\r\nHost: api.example\r\n", es256().sign(es256().header().String(),
				goodClaims().with("htm", `"OPTIONS"`).with("htu", quote(htu)).String())), binding.ReasonProofURI)
		}
	})
	t.Run("a request that no server has read", func(t *testing.T) {
		t.Parallel()
		for _, r := range []*http.Request{{Method: "GET"}, {Method: "GET", URL: &url.URL{Opaque: "x"}}, {Method: "GET", URL: &url.URL{Path: "accounts"}}} {
			r.Header = http.Header{"Dpop": {proofFor(origin + "/accounts")}}
			requireRefused(t, v, r, binding.ReasonProofURI)
		}
		r := &http.Request{Method: "GET", URL: &url.URL{Path: "accounts"}, Header: http.Header{"Dpop": {proofFor(origin + "/v1/a%2Fbaccounts")}}}
		requireRefused(t, prefixed, r, binding.ReasonProofURI)
		r = &http.Request{Method: "GET", URL: &url.URL{Path: "/accounts"}, Header: http.Header{"Dpop": {proofFor(origin + "/accounts")}}}
		requireAccepted(t, v, r)
	})
}
