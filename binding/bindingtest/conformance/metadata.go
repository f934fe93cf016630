package conformance

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/certbound/certbound/binding/bindingtest"
)

// metadata is section J: the issuer's metadata, as a server finds it when it
// starts. Each case has an authorization server and a server of its own. They
// are skipped for a server that reads none, because it is told where the keys
// are.
//
// Not here: 261, which needs a refresh of the metadata.
func (s *session) metadata() []check {
	read := func() bool { return s.as.Requests(bindingtest.MetadataPaths) > 0 }
	const unread = "the server reads no metadata"
	// changed is a case in which the metadata has other members, or not all of
	// them.
	changed := func(name string, change func(i *issuer, members map[string]any)) check {
		return s.elsewhere(start{name: name, broken: true, prepare: func(i *issuer) {
			members := i.as.Metadata()
			change(i, members)
			i.as.Handle(bindingtest.MetadataPaths, document(http.StatusOK, string(must(json.Marshal(members)))))
		}}).when(read, unread)
	}
	issuerIs := func(name string, change func(string) string) check {
		return changed(name, func(i *issuer, members map[string]any) { members["issuer"] = change(i.as.Issuer()) })
	}
	broken := func(name string, h http.Handler) check {
		return s.elsewhere(start{name: name, broken: true, prepare: func(i *issuer) { i.as.Handle(bindingtest.MetadataPaths, h) }}).
			when(read, unread)
	}
	lenient := func(name string, config bindingtest.Config) check {
		return s.elsewhere(start{name: name, config: config, prepare: func(*issuer) {}}).when(read, unread)
	}
	unavailableOrGone := unavailable.or(noAnswer)
	return slices.Concat(
		// An exception for http on the loopback interface, where the kit is,
		// would be no fault.
		rule(229, "RFC 8414 §2", anything, unavailableOrGone,
			changed("jwks_uri by http", func(i *issuer, members map[string]any) {
				s.kit.trap.serve(i.as.JWKS())
				members["jwks_uri"] = s.kit.trap.plain.URL + "/jwks"
			})),
		rule(258, "RFC 8414 §3.3", refused, unavailableOrGone,
			issuerIs("issuer with a slash at the end", func(issuer string) string { return issuer + "/" }),
			issuerIs("issuer in capitals", func(issuer string) string { return strings.Replace(issuer, "https", "HTTPS", 1) }),
			issuerIs("issuer of another", func(string) string { return "https://other.example" }),
			changed("issuer missing", func(_ *issuer, members map[string]any) { delete(members, "issuer") })),
		rule(259, "RFC 8414 §3.1, OpenID Connect Discovery §4.1", anything, accepted,
			lenient("issuer with a path", bindingtest.Config{Path: "/tenant1"}),
			lenient("issuer with a slash at the end of its path", bindingtest.Config{Path: "/tenant1/"})),
		rule(260, "RFC 8414 §2", refused, unavailableOrGone,
			changed("jwks_uri missing", func(_ *issuer, members map[string]any) { delete(members, "jwks_uri") }),
			changed("jwks_uri is no URL", func(_ *issuer, members map[string]any) { members["jwks_uri"] = "keys" })),
		rule(262, "RFC 8414 §3.2", refused, unavailableOrGone,
			broken("HTML", document(http.StatusOK, "<html></html>")),
			broken("an empty body", document(http.StatusOK, "")),
			broken("500", document(http.StatusInternalServerError, "no"))),
		rule(263, "RFC 8705 §3.3", refused, invalidToken,
			s.elsewhere(start{
				name:    "tokens are not said to be bound, and another certificate comes",
				config:  bindingtest.Config{Metadata: map[string]any{"tls_client_certificate_bound_access_tokens": false}},
				prepare: func(*issuer) {},
				ask:     func(there *session) request { return bearer(there.other, there.good(there.holder)) },
			}).when(read, unread)),
		rule(264, "RFC 8414 §2.1", anything, accepted,
			lenient("signed_metadata", bindingtest.Config{Metadata: map[string]any{"signed_metadata": "eyJhbGciOiJub25lIn0.e30."}})),
	)
}

func document(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
}
