package jws_test

import (
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks/internal/jws"
)

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

const (
	goodHeader = `{"alg":"ES256","kid":"1","typ":"at+jwt"}`
	longest    = 16 << 10
)

// compact is a message with a header and a payload as they stand, and a signature that nobody looks at here.
func compact(header, payload string) string {
	return b64(header) + "." + b64(payload) + "." + b64("signature")
}

func TestLongestMessage(t *testing.T) {
	t.Parallel()
	text := compact(goodHeader, strings.Repeat("p", 30))
	require.NoError(t, new(jws.Message).Split(text, len(text)))
	require.ErrorIs(t, new(jws.Message).Split(text, len(text)-1), jws.ErrTooLong)
	require.ErrorIs(t, new(jws.Message).Split(strings.Repeat(".", 100), 99), jws.ErrTooLong, "whatever it is")
}

func TestFormsThatAreNone(t *testing.T) {
	t.Parallel()
	h, p, s := b64(goodHeader), b64(`{}`), b64("signature")
	for _, text := range []string{
		"", "a", ".", "..", "...", h, h + "." + p, h + "." + p + ".", h + ".." + s, h + "." + p + "." + s + ".", h + "." + p + "." + s + "." + s,
		h + "." + p + "=." + s, h + "." + p + "." + s + "=", h + "." + p + "." + s + "\n", h + "." + p[:2] + "\r\n" + p[2:] + "." + s, h + ".+/+/." + s,
		h + ".e31." + s, h + "." + p + ".AB", h + "." + p + ".A", h + "." + p + "." + s + "\x00", h + "." + p + ".é", h + "." + p + "." + s + "." + p + "." + s,
		`{"protected":"` + h + `","payload":"` + p + `","signature":"` + s + `"}`,
	} {
		var message jws.Message
		require.ErrorIs(t, message.Split(text, longest), jws.ErrMalformed, "%q", text)
		require.Empty(t, message.HeaderText)
		require.Nil(t, message.Payload)
		require.Nil(t, message.SigningInput)
		require.Nil(t, message.Signature)
	}
	for _, header := range []string{"", h + "=", " " + h, "+/", h[:len(h)-1] + "\n", "A", "AB", "e30\r"} {
		var message jws.Message
		require.NoError(t, message.Split(header+"."+p+"."+s, longest), "%q: nobody has looked at it", header)
		_, err := message.DecodeHeader()
		require.ErrorIs(t, err, jws.ErrMalformed, "%q", header)
	}
}

func TestClearedMessage(t *testing.T) {
	t.Parallel()
	var message jws.Message
	require.NoError(t, message.Split(compact(goodHeader, `{"iss":"a"}`), longest))
	header, err := message.DecodeHeader()
	require.NoError(t, err)
	parts := [][]byte{message.Payload, message.SigningInput, message.Signature, header}
	message.Clear()
	for _, part := range parts {
		require.Equal(t, make([]byte, len(part)), part)
	}
	require.Empty(t, message.HeaderText)
	require.Nil(t, message.Payload)
}

// What is taken apart into one Message again and again needs no other memory.
func TestMemoryOfAMessageIsUsedAgain(t *testing.T) {
	text := compact(goodHeader, `{}`)
	var message jws.Message
	split := func() {
		require.NoError(t, message.Split(text, longest))
		_, err := message.DecodeHeader()
		require.NoError(t, err)
	}
	split()
	least := testing.AllocsPerRun(1, split)
	for range 50 {
		least = min(least, testing.AllocsPerRun(1, split))
	}
	require.Zero(t, least)
}

// A segment is decoded piece by piece: where a piece ends changes nothing.
func TestSegmentsOfEveryLength(t *testing.T) {
	t.Parallel()
	var message jws.Message
	for length := 1; length < 1200; length++ {
		payload := strings.Repeat("p", length)
		require.NoError(t, message.Split(compact(goodHeader, payload), longest), length)
		require.Equal(t, payload, string(message.Payload))
		header, err := message.DecodeHeader()
		require.NoError(t, err)
		require.Equal(t, goodHeader, string(header))
		require.Equal(t, payload, string(message.Payload), "the header is beside it")
		require.Equal(t, "signature", string(message.Signature))
	}
	long := compact(goodHeader, strings.Repeat("p", 1500))
	from := strings.Index(long, ".") + 1
	for at := from; at < strings.LastIndex(long, "."); at++ {
		for _, wrong := range []string{"=", "+", "\n", ".", "\x00"} {
			require.ErrorIs(t, message.Split(long[:at]+wrong+long[at+1:], longest), jws.ErrMalformed, "%q at %d", wrong, at-from)
		}
	}
}

// compactForm is RFC 7515 §7.1, with something in each segment.
var compactForm = regexp.MustCompile(`\A([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\z`)

// readCompact is Split and DecodeHeader, told in another way.
func readCompact(text string) (decoded [3]string, err error) {
	segments := compactForm.FindStringSubmatch(text)
	if segments == nil || len(text) > longest {
		return decoded, errors.New("form or length")
	}
	for n, segment := range segments[1:] {
		part, err := base64.RawURLEncoding.DecodeString(segment)
		if err != nil || base64.RawURLEncoding.EncodeToString(part) != segment {
			return decoded, errors.New("a segment")
		}
		decoded[n] = string(part)
	}
	return decoded, nil
}

// FuzzCompact: a text is taken apart exactly as another reader does, or refused by both, one after the other in the same memory.
func FuzzCompact(f *testing.F) {
	h, p, s := b64(goodHeader), b64(`{"iss":"a"}`), b64("signature")
	for _, text := range []string{
		h + "." + p + "." + s, "", "a", ".", "..", "...", h + "." + p, h + "." + p + ".", h + ".." + s, "." + p + "." + s, h + "." + p + "." + s + ".", h + "." + p + "." + s + "." + s,
		h + "=." + p + "." + s, h + "." + p + "==." + s, h + "." + p + "." + s + "\n", " " + h + "." + p + "." + s, h + "." + p[:4] + "\r\n" + p[4:] + "." + s,
		h + ".+/+/." + s, h + ".-_-_." + s, h + ".e31." + s, h + "." + p + ".AB", h + "." + p + ".A", h + "." + p + ".AAAAA", h + "." + p + "." + strings.Repeat("A", longest),
	} {
		f.Add(text, s)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		var message jws.Message
		for _, text := range []string{one, two, one + two, two + "." + one, one} {
			want, refused := readCompact(text)
			err := message.Split(text, longest)
			var header []byte
			if err == nil {
				header, err = message.DecodeHeader()
			}
			require.Equal(t, refused == nil, err == nil, "%v, the other: %v", err, refused)
			if err == nil {
				require.Equal(t, want, [3]string{string(header), string(message.Payload), string(message.Signature)})
				require.Equal(t, text[:strings.LastIndex(text, ".")], string(message.SigningInput))
			}
		}
	})
}
