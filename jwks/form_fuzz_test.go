package jwks

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/internal/jws"
)

func b64s(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// headers are those of section C of attacks.md, and good ones.
var headers = []string{
	`{"alg":"ES256"}`, `{"alg":"ES256","kid":"1","typ":"at+jwt"}`, `{"alg":"RS256","kid":"a/b","typ":"application/AT+JWT","cty":"JWT"}`,
	`{"alg":"none"}`, `{"alg":"ES256","alg":"none"}`, `{"alg":"ES256","\u0061lg":"none"}`, `{"\u0061lg":"ES256"}`, `{"ALG":"ES256"}`, `{"alg":""}`,
	`{"alg":1}`, `{"alg":null}`, `{"alg":["ES256"]}`, `{"typ":"at+jwt"}`, `{"alg":"ES256","typ":1}`, `{"alg":"ES256","typ":null}`, `{"alg":"ES256","typ":""}`,
	`{"alg":"ES256","typ":"absent"}`, `{"alg":"ES256","typ":"application/absent"}`, `{"alg":"ES256","typ":"application/application/at+jwt"}`,
	`{"alg":"ES256","kid":""}`, `{"alg":"ES256","kid":null}`, `{"alg":"ES256","kid":1}`, `{"alg":"ES256","kid":"\u0000"}`, `{"alg":"ES256","kid":"\n"}`, `{"alg":"ES256","kid":"\u007f"}`,
	`{"alg":"ES256","kid":"\ud800"}`, `{"alg":"ES256","\ud800":1,"\ud801":2}`, `{"alg":"ES256","kid":"` + strings.Repeat("k", 257) + `"}`,
	`{"alg":"ES256","crit":["exp"],"exp":1}`, `{"alg":"ES256","crit":[]}`, `{"alg":"ES256","crit":null}`, `{"alg":"ES256","b64":false}`, `{"alg":"ES256","b64":true}`,
	`{"alg":"ES256","jwk":{"kty":"oct"},"jku":"https://evil.example","x5u":"https://evil.example","x5c":["AAAA"]}`, `{"alg":"ES256","x":{"a":1,"a":2}}`,
	`{"alg":"dir","enc":"A256GCM"}`, "\ufeff{\"alg\":\"ES256\"}", "{\"alg\":\"ES256\",\"x\":\"\xff\"}", `{"alg":"ES256"}{}`, `{"alg":"ES256"} `, `{"alg":"ES256",}`, `[]`, `null`, `1`, `""`, ``,
	`{"alg":"ES256","x":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `}`, `{"alg":"ES256","x":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `}`,
	`{"alg":"ES256","x":"` + strings.Repeat(":", 64) + `"}`, `{"alg":"ES256","x":"` + strings.Repeat(`\"[{:`, 70) + `","y":[` + strings.Repeat(`{"a":0},`, 61) + `{"a":0}]}`,
	`{"alg":"ES256","x":[` + strings.Repeat(`{"a":0},`, 62) + `{"a":0}]}`,
}

// FuzzHeaderOfAToken: a header is read exactly as another reader reads it, or refused by
// both.
func FuzzHeaderOfAToken(f *testing.F) {
	for _, header := range headers {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		requireSameMessage(t, new(headerCache), new(jwt), b64s(header)+".e30.AA")
	})
}

// FuzzFormOfAToken: so is a whole token, and another with its header, which is
// remembered by then.
func FuzzFormOfAToken(f *testing.F) {
	h, p, s := b64s(headers[1]), b64s(`{"iss":"a"}`), b64s("signature")
	for _, token := range []string{
		h + "." + p + "." + s, "", "a", ".", "..", "...", h + "." + p, h + "." + p + ".", h + ".." + s, "." + p + "." + s, h + "." + p + "." + s + ".", h + "." + p + "." + s + "." + s,
		h + "=." + p + "." + s, h + "." + p + "==." + s, h + "." + p + "." + s + "=", h + "." + p + "." + s + "\n", " " + h + "." + p + "." + s, h + "." + p[:4] + "\r\n" + p[4:] + "." + s,
		h + ".+/+/." + s, h + ".-_-_." + s, h + ".e31." + s, h + "." + p + ".AB", h + "." + p + ".A", h + "." + p + ".AAAAA", h + "." + p + "." + s + "\x00", h + "." + p + ".é",
		`{"protected":"` + h + `","payload":"` + p + `","signature":"` + s + `"}`, h + "." + p + "." + strings.Repeat("A", 64<<10), h + ".." + s + "." + s + "." + s,
	} {
		f.Add(token, p+"."+s)
		_, rest, _ := strings.Cut(token, ".")
		f.Add(h+"."+p+"."+s, rest)
	}
	for _, header := range headers {
		f.Add(b64s(header)+"."+p+"."+s, p+"."+s)
	}
	f.Fuzz(func(t *testing.T, token, rest string) {
		var headers headerCache
		var message jwt // of one token after the other
		requireSameMessage(t, &headers, &message, token)
		if message.headers = &headers; message.readForm(token) == nil {
			headers.remember(&message)
		}
		header, _, _ := strings.Cut(token, ".")
		for _, token := range []string{token, header + "." + rest, token + rest, header + rest, token} {
			requireSameMessage(t, &headers, &message, token)
		}
	})
}

func requireSameMessage(t *testing.T, headers *headerCache, got *jwt, token string) {
	t.Helper()
	got.headers = headers
	err := got.readForm(token)
	want, refused := readCompact(token)
	if refused != nil {
		require.Error(t, err, "the other refuses it: %v", refused)
		require.Equal(t, 401, binding.AsError(err).StatusCode())
		return
	}
	require.NoError(t, err)
	require.Equal(t, want.header, got.header)
	require.Equal(t, string(want.Payload), string(got.Payload))
	require.Equal(t, string(want.SigningInput), string(got.SigningInput))
	require.Equal(t, string(want.Signature), string(got.Signature))
}

// The readers below are written with the standard library alone, apart from the
// code under test, and judge it.

// compactForm is RFC 7515 §7.1, with something in each segment.
var compactForm = regexp.MustCompile(`\A([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\z`)

// textInJSON is a string or a name in it, quotes included.
var textInJSON = regexp.MustCompile(`(?s)"(?:[^"\\]|\\.)*"`)

// readCompact is readForm, told in another way.
func readCompact(token string) (jwt, error) {
	var message jwt
	segments := compactForm.FindStringSubmatch(token)
	if segments == nil || len(token) > 65536 {
		return message, errors.New("form or length")
	}
	var decoded [3][]byte
	for n, segment := range segments[1:] {
		var err error
		decoded[n], err = base64.RawURLEncoding.DecodeString(segment)
		if err != nil || base64.RawURLEncoding.EncodeToString(decoded[n]) != segment {
			return message, fmt.Errorf("segment %d", n)
		}
	}
	bare := textInJSON.ReplaceAllString(string(decoded[0]), "")
	if strings.Count(bare, ":") > 64 || strings.Count(bare, "[")+strings.Count(bare, "{") > 64 {
		return message, errors.New("many parts")
	}
	header, err := readObject(decoded[0])
	if err != nil {
		return message, err
	}
	message.Message = jws.Message{Payload: decoded[1], Signature: decoded[2], SigningInput: []byte(segments[1] + "." + segments[2])}
	for name, value := range header {
		text, isString := value.(string)
		switch name {
		case "crit", "b64":
			return message, errors.New(name)
		case "alg":
			message.header.Alg = text
		case "typ":
			message.header.typ = strings.ToLower(text)
			if bare, found := strings.CutPrefix(message.header.typ, "application/"); found {
				message.header.typ = bare
			}
			if message.header.typ == "absent" { // nobody's type, and not ours of a header without
				message.header.typ = ""
			}
		case "kid":
			message.header.KeyID, message.header.HasKeyID = text, true
			if text == "" || len(text) > 256 || regexp.MustCompile(`[\x00-\x1f\x7f]`).MatchString(text) {
				return message, errors.New("kid")
			}
		default:
			continue
		}
		if !isString {
			return message, fmt.Errorf("%s is no string", name)
		}
	}
	if header["alg"] == nil {
		return message, errors.New("alg")
	}
	if header["typ"] == nil {
		message.header.typ = "absent"
	}
	return message, nil
}

// readObject reads a JSON object in UTF-8 none of whose own names occurs twice.
func readObject(text []byte) (map[string]any, error) {
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, err
	}
	if !utf8.Valid(text) || object == nil {
		return nil, errors.New("not UTF-8, or null")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	depth, names := 0, 0
	for nameNext := false; ; {
		token, err := decoder.Token()
		if err != nil {
			break // the end: the text is valid
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 1 {
			if nameNext {
				names++
			}
			nameNext = !nameNext
		}
	}
	if names != len(object) {
		return nil, errors.New("a name occurs twice")
	}
	return object, nil
}
