package binding

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// An Event is one decision of a guard, for logs and metrics. It never holds a
// token or a certificate. Of a token's claims it holds Issuer and ClientID: the
// authorization server vouches for them but chose their text freely, so quote
// them in a log. The same goes for Method and Path, which the client chose.
type Event struct {
	// Err is the refusal, with its reason and its cause; nil if the request was
	// accepted.
	Err *Error

	// Issuer and ClientID are those of a token that its verifier has accepted,
	// and "" otherwise: nothing unverified is in an event.
	Issuer, ClientID string

	// Binding says what the token, once verified, is bound to: "none",
	// "certificate", "key" (RFC 9449 §6) or "both". It is "" where no token was
	// verified.
	Binding string

	// Duration is how long the decision took, including the wait for keys. It is
	// 0 for a refusal by [CheckScopes] and the like.
	Duration time.Duration

	// Method and Path are those of a refused request, and "" for an accepted one.
	// The path has no query, at most about 200 bytes, and "..." in the place of
	// each segment that could be a token: that is longer than 20 bytes, or than 36
	// if it has lower-case letters and hyphens alone. It may still hold personal
	// data, such as an account number.
	Method, Path string

	// Route is the pattern that a refused request matched (http.Request.Pattern),
	// without a method: "/accounts/{id}". It is "" if the guard is in front of the
	// router, which then has not looked yet, or if the router tells nobody.
	Route string

	// Peer is the IP address from which a refused request came, without port and
	// zone: the client's, or that of a proxy. It is what http.Request.RemoteAddr
	// says, which middleware may have taken from a header: never decide by it. It
	// is "" over a unix socket.
	Peer string
}

// Accepted reports whether the request was accepted.
func (e Event) Accepted() bool { return e.Err == nil }

// Reason returns why the request was refused, or "" if it was accepted.
func (e Event) Reason() Reason {
	if e.Err == nil {
		return ""
	}
	return e.Err.Reason
}

// concerns says which request the event is about.
func (e *Event) concerns(r *http.Request) {
	e.Method, e.Route, e.Peer = withoutSecrets(r.Method), routeOf(r.Pattern), peerOf(r.RemoteAddr)
	if r.URL != nil {
		e.Path = pathOf(r.URL)
	}
}

// What is told of a path: no random value of 128 bits (RFC 6749 §10.10) is as
// short as a segment may be, in base64url, in hexadecimal or as a UUID.
const (
	mostOfPath    = 200
	mostOfSegment = 20
	mostOfWords   = 36 // "domestic-payment-consents"
)

// pathOf returns what is told of a path. A segment is what stands between two
// slashes of the path as it came: one that a client has escaped parts none.
func pathOf(u *url.URL) string {
	path := shortened(u.EscapedPath(), len("%2F")*mostOfPath)               // before it is taken apart: it may be a megabyte
	path, _, _ = strings.Cut(strings.ReplaceAll(path, "%3f", "%3F"), "%3F") // an escaped query
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		decoded, _ := url.PathUnescape(segment) // EscapedPath is valid
		if strings.Contains(decoded, "/") {
			decoded = "..."
		}
		segments[i] = decoded
	}
	return withoutSecrets(strings.Join(segments, "/"))
}

// shortened returns a path that is longer than most without what follows the last
// slash before that: no part of a segment is told.
func shortened(path string, most int) string {
	if len(path) > most {
		return path[:strings.LastIndexByte(path[:most], '/')+1] + "..."
	}
	return path
}

// withoutSecrets returns a path without the segments that could be a token.
func withoutSecrets(path string) string {
	segments := strings.Split(shortened(path, mostOfPath), "/")
	for i, segment := range segments {
		isWords := strings.Trim(segment, "abcdefghijklmnopqrstuvwxyz-") == ""
		if len(segment) > mostOfWords || len(segment) > mostOfSegment && !isWords {
			segments[i] = "..."
		}
	}
	return strings.Join(segments, "/")
}

// routeOf returns the pattern of a route without its method.
func routeOf(pattern string) string {
	if end := strings.IndexAny(pattern, " \t/"); end >= 0 && pattern[end] != '/' {
		return strings.TrimLeft(pattern[end:], " \t")
	}
	return pattern
}

// peerOf returns the IP address in an address, or "".
func peerOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address // some middleware leaves no port
	}
	host, _, _ = strings.Cut(host, "%")
	if _, err := netip.ParseAddr(host); err != nil {
		return ""
	}
	return host
}
