package jws

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/certbound/certbound/binding"
)

// MaxLength is the longest token, in bytes, that is looked at.
const MaxLength = 16 << 10

// A Message is a JWS in the compact serialization (RFC 7515 §7.1), taken apart,
// with nothing verified and its payload not read.
type Message struct {
	Header  Header
	Payload []byte

	SigningInput []byte
	Signature    []byte

	headerText string // as it came
	known      bool   // Headers knew it
	memory     []byte // of what was decoded, and of the signing input
}

// A Header is what is read of the JOSE header (RFC 7515 §4).
type Header struct {
	Alg      string
	Typ      string // normalized; TypeAbsent if it has none
	KeyID    string
	HasKeyID bool
}

// TypeAbsent is the Typ of a header without typ.
const TypeAbsent = "absent"

// Parse takes a token apart. Other serializations and JWE have another form and
// end here. The error is a [*binding.Error], with a reason of the token.
func Parse(token string) (Message, error) {
	var m Message
	if err := (*Headers)(nil).Parse(&m, token); err != nil {
		return Message{}, err
	}
	return m, nil
}

// Parse takes a token apart as the function Parse does, into m, whose memory it
// uses again: of what m was before nothing may be in use. A header that h knows
// is not read again. With an error m is as after Clear.
func (h *Headers) Parse(m *Message, token string) error {
	m.Clear()
	err := h.parse(m, token)
	if err != nil {
		m.Clear()
	}
	return err
}

func (h *Headers) parse(m *Message, token string) error {
	if len(token) > MaxLength {
		return &binding.Error{Reason: binding.ReasonTokenTooLong}
	}
	headerText, rest, _ := strings.Cut(token, ".")
	_, signatureText, found := strings.Cut(rest, ".")
	if !found || strings.Contains(signatureText, ".") {
		return malformed(nil)
	}
	// The token's bytes, and behind them what its segments decode to: at once,
	// because what is there must stay where it is.
	m.memory = append(slices.Grow(m.memory, len(token)+base64.RawURLEncoding.DecodedLen(len(token))), token...)
	text := m.memory
	headerEnd, payloadEnd := len(headerText), len(token)-len(signatureText)-1
	m.headerText, m.SigningInput = headerText, text[:payloadEnd:payloadEnd]
	var header []byte
	ok1, ok2, ok3 := true, false, false
	if m.Header, m.known = h.find(headerText); !m.known {
		header, ok1 = m.decode(text[:headerEnd])
	}
	m.Payload, ok2 = m.decode(text[headerEnd+1 : payloadEnd])
	m.Signature, ok3 = m.decode(text[payloadEnd+1:])
	if !ok1 || !ok2 || !ok3 {
		return malformed(nil)
	}
	if m.known {
		return nil
	}
	return m.Header.read(header)
}

func malformed(cause error) error {
	return &binding.Error{Reason: binding.ReasonTokenMalformed, Cause: cause}
}

// strictBase64URL has no padding (RFC 7515 §2) and a canonical last character
// (RFC 4648 §3.5).
var strictBase64URL = base64.RawURLEncoding.Strict()

// Clear makes m the zero Message, but for its memory, which holds nothing of the
// token any more.
func (m *Message) Clear() {
	clear(m.memory)
	*m = Message{memory: m.memory[:0]}
}

// decode reads a segment into the message's memory, which has room for it, and
// returns what it holds: at least one byte.
func (m *Message) decode(segment []byte) (decoded []byte, ok bool) {
	// encoding/base64 passes over line ends, even when strict.
	if len(segment) == 0 || bytes.IndexByte(segment, '\r') >= 0 || bytes.IndexByte(segment, '\n') >= 0 {
		return nil, false
	}
	from := len(m.memory)
	var err error
	if m.memory, err = strictBase64URL.AppendDecode(m.memory, segment); err != nil {
		return nil, false
	}
	return m.memory[from:len(m.memory):len(m.memory)], true
}

// maxHeaderParts is how many colons a header may have, and how many opening
// brackets and braces, wherever they stand: more than any issuer needs, and so
// few that nobody has us work long before a signature was looked at.
const maxHeaderParts = 64

var errHeaderParts = errors.New("the header has too many members, arrays or objects")

// read reads the JOSE header. Members that could name a key of the sender's
// (jwk, jku, x5u, x5c) are not looked at, and those that have no meaning for a
// JWS neither (RFC 8725 §3.10).
func (h *Header) read(text []byte) error {
	if bytes.Count(text, []byte(":")) > maxHeaderParts || bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) > maxHeaderParts {
		return malformed(errHeaderParts)
	}
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
	h.Alg = alg
	h.Typ = TypeAbsent
	if value, present := parameters["typ"]; present {
		typ, ok := stringOf(value)
		if !ok {
			return refused
		}
		h.Typ = NormalizeType(typ)
	}
	var value json.RawMessage
	if value, h.HasKeyID = parameters["kid"]; h.HasKeyID {
		h.KeyID, ok = stringOf(value)
		if !ok || h.KeyID == "" || len(h.KeyID) > maxKeyIDLength || strings.ContainsFunc(h.KeyID, isControl) {
			return refused
		}
	}
	return nil
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }

// NormalizeType returns a type as it is compared: without regard to case, and
// without application/, which may be left out (RFC 7515 §4.1.9).
func NormalizeType(typ string) string {
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	if typ == TypeAbsent {
		return "" // the word is ours
	}
	return typ
}
