// Package grammar holds the few productions of HTTP and OAuth 2.0 that binding
// and the packages below it share.
package grammar

import "strings"

// IsScopeToken reports whether s is a scope-token (RFC 6749 §3.3):
//
//	1*( %x21 / %x23-5B / %x5D-7E )
func IsScopeToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// IsB64Token reports whether s is a b64token (RFC 6750 §2.1), which is also the
// token68 of RFC 9110 §11.2:
//
//	1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
func IsB64Token(s string) bool {
	s = strings.TrimRight(s, "=")
	if s == "" {
		return false
	}
	// Every byte of every token is looked at. Four at a time, without a branch
	// for each, it takes half the time.
	other := byte(0)
	for ; len(s) >= 4; s = s[4:] {
		other |= notB64Token[s[0]] | notB64Token[s[1]] | notB64Token[s[2]] | notB64Token[s[3]]
	}
	for i := range len(s) {
		other |= notB64Token[s[i]]
	}
	return other == 0
}

// notB64Token is 1 for each byte that is in no b64token.
var notB64Token = func() (table [256]byte) {
	for c := range table {
		if !IsAlphanumeric(byte(c)) && strings.IndexByte("-._~+/", byte(c)) < 0 {
			table[c] = 1
		}
	}
	return table
}()

// IsAlphanumeric reports whether c is ALPHA or DIGIT (RFC 5234 appendix B.1).
func IsAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// FoldName returns the name of a header field as the least careful reader takes
// it: in lower case, with a hyphen for all that is no letter or digit. Names
// that fold to the same are one field to some server or other (CVE-2025-64484),
// so that what reads a field and what removes it must fold alike.
func FoldName(name string) string {
	folded := []byte(name)
	for i, c := range folded {
		folded[i] = fold(c)
	}
	return string(folded)
}

// FoldsTo reports whether name folds to the folded name, and allocates nothing.
func FoldsTo(name, folded string) bool {
	if len(name) != len(folded) {
		return false
	}
	for i := range len(name) {
		if fold(name[i]) != folded[i] {
			return false
		}
	}
	return true
}

func fold(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c | 0x20
	case IsAlphanumeric(c):
		return c
	}
	return '-'
}
