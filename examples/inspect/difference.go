package main

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
)

// difference says in what a URL or a name differs from the one that is expected:
// a phrase for after "it".
func difference(expected, got string) string {
	switch {
	case strings.TrimSpace(got) == strings.TrimSpace(expected):
		return "differs in white space around it"
	case got+"/" == expected:
		return "lacks the slash at the end"
	case got == expected+"/":
		return "has a slash at the end"
	}
	want, err1 := url.Parse(expected)
	have, err2 := url.Parse(got)
	if err1 == nil && err2 == nil && want.Host != "" && have.Host != "" {
		if parts := differences(want, have); parts != nil {
			return "differs in " + strings.Join(parts, ", and in ")
		}
	}
	switch {
	case strings.EqualFold(got, expected):
		return fmt.Sprintf("differs in upper and lower case, from character %d on", firstDifference(expected, got))
	case err1 == nil && want.Host != "" && (got == want.Host || strings.TrimSuffix(got, "/") == want.Host+want.Path):
		return fmt.Sprintf("lacks %q in front", want.Scheme+"://")
	case err2 == nil && have.Host != "" && (expected == have.Host || strings.TrimSuffix(expected, "/") == have.Host+have.Path):
		return fmt.Sprintf("has %q in front", have.Scheme+"://")
	case strings.HasPrefix(got, expected):
		return "goes on with " + quote(got[len(expected):])
	case strings.HasPrefix(expected, got) && got != "":
		return "lacks " + quote(expected[len(got):]) + " at the end"
	}
	if at := firstDifference(expected, got); at > 8 {
		return fmt.Sprintf("differs from character %d on", at)
	}
	return "is another one"
}

// differences of two URLs, part by part.
func differences(want, have *url.URL) []string {
	var parts []string
	part := func(name, want, have string) {
		switch {
		case want == have:
		case strings.EqualFold(want, have):
			parts = append(parts, fmt.Sprintf("the %s's upper and lower case (%s, not %s)", name, quote(have), quote(want)))
		case have == "":
			parts = append(parts, fmt.Sprintf("the %s, which it lacks (%s)", name, quote(want)))
		case want == "":
			parts = append(parts, fmt.Sprintf("the %s, which it has besides (%s)", name, quote(have)))
		default:
			parts = append(parts, fmt.Sprintf("the %s (%s, not %s)", name, quote(have), quote(want)))
		}
	}
	part("scheme", want.Scheme, have.Scheme)
	part("host", want.Hostname(), have.Hostname())
	if standard := standardPort(want.Scheme); want.Port() != have.Port() && want.Scheme == have.Scheme &&
		cmp.Or(want.Port(), standard) == cmp.Or(have.Port(), standard) {
		parts = append(parts, "whether the port, "+quote(standard)+", is written out")
	} else {
		part("port", want.Port(), have.Port())
	}
	if w, h := want.EscapedPath(), have.EscapedPath(); w != h && strings.TrimSuffix(w, "/") == strings.TrimSuffix(h, "/") {
		parts = append(parts, "the slash at the end")
	} else {
		part("path", w, h)
	}
	part("query", want.RawQuery, have.RawQuery)
	part("fragment", want.Fragment, have.Fragment)
	return parts
}

func standardPort(scheme string) string {
	return map[string]string{"https": "443", "http": "80"}[scheme]
}

// firstDifference counts from 1, in bytes.
func firstDifference(a, b string) int {
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	return at + 1
}
