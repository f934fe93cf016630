package forwarded

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/certbound/certbound/binding/internal/grammar"
)

// A field is a header that is read: its canonical name, and the name in the
// form to which the least careful reader folds it.
type field struct{ name, folded string }

// What a request has of a field.
type presence int

const (
	absent    presence = iota
	single             // exactly one value
	ambiguous          // several, or one under a name that only looks like it
)

// read returns the one value of the field. A name that folds to the same
// letters, such as X_Client_Cert beside X-Client-Cert, makes it ambiguous: a
// proxy that drops one lets the other pass, and a reader that takes both for
// the same header believes the client in place of the proxy (CVE-2025-64484,
// GHSA-f59h-q822-g45g). A key that is not in canonical form does so too.
func (f field) read(header http.Header) (value string, found presence) {
	for name, values := range header {
		if len(values) == 0 || !grammar.FoldsTo(name, f.folded) {
			continue
		}
		if len(values) > 1 || name != f.name {
			return "", ambiguous // RFC 9440 §2.2: not a list
		}
		value, found = values[0], single
	}
	return value, found
}

// reserved are header fields with a meaning of their own: hop-by-hop (RFC 9110
// §7.6.1), which a proxy drops, and those of HTTP and of what runs over it,
// which must not be stripped from a request or be mistaken for a certificate.
var reserved = []string{
	"connection", "keep-alive", "te", "trailer", "trailers", "transfer-encoding", "upgrade", "http2-settings",
	"accept", "accept-charset", "accept-encoding", "accept-language", "allow", "alt-used", "authorization",
	"cache-control", "content-digest", "content-disposition", "content-encoding", "content-language", "content-length",
	"content-location", "content-range", "content-type", "cookie", "cookie2", "date", "dpop", "early-data", "expect",
	"forwarded", "from", "host", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since",
	"idempotency-key", "last-modified", "link", "location", "max-forwards", "origin", "pragma", "prefer", "priority",
	"range", "referer", "server", "set-cookie", "signature", "signature-input", "traceparent", "tracestate",
	"user-agent", "vary", "via", "want-digest", "www-authenticate", "x-real-ip", "x-request-id",
	"x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-http-method-override",
}

// reservedPrefixes are whole families of such fields.
var reservedPrefixes = []string{"proxy-", "sec-", "access-control-"}

// headerProblem says why a header may not be the one that is read, or "".
func headerProblem(name string) string {
	switch folded := grammar.FoldName(name); {
	case !isToken(name):
		return fmt.Sprintf("%q is not a field name (RFC 9110 section 5.1)", name)
	case http.CanonicalHeaderKey(name) != name:
		// Under another name two map entries would mean one header
		// (CVE-2026-33433).
		return fmt.Sprintf("%q is not in canonical form: write %q", name, http.CanonicalHeaderKey(name))
	case slices.Contains(reserved, folded),
		slices.ContainsFunc(reservedPrefixes, func(p string) bool { return strings.HasPrefix(folded, p) }):
		return fmt.Sprintf("%q is hop-by-hop, or has a meaning of its own in HTTP", name)
	}
	return ""
}

// isToken: 1*tchar, RFC 9110 §5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !grammar.IsAlphanumeric(c) && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// allFieldValues reports whether each is what a header's value can be: visible
// characters, with single bytes of whitespace within at most (RFC 9110 §5.5).
func allFieldValues(values []string) bool {
	return !slices.ContainsFunc(values, func(s string) bool {
		return s == "" || strings.TrimSpace(s) != s || strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' })
	})
}
