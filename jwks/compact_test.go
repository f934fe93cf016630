package jwks_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// Section B of attacks.md: what is no JWS in the compact serialization.

// oddLengths returns a good token whose header and payload end in a character
// with bits to spare, and hold both characters of the URL-safe alphabet alone.
func oddLengths(t *testing.T, i issuer) (header, payload, signature string) {
	t.Helper()
	fill := func(object raw) string {
		object = object.with("odd", `"???>>>~~~???>>>~~~ ???>>>"`)
		for text := object.String(); ; text += " " {
			encoded := b64([]byte(text))
			if len(encoded)%4 == 2 && strings.Contains(encoded, "_") && strings.Contains(encoded, "-") {
				return text
			}
		}
	}
	headerText, payloadText := fill(i.header()), fill(i.claims())
	for {
		segments := strings.Split(i.sign(t, headerText, payloadText), ".")
		if strings.Contains(segments[2], "_") && strings.Contains(segments[2], "-") {
			return segments[0], segments[1], segments[2]
		}
	}
}

func TestCompactForm(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	v := i.verifier(t)
	h, p, s := oddLengths(t, i)
	good := h + "." + p + "." + s
	requireAccepted(t, v, good)
	flattened := `{"protected":"` + h + `","payload":"` + p + `","signature":"` + s + `"}`
	one := `{"protected":"` + h + `","signature":"` + s + `"}`
	forged := `{"protected":"` + h + `","signature":"` + b64(make([]byte, 64)) + `"}`
	none := b64([]byte(`{"alg":"none"}`)) + "." + p + "."
	for name, token := range map[string]string{
		"empty":                                 "",
		"B/35 no dot":                           "abc",
		"B/36 two segments":                     h + "." + p,
		"B/37 four segments":                    good + "." + s,
		"B/37 trailing dot":                     good + ".",
		"B/37 leading dot":                      "." + good,
		"B/38 dots, as many as fit":             strings.Repeat(".", 16<<10),
		"B/39 five segments":                    good + "." + s + "." + s,
		"B/39 JWE":                              b64([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + "..AAAA.AAAA.AAAA",
		"B/40 flattened JSON":                   flattened,
		"B/41 general JSON, one signature":      `{"payload":"` + p + `","signatures":[` + one + `]}`,
		"B/42 general JSON, another's and good": `{"payload":"` + p + `","signatures":[` + forged + "," + one + `]}`,
		"B/43 claims alone":                     i.claims().String(),
		"B/43 claims alone, encoded":            p,
		"B/44 nested, cty JWT":                  i.sign(t, i.header().with("cty", `"JWT"`).String(), good),
		"B/45 nested, no cty":                   i.sign(t, i.header().String(), good),
		"B/46 nested, inner alg none":           i.sign(t, i.header().with("cty", `"JWT"`).String(), none),
		"B/47 no signature":                     h + "." + p + ".",
		"B/48 no header":                        "." + p + "." + s,
		"B/48 no payload":                       h + ".." + s,
		"B/48 nothing at all":                   "..",
		"B/49 padded header":                    h + "==." + p + "." + s,
		"B/49 padded payload":                   h + "." + p + "==." + s,
		"B/49 padded signature":                 good + "==",
		"B/50 header in standard base64":        standard(h) + "." + p + "." + s,
		"B/50 payload in standard base64":       h + "." + standard(p) + "." + s,
		"B/50 signature in standard base64":     h + "." + p + "." + standard(s),
		"B/51 LF inside the header":             h[:4] + "\n" + h[4:] + "." + p + "." + s,
		"B/51 LF inside the payload":            h + "." + p[:4] + "\n" + p[4:] + "." + s,
		"B/51 CR LF inside the signature":       h + "." + p + "." + s[:4] + "\r\n" + s[4:],
		"B/51 CR behind the header":             h + "\r." + p + "." + s,
		"B/52 non-canonical header":             nextCharacter(h) + "." + p + "." + s,
		"B/52 non-canonical payload":            h + "." + nextCharacter(p) + "." + s,
		"B/52 non-canonical signature":          h + "." + p + "." + nextCharacter(s),
		"B/54 leading space":                    " " + good,
		"B/54 trailing space":                   good + " ",
		"B/54 leading tab":                      "\t" + good,
		"B/54 trailing LF":                      good + "\n",
		"B/54 leading NBSP":                     "\u00a0" + good,
		"B/54 trailing NBSP":                    good + "\u00a0",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, v, token, binding.ReasonTokenMalformed)
		})
	}
	for _, character := range "?# !%&~,;\"\\/+=\x00\x7fé" {
		t.Run("B/53 the character "+string(character), func(t *testing.T) {
			t.Parallel()
			for at := range 3 {
				segments := []string{h, p, s}
				segments[at] = segments[at][:5] + string(character) + segments[at][6:]
				requireRefused(t, v, strings.Join(segments, "."), binding.ReasonTokenMalformed)
			}
		})
	}
}

func standard(segment string) string {
	return strings.NewReplacer("-", "+", "_", "/").Replace(segment)
}

// nextCharacter changes the bits of the last character that encode nothing:
// a lenient decoder sees the same bytes.
func nextCharacter(segment string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, segment[len(segment)-1])
	return segment[:len(segment)-1] + alphabet[last+1:last+2]
}

func TestTokenLength(t *testing.T) {
	t.Parallel()
	const limit = 16 << 10
	i := newIssuer(t, bindingtest.Config{})
	v := i.verifier(t)
	both, err := jwks.ByIssuer(v)
	require.NoError(t, err)
	empty := len(i.tokenWith(t, i.claims().with("fill", `""`)))
	ofLength := func(length int) string {
		for fill := (length-empty)*3/4 - 2; ; fill++ {
			token := i.tokenWith(t, i.claims().with("fill", quote(strings.Repeat("a", fill))))
			if len(token) >= length {
				return token
			}
		}
	}
	longest := ofLength(limit)
	if len(longest) > limit { // one more character made four of it
		longest = ofLength(limit - 1)
	}
	requireAccepted(t, v, longest)
	for name, token := range map[string]string{
		"A/26 longer than 16 KiB, and good": ofLength(limit + 1),
		"A/26 one byte more":                longest + strings.Repeat("A", limit+1-len(longest)),
		"B/38 100,000 dots":                 strings.Repeat(".", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, v, token, binding.ReasonTokenTooLong)
			requireRefused(t, both, token, binding.ReasonTokenTooLong)
		})
	}
}

func TestSignatureOverTheBytesThatCame(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	v := i.verifier(t)
	good := i.goodToken(t)
	requireAccepted(t, v, good)
	segments := strings.Split(good, ".")
	input, signature := segments[0]+"."+segments[1]+".", unb64(segments[2])
	// The same claims in other bytes: a verifier that encodes again accepts it.
	respaced := b64([]byte(i.claims().String() + " "))
	for name, token := range map[string]string{
		"B/55 one bit of the payload":         strings.Replace(good, segments[1], b64([]byte(strings.Replace(i.claims().String(), `"alice"`, `"alicd"`, 1))), 1),
		"B/55 a space more in the payload":    segments[0] + "." + respaced + "." + segments[2],
		"B/55 a space more in the header":     b64([]byte(i.header().String()+" ")) + "." + segments[1] + "." + segments[2],
		"B/56 signature cut by a byte":        input + b64(signature[:63]),
		"B/56 signature cut at the front":     input + b64(signature[1:]),
		"B/56 a byte appended":                input + b64(append(signature[:64:64], 0)),
		"B/56 padded with zeros to 132":       input + b64(append(signature[:64:64], make([]byte, 68)...)),
		"B/56 r and s padded in front":        input + b64(padEach(signature, 66)),
		"B/56 one byte":                       input + "AA",
		"B/56 the signature twice":            input + b64(append(signature[:64:64], signature...)),
		"D/116 another key's, the same kid":   forged(t, i),
		"of another token of the same issuer": input + strings.Split(i.tokenWith(t, i.claims().with("sub", `"bob"`)), ".")[2],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, v, token, binding.ReasonTokenSignature)
		})
	}
}

// padEach makes both halves of a signature longer by leading zeros: the same
// numbers.
func padEach(signature []byte, size int) []byte {
	half := len(signature) / 2
	padded := make([]byte, 2*size)
	copy(padded[size-half:], signature[:half])
	copy(padded[2*size-half:], signature[half:])
	return padded
}

func forged(t *testing.T, i issuer) string {
	t.Helper()
	token, err := i.Token(bindingtest.TokenSpec{ForgedSignature: true})
	require.NoError(t, err)
	return token
}
