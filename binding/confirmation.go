package binding

import "github.com/certbound/certbound/binding/internal/strictjson"

// A confirmation is what a token is bound to: nothing, a certificate, a DPoP
// key, or both. Then each must be proven.
type confirmation struct {
	hasCertificate bool
	hasKey         bool
	certificate    Thumbprint
	key            KeyThumbprint
}

// confirmationOf reads the value of a cnf claim that is present (RFC 7800 §3.1,
// RFC 8705 §3.1, RFC 9449 §6.1).
//
// A confirmation has three states: absent (then this is not called); naming a
// certificate, a key or both; and anything else. Anything else is an error
// under every policy, because a binding that we cannot check is not a missing
// binding: RFC 7800 §3.1 lets an application require that it understands the
// members, and this one does.
func confirmationOf(value string) (confirmation, *Error) {
	var memory [4]strictjson.Member
	members, err := strictjson.AppendObject(memory[:0], value)
	if err != nil { // null, a string, a number, an array
		return confirmation{}, &Error{Reason: ReasonConfirmationMalformed, Cause: err}
	}
	var c confirmation
	for _, m := range members {
		var digest [thumbprintBytes]byte
		var refusal *Error
		switch m.Name {
		case "x5t#S256":
			digest, refusal = digestOf(m.Value)
			c.hasCertificate, c.certificate = true, digest
		case "jkt":
			digest, refusal = digestOf(m.Value)
			c.hasKey, c.key = true, digest
		case "jwk", "jwe", "jku":
			// RFC 7800 §3.1: at most one of the members names a key. These name a key
			// that we cannot ask the client to prove.
			refusal = &Error{Reason: ReasonConfirmationUnsupported}
		}
		// RFC 7800 §3.1: members that are not understood are ignored. kid only
		// says which of a key's names is meant.
		if refusal != nil {
			return confirmation{}, refusal
		}
	}
	if !c.hasCertificate && !c.hasKey { // {}, or only members that we do not understand
		return confirmation{}, &Error{Reason: ReasonConfirmationUnsupported}
	}
	return c, nil
}

// digestOf reads the JSON string that both members are: one rule for both.
func digestOf(value string) ([thumbprintBytes]byte, *Error) {
	text, ok := strictjson.String(value)
	if !ok {
		return [thumbprintBytes]byte{}, &Error{Reason: ReasonThumbprintMalformed}
	}
	return parseDigest(text)
}
