package binding

import (
	"errors"
	"net/http"
	"strings"

	"github.com/certbound/certbound/binding/internal/grammar"
)

// A scheme is how the credentials of a request were sent.
type scheme int

const (
	schemeNone    scheme = iota // no credentials, or another scheme
	schemeBearer                // RFC 6750 §2.1
	schemeDPoP                  // RFC 9449 §7.1
	schemeSeveral               // more than one Authorization field
)

// errNoProofs names the cure of what is refused for want of a ProofVerifier.
var errNoProofs = errors.New("binding: tokens that are bound to a DPoP key need Config.Proofs")

// credentials takes the access token from the Authorization field, the only
// place where it is looked for: a token in the query or the body (RFC 6750
// §2.2, §2.3) is no credential and changes nothing.
func credentials(header http.Header, acceptDPoP bool) (token string, as scheme, refusal *Error) {
	fields := header["Authorization"]
	switch {
	case len(fields) == 0 || len(fields) == 1 && fields[0] == "":
		return "", schemeNone, &Error{Reason: ReasonCredentialsMissing}
	case len(fields) > 1:
		// RFC 9110 §11.6.2: not a list. Which one would a proxy have checked?
		return "", schemeSeveral, &Error{Reason: ReasonCredentialsAmbiguous}
	}
	// A scheme ends at the first space. It also ends here at other bytes that
	// cannot be in its name, so that those get the answer of a malformed Bearer
	// credential.
	name, rest := fields[0], ""
	if end := strings.IndexFunc(fields[0], func(c rune) bool { return c <= ' ' || c >= 0x7f }); end >= 0 {
		name, rest = fields[0][:end], fields[0][end:]
	}
	switch {
	case strings.EqualFold(name, "Bearer"): // RFC 9110 §11.1: case-insensitive
		as = schemeBearer
	case strings.EqualFold(name, "DPoP") && acceptDPoP:
		as = schemeDPoP
	case strings.EqualFold(name, "DPoP"):
		return "", schemeNone, &Error{Reason: ReasonCredentialsUnsupported, Cause: errNoProofs}
	default:
		return "", schemeNone, &Error{Reason: ReasonCredentialsUnsupported}
	}
	token = strings.TrimLeft(rest, " ")
	if token == rest || !grammar.IsB64Token(token) { // RFC 6750 §2.1: "Bearer" 1*SP b64token
		return "", as, &Error{Reason: ReasonCredentialsMalformed}
	}
	return token, as, nil
}
