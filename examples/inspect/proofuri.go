package main

import (
	"fmt"
	"net/url"
	"strings"
)

// whyURI says how an htu differs from the URL of the request, for a person.
// dpop.Verifier has decided that it does. Of neither a query, a fragment or user
// information is shown.
func whyURI(claimed string, request *url.URL) []string {
	both := []string{"the request is for " + quote(shown(request))}
	htu, err := url.Parse(claimed)
	if err != nil || htu.Scheme == "" || htu.Host == "" {
		return append(both, "htu is no URI with a scheme and a host: the client must write the whole URL")
	}
	both = append([]string{"htu is " + quote(shown(htu))}, both...)
	var why []string
	add := func(format string, a ...any) { why = append(why, fmt.Sprintf(format, a...)) }
	if !strings.EqualFold(htu.Scheme, request.Scheme) {
		add("the scheme differs: behind a proxy that ends TLS both must be the one that clients use")
	}
	ours, theirs := strings.ToLower(request.Hostname()), strings.ToLower(htu.Hostname())
	switch {
	case ours == theirs:
	case strings.TrimSuffix(theirs, ".") == strings.TrimSuffix(ours, "."):
		add("the host differs by a dot at its end")
	default:
		add("the host is another: the client must write the one that it calls; behind a proxy Origins must name the proxy's")
	}
	if a, b := portOf(htu), portOf(request); a != b {
		add("the port is %s, and the request's %s; only the default port (443 for https) may be left out", quote(a), quote(b))
	}
	if htu.User != nil {
		add("htu has user information before the host, which must not be there")
	}
	if reason := whyPath(htu.EscapedPath(), request.EscapedPath()); reason != "" {
		add("%s", reason)
	}
	if why == nil {
		add("they are written differently, in a way that RFC 3986 does not take for the same")
	}
	return append(both, why...)
}

func whyPath(claimed, asked string) string {
	if claimed == "" {
		claimed = "/"
	}
	if asked == "" {
		asked = "/"
	}
	claimedPlain, _ := url.PathUnescape(claimed)
	askedPlain, _ := url.PathUnescape(asked)
	switch {
	case claimed == asked:
		return ""
	case strings.TrimSuffix(claimed, "/") == strings.TrimSuffix(asked, "/"):
		return "the path differs by a slash at its end"
	case strings.EqualFold(claimed, asked):
		return "the path differs in upper and lower case, which matters"
	case claimedPlain == askedPlain:
		return "the path is decoded in the one and percent-encoded in the other: the client must write it as it sends it"
	case collapsed(claimed) == collapsed(asked):
		return "the path differs by slashes that are doubled"
	case strings.HasSuffix(asked, claimed):
		return "the path lacks the beginning of the request's: the client must write the whole path that it calls"
	case strings.HasSuffix(claimed, asked):
		return fmt.Sprintf("the path has %s before the request's: if a proxy takes that off, it is the server's PathPrefix", quote(strings.TrimSuffix(claimed, asked)))
	}
	return "the path is another"
}

func collapsed(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	return path
}

func portOf(u *url.URL) string {
	switch port := u.Port(); {
	case port != "":
		return port
	case strings.EqualFold(u.Scheme, "http"):
		return "80"
	}
	return "443"
}

func shown(u *url.URL) string { return u.Scheme + "://" + u.Host + u.EscapedPath() }
