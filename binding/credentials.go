package binding

import (
	"net/http"
	"strings"
)

// credentials takes the access token from the Authorization field, the only
// place where it is looked for: a token in the query or the body (RFC 6750
// §2.2, §2.3) is no credential and changes nothing.
func credentials(header http.Header, acceptDPoP bool) (token string, dpop bool, refusal *Error) {
	fields := header["Authorization"]
	switch {
	case len(fields) == 0 || len(fields) == 1 && fields[0] == "":
		return "", false, &Error{Reason: ReasonCredentialsMissing}
	case len(fields) > 1:
		// RFC 9110 §11.6.2: not a list. Which one would a proxy have checked?
		return "", false, &Error{Reason: ReasonCredentialsAmbiguous}
	}
	// A scheme ends at the first space. Ending it at other bytes that cannot be
	// in a name as well gives those the answer of a malformed Bearer credential.
	scheme, rest := fields[0], ""
	if end := strings.IndexFunc(fields[0], func(c rune) bool { return c <= ' ' || c >= 0x7f }); end >= 0 {
		scheme, rest = fields[0][:end], fields[0][end:]
	}
	switch {
	case strings.EqualFold(scheme, "Bearer"): // RFC 9110 §11.1: case-insensitive
	case strings.EqualFold(scheme, "DPoP") && acceptDPoP:
		dpop = true
	default:
		return "", false, &Error{Reason: ReasonCredentialsUnsupported}
	}
	token = strings.TrimLeft(rest, " ")
	if token == rest || !isB64Token(token) { // RFC 6750 §2.1: "Bearer" 1*SP b64token
		return "", false, &Error{Reason: ReasonCredentialsMalformed}
	}
	return token, dpop, nil
}

// isB64Token: 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=".
func isB64Token(s string) bool {
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
		if !isAlnum(byte(c)) && strings.IndexByte("-._~+/", byte(c)) < 0 {
			table[c] = 1
		}
	}
	return table
}()
