package binding

import "github.com/certbound/certbound/binding/internal/object"

// confirmationOf reads the value of a cnf claim that is present (RFC 7800 §3.1,
// RFC 8705 §3.1). It returns the thumbprint that the token is bound to.
//
// A confirmation has three states: absent (then this is not called), a
// certificate's, and anything else. Anything else is an error under every
// policy, because a binding that we cannot check is not a missing binding:
// RFC 7800 §3.1 lets an application require that it understands the members,
// and this one does.
func confirmationOf(value string) (Thumbprint, *Error) {
	var memory [4]object.Member
	members, err := object.AppendParse(memory[:0], value)
	if err != nil { // null, a string, a number, an array
		return Thumbprint{}, &Error{Reason: ReasonConfirmationMalformed, Cause: err}
	}
	var thumbprint, dpop *object.Member
	for i, member := range members {
		switch member.Name {
		case "x5t#S256":
			thumbprint = &members[i]
		case "jkt":
			dpop = &members[i]
		}
	}
	if dpop != nil {
		// RFC 9449 §7.2: a DPoP-bound token needs a DPoP proof, which this
		// library cannot check. Beside x5t#S256 both would have to be proven.
		return Thumbprint{}, &Error{Reason: ReasonConfirmationDPoP}
	}
	if thumbprint == nil { // {}, or only members that we do not understand
		return Thumbprint{}, &Error{Reason: ReasonConfirmationUnsupported}
	}
	text, ok := object.String(thumbprint.Value)
	if !ok {
		return Thumbprint{}, &Error{Reason: ReasonThumbprintMalformed}
	}
	parsed, err := ParseThumbprint(text)
	if err != nil {
		return Thumbprint{}, AsError(err)
	}
	// RFC 7800 §3.1: members beside it that are not understood are ignored.
	return parsed, nil
}
