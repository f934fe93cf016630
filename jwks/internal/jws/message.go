package jws

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
)

// The errors of a message. None holds any of it.
var (
	// ErrTooLong: the text is longer than the caller reads.
	ErrTooLong = errors.New("the text is too long")

	// ErrMalformed: the text is not three segments of strict base64url with
	// something in each, or its header is no JSON object in UTF-8 with distinct
	// names.
	ErrMalformed = errors.New("the text is not a JWS in the compact serialization")

	// ErrExtension: the header demands what is not done here, by crit or b64.
	ErrExtension = errors.New("the header has crit or b64")
)

// A Message is a JWS in the compact serialization (RFC 7515 §7.1), taken apart,
// with nothing verified, and neither its header nor its payload read.
type Message struct {
	// HeaderText is the first segment, as it came. It may be anything:
	// DecodeHeader decodes it. Whoever knows the very text need not.
	HeaderText string

	Payload      []byte
	SigningInput []byte
	Signature    []byte

	memory []byte // what was decoded, and the signing input
}

// Split takes a text of at most longest bytes apart, into m, whose memory it
// reuses: nothing that m held before may be in use. Other serializations and
// JWE have another form and end here. With an error, m is as after Clear.
func (m *Message) Split(text string, longest int) error {
	m.Clear()
	if len(text) > longest {
		return ErrTooLong
	}
	if !m.split(text) {
		m.Clear()
		return ErrMalformed
	}
	return nil
}

func (m *Message) split(text string) bool {
	header, rest, _ := strings.Cut(text, ".")
	_, signature, found := strings.Cut(rest, ".")
	if !found {
		return false
	}
	// The text's bytes, and behind them what its segments decode to: at once,
	// because what is there must stay where it is.
	m.memory = append(slices.Grow(m.memory, len(text)+base64.RawURLEncoding.DecodedLen(len(text))), text...)
	all := m.memory
	payloadEnd := len(text) - len(signature) - 1
	m.HeaderText, m.SigningInput = header, all[:payloadEnd:payloadEnd]
	var isPayload, isSignature bool
	m.Payload, isPayload = m.decode(all[len(header)+1 : payloadEnd])
	m.Signature, isSignature = m.decode(all[payloadEnd+1:])
	return isPayload && isSignature
}

// DecodeHeader returns what the header's segment holds. The memory is the
// message's.
func (m *Message) DecodeHeader() ([]byte, error) {
	text, ok := m.decode(m.SigningInput[:len(m.HeaderText)])
	if !ok {
		return nil, ErrMalformed
	}
	return text, nil
}

// Clear makes m the zero Message, but for its memory, in which nothing of the
// message is left.
func (m *Message) Clear() {
	clear(m.memory)
	*m = Message{memory: m.memory[:0]}
}

// strictBase64URL has no padding (RFC 7515 §2) and a canonical last character
// (RFC 4648 §3.5).
var strictBase64URL = base64.RawURLEncoding.Strict()

// decode reads a segment into the message's memory, which has room for it, and
// returns what it holds: at least one byte.
func (m *Message) decode(segment []byte) (decoded []byte, ok bool) {
	if len(segment) == 0 || hasLineEnd(segment) {
		return nil, false
	}
	from := len(m.memory)
	var err error
	if m.memory, err = strictBase64URL.AppendDecode(m.memory, segment); err != nil {
		return nil, false
	}
	return m.memory[from:len(m.memory):len(m.memory)], true
}

// hasLineEnd reports whether there is a line end in a text, which
// encoding/base64 passes over, even when strict.
func hasLineEnd(text []byte) bool {
	return bytes.IndexByte(text, '\r') >= 0 || bytes.IndexByte(text, '\n') >= 0
}
