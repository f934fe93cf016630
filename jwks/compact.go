package jwks

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/certbound/certbound/binding"
)

// maxTokenLength is the longest token, in bytes, that is looked at.
const maxTokenLength = 16 << 10

// A jwt is a token in the JWS compact serialization (RFC 7515 §7.1), taken apart
// and read, with nothing verified.
type jwt struct {
	header       header
	claims       *binding.Token
	signingInput []byte
	signature    []byte
}

// A header is what is read of the JOSE header (RFC 7515 §4).
type header struct {
	alg      Algorithm
	typ      string // normalized; TypeAbsent if it has none
	keyID    string
	hasKeyID bool
}

// parse takes a token apart: everything about it that can be checked without
// knowing whose it is. Other serializations, JWE and nested JWTs have another
// form and end here.
func parse(token string) (*jwt, error) {
	if len(token) > maxTokenLength {
		return nil, &binding.Error{Reason: binding.ReasonTokenTooLong}
	}
	headerText, rest, _ := strings.Cut(token, ".")
	payloadText, signatureText, found := strings.Cut(rest, ".")
	if !found || strings.Contains(signatureText, ".") {
		return nil, malformed(nil)
	}
	headerBytes, ok1 := decode(headerText)
	payload, ok2 := decode(payloadText)
	signature, ok3 := decode(signatureText)
	if !ok1 || !ok2 || !ok3 {
		return nil, malformed(nil)
	}
	t := &jwt{signature: signature, signingInput: []byte(token[:len(token)-len(signatureText)-1])}
	if err := t.header.read(headerBytes); err != nil {
		return nil, err
	}
	var err error
	t.claims, err = binding.ParseToken(payload)
	return t, err
}

func malformed(cause error) error {
	return &binding.Error{Reason: binding.ReasonTokenMalformed, Cause: cause}
}

// decode reads a segment: base64url, no padding, no other character (RFC 7515
// §2), a canonical last one (RFC 4648 §3.5), and at least one byte.
func decode(segment string) ([]byte, bool) {
	// encoding/base64 passes over line ends, even when strict.
	if segment == "" || strings.ContainsAny(segment, "\r\n") {
		return nil, false
	}
	decoded, err := base64.RawURLEncoding.Strict().DecodeString(segment)
	return decoded, err == nil
}

// read reads the JOSE header. Members that could name a key of the sender's
// (jwk, jku, x5u, x5c) are not looked at, and those that have no meaning for a
// JWS neither (RFC 8725 §3.10).
func (h *header) read(text []byte) error {
	parameters, err := members(text)
	if err != nil {
		return malformed(err)
	}
	refused := &binding.Error{Reason: binding.ReasonTokenHeader}
	// RFC 7515 §4.1.11: an extension that must be understood; we understand
	// none. RFC 7797 §7: b64 is not for JWTs.
	for _, name := range []string{"crit", "b64"} {
		if _, present := parameters[name]; present {
			return refused
		}
	}
	alg, ok := stringOf(parameters["alg"])
	if !ok {
		return &binding.Error{Reason: binding.ReasonTokenAlgorithm}
	}
	h.alg = Algorithm(alg)
	h.typ = TypeAbsent
	if value, present := parameters["typ"]; present {
		typ, ok := stringOf(value)
		if !ok {
			return refused
		}
		h.typ = normalizeType(typ)
	}
	var value json.RawMessage
	if value, h.hasKeyID = parameters["kid"]; h.hasKeyID {
		h.keyID, ok = stringOf(value)
		if !ok || h.keyID == "" || len(h.keyID) > maxKeyIDLength || strings.ContainsFunc(h.keyID, isControl) {
			return refused
		}
	}
	return nil
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

// normalizeType: media types are compared without regard to case, and
// application/ may be left out (RFC 7515 §4.1.9).
func normalizeType(typ string) string {
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	if typ == TypeAbsent {
		return "" // the word is ours
	}
	return typ
}
