package dpop

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
)

// The URI of a request as its client wrote it is one of the origins and the path of
// the request's target (RFC 9449 §4.3), brought into the normal form of RFC 3986
// §6.2.2 and §6.2.3. What another router may take for another resource stays
// another: the case of a path, "//", a slash at its end, "%2F" for "/".

// appendRequestPath appends the normal path that was asked for, by the bytes that
// came: a prefix that a proxy took off it, and the rest.
func appendRequestPath(dst []byte, prefix string, r *http.Request) ([]byte, bool) {
	path, ok := requestPath(r)
	if !ok {
		return nil, false
	}
	return appendNormalPath(append(dst, prefix...), path)
}

// requestPath returns the path of a request's target. Nothing that decodes a
// path or takes a prefix off it (http.StripPrefix) writes RequestURI. A request
// without a path, CONNECT or "OPTIONS *", has none.
func requestPath(r *http.Request) (path string, ok bool) {
	path, _, _ = strings.Cut(r.RequestURI, "?")
	switch {
	case strings.HasPrefix(path, "/"):
		return path, true
	case r.Method == http.MethodConnect:
		return "", false
	case r.RequestURI != "":
		// RFC 9112 §3.2.2: the absolute form, whose authority is the sender's
		// word as Host is.
		_, rest, _ := strings.Cut(path, ":")
		rest, ok = strings.CutPrefix(rest, "//")
		authority, _, _ := strings.Cut(rest, "/")
		path = rest[len(authority):]
	case r.URL != nil: // no server has read the request
		path, ok = r.URL.EscapedPath(), true
	}
	if path == "" {
		path = "/" // RFC 3986 §6.2.3
	}
	return path, ok && path[0] == '/'
}

// A uriFault says how an htu differs from the request's URI.
type uriFault int

const (
	uriFits uriFault = iota
	uriOfAnotherOrigin
	uriOfAnotherPath
)

// compareURI compares a claim with the URI of one of the origins and a path
// behind a prefix, all in normal form. It returns the origin that the claim
// names.
func compareURI(htu []byte, origins []string, prefix string, path []byte) (origin string, fault uriFault) {
	// RFC 9449 §4.3: without query and fragment.
	htu, _, _ = bytes.Cut(htu, []byte("#"))
	htu, _, _ = bytes.Cut(htu, []byte("?"))
	if bytes.ContainsFunc(htu, isNowhere) {
		return "", uriOfAnotherOrigin
	}
	scheme, rest, _ := bytes.Cut(htu, []byte("://"))
	authority, _, _ := bytes.Cut(rest, []byte("/"))
	claimed := rest[len(authority):]
	var memory [256]byte
	named := appendNormalOrigin(memory[:0], scheme, authority)
	n := slices.IndexFunc(origins, func(ours string) bool { return ours == string(named) })
	if n < 0 {
		return "", uriOfAnotherOrigin
	}
	normal, ok := appendNormalPath(memory[:0], claimed)
	switch {
	case !ok:
		return "", uriOfAnotherPath
	case bytes.Equal(normal, path):
	// No path is "/" (RFC 3986 §6.2.3), which is also handed on for the prefix
	// alone. Dot segments are still there, so that no claim fits two paths that
	// identity tells apart.
	case string(normal) == prefix && len(path) == len(prefix)+1:
	case bytes.Equal(removeDotSegments(normal), path):
	default:
		return "", uriOfAnotherPath
	}
	return origins[n], uriFits
}

// isNowhere reports characters that stand nowhere in a URI and that parsers take for
// something else.
func isNowhere(c rune) bool { return c <= ' ' || c == '\\' || c == 0x7f }

// appendNormalOrigin appends scheme and authority in lower case, without the
// scheme's own port (RFC 3986 §6.2.2.1, §6.2.3). An authority that is none is one
// that no origin has.
func appendNormalOrigin(dst, scheme, authority []byte) []byte {
	start := len(dst)
	dst = appendLower(dst, scheme)
	port := ":443"
	if string(dst[start:]) == "http" {
		port = ":80"
	}
	dst = append(dst, "://"...)
	host := len(dst)
	dst = appendLower(dst, authority)
	if without, found := bytes.CutSuffix(dst[host:], []byte(port)); found {
		return dst[:host+len(without)]
	}
	without, _ := bytes.CutSuffix(dst[host:], []byte(":"))
	return dst[:host+len(without)]
}

func appendLower(dst, text []byte) []byte {
	for _, c := range text {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// appendNormalPath appends a path with its unreserved characters decoded, all
// others that are encoded in capitals (RFC 3986 §6.2.2.1, §6.2.2.2), and those
// encoded that may not stand in a path, which net/http lets through. It reports
// whether each "%" has two digits.
func appendNormalPath[T string | []byte](dst []byte, path T) ([]byte, bool) {
	const digits = "0123456789ABCDEF"
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch {
		case isPathCharacter[c]:
			dst = append(dst, c)
			continue
		case c == '%':
			if i+2 >= len(path) || !isHex(path[i+1]) || !isHex(path[i+2]) {
				return dst, false
			}
			c = fromHex(path[i+1])<<4 | fromHex(path[i+2])
			i += 2
			if isUnreserved(c) {
				dst = append(dst, c)
				continue
			}
		}
		dst = append(dst, '%', digits[c>>4], digits[c&15])
	}
	return dst, true
}

// removeDotSegments takes "." and ".." out of a path, in place (RFC 3986 §5.2.4).
func removeDotSegments(path []byte) []byte {
	out := path[:0]
	for len(path) > 0 { // what is left begins with "/"
		segment := path
		if end := bytes.IndexByte(path[1:], '/'); end >= 0 {
			segment = path[:1+end]
		}
		path = path[len(segment):]
		isLast := len(path) == 0
		switch string(segment) {
		case "/.":
		case "/..":
			out = out[:max(0, bytes.LastIndexByte(out, '/'))]
		default:
			out = append(out, segment...)
			continue
		}
		if isLast {
			out = append(out, '/')
		}
	}
	return out
}

// isUnreserved: RFC 3986 §2.3.
func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// isPathCharacter: "/" and pchar but for an encoded one (RFC 3986 §3.3).
var isPathCharacter = func() (is [256]bool) {
	for c := range is {
		is[c] = isUnreserved(byte(c)) || bytes.IndexByte([]byte("!$&'()*+,;=:@/"), byte(c)) >= 0
	}
	return is
}()

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func fromHex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
