package binding

import (
	"net"
	"net/http"
	"net/netip"
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
	// each segment that is longer than a UUID (36 bytes), which could be a token.
	// It may still hold personal data, such as an account number.
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
		path, _, _ := strings.Cut(r.URL.Path, "?") // a client may have escaped it
		e.Path = withoutSecrets(path)
	}
}

// What is told of a path: up to 200 bytes, and no segment that is longer than a
// UUID. No JWT, no certificate and no random value of 256 bits is as short.
const (
	mostOfPath    = 200
	mostOfSegment = 36
)

// withoutSecrets returns a path without the segments that could be a token.
func withoutSecrets(path string) string {
	if len(path) > mostOfPath {
		path = path[:strings.LastIndexByte(path[:mostOfPath], '/')+1] + "..."
	}
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if len(segment) > mostOfSegment {
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
