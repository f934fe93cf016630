package conformance

import (
	"net/http"
	"slices"
	"strings"
)

// credentials is section A: where a token may stand and where not.
//
// Not here: 21, bytes that no socket carries; 22 and 27, which are the HTTP
// server's to decide; 32, a configuration; 34, which needs a resource that
// takes a body.
func (s *session) credentials() []check {
	good := s.good(s.holder)
	loose := s.good(s.holder) // not in Authorization: a log may show a query
	with := func(name string, fields ...string) check {
		return s.probe(name, request{client: s.holder, authorization: fields})
	}
	elsewhere := func(name string, header http.Header) check {
		return s.probe(name, request{client: s.holder, header: header})
	}
	wire := func(name, fields string) check { return s.probe(name, request{client: s.holder, wire: fields}) }
	return slices.Concat(
		rule(1, "RFC 6750 §3, §3.1", challenged, noCredentials,
			with("no Authorization field")),
		rule(2, "RFC 6750 §3.1", refused, noCredentials,
			with("empty Authorization", "")),
		rule(3, "RFC 6750 §3.1", refused, noCredentials,
			with("Basic", "Basic eA=="),
			with("Basic with a good token", "Basic "+good),
			with("a scheme and nothing else", "Negotiate")),
		rule(4, "RFC 6750 §3.1, RFC 9449 §7.1", refused, noCredentials.or(dpopChallenged),
			with("DPoP with a good token and no proof", "DPoP "+good)),
		rule(5, "RFC 9110 §11.1", accepted, accepted,
			with("Bearer", "Bearer "+good),
			with("bearer", "bearer "+good),
			with("BEARER", "BEARER "+good),
			with("bEaReR", "bEaReR "+good)),
		rule(6, "RFC 6750 §2.1, §3.1", refused, invalidRequest,
			with("Bearer and nothing", "Bearer"),
			with("Bearer and spaces", "Bearer    ")),
		rule(7, "RFC 6750 §2.1, RFC 9110 §11.4", accepted, accepted,
			with("two spaces", "Bearer  "+good)),
		rule(8, "RFC 6750 §2.1", anything, invalidRequest,
			with("tab after the scheme", "Bearer\t"+good),
			with("tab behind the space", "Bearer \t"+good)),
		rule(9, "RFC 6750 §2.1", refused, invalidRequest,
			with("a second word behind the token", "Bearer "+good+" b").expect(anything, invalidRequest),
			with("two words", "Bearer a b")),
		rule(10, "RFC 9110 §11.6.2", anything, invalidRequest,
			with("two credentials with a comma", "Bearer "+good+", Bearer "+good),
			with("a bad and a good one with a comma", "Bearer x, Bearer "+good).expect(refused, invalidRequest)),
		rule(11, "RFC 6750 §2.1", anything, invalidRequest,
			with("comma at the end", "Bearer "+good+",")),
		rule(12, "RFC 9110 §11.1", anything, noCredentials,
			with("Bearer=token", "Bearer="+good),
			with("BearerXYZ token", "BearerXYZ "+good),
			with("no scheme", good)),
		rule(13, "RFC 6750 §3.1", anything, invalidRequest,
			with("two Authorization fields, the second bad", "Bearer "+good, "Bearer x"),
			with("two Authorization fields, the first bad", "Bearer x", "Bearer "+good)),
		rule(14, "RFC 6750 §3.1", anything, invalidRequest,
			with("two Authorization fields, identical", "Bearer "+good, "Bearer "+good),
			with("two Authorization fields, one empty", "", "Bearer "+good)),
		rule(15, "RFC 6750 §3.1", anything, invalidRequest,
			with("Basic beside Bearer", "Basic eA==", "Bearer "+good)),
		rule(16, "RFC 6750 §2", anything, accepted,
			s.probe("another token in the query as well", request{client: s.holder, authorization: []string{"Bearer " + good}, query: "access_token=x"}),
			s.probe("a bad token, a good one in the query", request{client: s.holder, authorization: []string{"Bearer x.y.z"}, query: "access_token=" + loose}).
				expect(refused, invalidToken)),
		rule(17, "RFC 6750 §2.3", anything, noCredentials,
			s.probe("a token in the query alone", request{client: s.holder, query: "access_token=" + loose})),
		rule(18, "RFC 6750 §2.2", anything, refused,
			s.probe("a token in a form alone", request{
				client: s.holder, method: http.MethodPost, body: "access_token=" + loose,
				header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
			})),
		rule(19, "RFC 6750 §2", anything, noCredentials,
			elsewhere("a token in a cookie", http.Header{"Cookie": {"access_token=" + good}}),
			elsewhere("a token in X-Access-Token", http.Header{"X-Access-Token": {good}}),
			elsewhere("a token in Proxy-Authorization", http.Header{"Proxy-Authorization": {"Bearer " + good}})),
		// RFC 9110 §5.5: NUL and CR may be replaced by a space as well.
		rule(20, "RFC 9110 §5.5", anything, rejected.or(noAnswer),
			wire("NUL inside", "Authorization: Bearer "+good+"\x00"),
			wire("0x01 inside", "Authorization: Bearer \x01"+good).expect(refused, rejected.or(noAnswer)),
			wire("bare CR inside", "Authorization: Bearer "+good+"\rx")),
		rule(23, "RFC 9112 §5.2", anything, rejected,
			wire("obs-fold behind the token", "Authorization: Bearer "+good+"\r\n x")),
		rule(24, "RFC 6750 §2.1, RFC 7515 §5.2", refused, rejected,
			with("a letter outside of ASCII behind the token", "Bearer "+good+"\u00e9"),
			with("NBSP behind the token", "Bearer "+good+"\u00a0").expect(anything, rejected),
			with("zero-width space before the token", "Bearer \u200b"+good).expect(anything, rejected),
			with("a byte that is not UTF-8", "Bearer "+good+"\xff")),
		rule(25, "RFC 6750 §2.1, RFC 7515 §5.2", refused, rejected,
			with("exclamation mark", "Bearer "+good+"!"),
			with("quotes", `Bearer "`+good+`"`).expect(anything, rejected),
			with("percent", "Bearer "+good+"%20"),
			with("equals sign inside", "Bearer a=b")),
		rule(26, "CVE-2025-30204", refused, rejected,
			with("a token of 16 KiB and more", "Bearer "+good+strings.Repeat("A", 16<<10))),
		rule(28, "RFC 9112 §5.1", refused, badRequest,
			wire("space before the colon", "Authorization : Bearer "+good)),
		rule(29, "RFC 9110 §5.1", refused, noCredentials,
			elsewhere("Authori_zation", http.Header{"Authori_zation": {"Bearer " + good}}),
			elsewhere("X-Authorization", http.Header{"X-Authorization": {"Bearer " + good}})),
		rule(30, "RFC 6750 §3.1", anything, noCredentials.or(withStatus(http.StatusMethodNotAllowed)).or(withStatus(http.StatusNotFound)),
			s.probe("a CORS preflight that comes through", request{client: s.nobody, method: http.MethodOptions, header: http.Header{
				"Origin": {"https://app.example"}, "Access-Control-Request-Method": {"POST"},
			}})),
		rule(31, "RFC 9113 §8.2.3", anything, invalidRequest,
			s.probe("two fields over HTTP/2", request{client: s.holder, http2: true, authorization: []string{"Bearer " + good, "Bearer " + good}})),
		rule(33, "RFC 6750 §3.1", refused, insufficientScope,
			s.probe("a scope is missing", request{
				client: s.holder, method: s.kit.config.ScopeMethod, path: s.kit.config.ScopePath, authorization: []string{"Bearer " + good},
			}).
				when(func() bool { return s.kit.config.ScopePath != "" }, "no ScopePath is configured")),
	)
}
