package suite

import (
	"strings"
	"testing"

	"github.com/certbound/certbound/binding"
)

// A tokenRow is a token of the Holder's, and what comes of it when the Holder sends it.
type tokenRow struct {
	name  string
	token string
	want  Answer
}

func (s *Server) checkTokens(t *testing.T, probe *Probe, rows []tokenRow) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s.Check(t, probe, Bearer(s.fixture.Holder, row.token), row.want)
		})
	}
}

// compactForm is section B: what is no JWS in the compact serialization (RFC 7515 §7.1). What is not even a b64token (RFC
// 6750 §2.1) is refused before anybody asks whether it is a token.
func (s *suite) compactForm(t *testing.T) {
	site := s.guarded(t, binding.Config{})
	head, payload, signature := s.segments(t)
	good := head + "." + payload + "." + signature
	claims := s.members(s.Holder.Certificate).String()
	nested := s.header().with("cty", `"JWT"`)
	flattened := `{"protected":"` + head + `","payload":"` + payload + `","signature":"` + signature + `"}`
	one := `{"protected":"` + head + `","signature":"` + signature + `"}`
	forged := `{"protected":"` + head + `","signature":"` + b64(make([]byte, 64)) + `"}`
	inner := b64([]byte(`{"alg":"none"}`)) + "." + payload + "."
	raw := unb64(signature)

	site.checkTokens(t, site.Probe, []tokenRow{
		{"the good token", good, OK},
		{"35 no dots", "abc", Malformed},
		{"36 two segments", head + "." + payload, Malformed},
		{"37 four segments", good + ".x", Malformed},
		{"37 dot at the end", good + ".", Malformed},
		{"37 dot at the front", "." + good, Malformed},
		{"38 100,000 dots", strings.Repeat(".", 100_000), TooLong},
		{"38 10,000 dots", strings.Repeat(".", 10_000), Malformed},
		{"39 five segments", good + "." + signature + "." + signature, Malformed},
		{"39 JWE of five segments", b64([]byte(`{"alg":"dir","enc":"A128GCM"}`)) + "..AAAA.AAAA.AAAA", Malformed},
		{"40 flattened JSON", flattened, BadCredentials},
		{"41 general JSON, one signature", `{"payload":"` + payload + `","signatures":[` + one + `]}`, BadCredentials},
		{"42 general JSON, the attacker's signature and the good one", `{"payload":"` + payload + `","signatures":[` + forged + `,` + one + `]}`, BadCredentials},
		{"43 claims alone", claims, BadCredentials},
		{"43 claims alone, encoded", payload, Malformed},
		{"44 nested JWT", s.rawHeader(t, nested.String(), good), Malformed},
		{"45 nested JWT without cty", s.raw(t, []byte(good)), Malformed},
		{"46 nested JWT, the inner alg none", s.rawHeader(t, nested.String(), inner), Malformed},
		{"47 empty signature", head + "." + payload + ".", Malformed},
		{"48 empty header", "." + payload + "." + signature, Malformed},
		{"48 empty payload", head + ".." + signature, Malformed},
		{"48 nothing but dots", "..", Malformed},
		{"49 padding on the header", head + "==." + payload + "." + signature, BadCredentials},
		{"49 padding on the payload", head + "." + payload + "==." + signature, BadCredentials},
		{"49 padding on the signature", good + "==", Malformed},
		{"50 header in the standard alphabet", standardAlphabet(head) + "." + payload + "." + signature, Malformed},
		{"50 payload in the standard alphabet", head + "." + standardAlphabet(payload) + "." + signature, Malformed},
		{"50 signature in the standard alphabet", head + "." + payload + "." + standardAlphabet(signature), Malformed},
		{"52 last character of the header not canonical", noncanonical(head) + "." + payload + "." + signature, Malformed},
		{"52 last character of the payload not canonical", head + "." + noncanonical(payload) + "." + signature, Malformed},
		{"52 last character of the signature not canonical", noncanonical(good), Malformed},
		{"53 a tilde, which b64token has", head[:5] + "~" + head[6:] + "." + payload + "." + signature, Malformed},
		{"53 a question mark", head[:5] + "?" + head[6:] + "." + payload + "." + signature, BadCredentials},
		{"53 a number sign", head + "." + payload[:5] + "#" + payload[6:] + "." + signature, BadCredentials},
		{"53 a space", head + "." + payload + "." + signature[:5] + " " + signature[6:], BadCredentials},
		{"54 a space in front, which is of the credentials", " " + good, OK},
		{"54 a tab in front", "\t" + good, BadCredentials},
		{"54 NBSP in front", "\u00a0" + good, BadCredentials},
		{"54 NBSP behind", good + "\u00a0", BadCredentials},
		{"55 a bit of the payload changed", head + "." + flipped(payload) + "." + signature, Unverifiable},
		{"55 a space more in the payload", head + "." + b64(append(unb64(payload), ' ')) + "." + signature, Unverifiable},
		{"56 signature cut by a byte", head + "." + payload + "." + b64(raw[:63]), Unverifiable},
		{"56 signature cut at the front", head + "." + payload + "." + b64(raw[1:]), Unverifiable},
		{"56 a byte appended", head + "." + payload + "." + b64(append(raw[:64:64], 0)), Unverifiable},
		{"56 padded with zeros to 132", head + "." + payload + "." + b64(append(raw[:64:64], make([]byte, 68)...)), Unverifiable},
	})

	// What no socket of net/http lets through another server might; and what net/http makes of it.
	for _, row := range []struct {
		name, token string
		overWire    Answer
	}{
		{"51 LF inside the header", good[:4] + "\n" + good[4:], byServer(400)},
		{"51 CR inside the header", good[:4] + "\r" + good[4:], byServer(400)},
		{"51 LF inside the payload", head + "." + payload[:4] + "\n" + payload[4:] + "." + signature, byServer(400)},
		{"51 CR LF inside the signature", head + "." + payload + "." + signature[:4] + "\r\n" + signature[4:], byServer(400)},
		{"54 LF behind", good + "\n", OK},
		{"54 a space behind", good + " ", OK},
		{"54 a tab behind", good + "\t", OK},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			site.checkDirectly(t, site.Probe, direct("Bearer "+row.token), BadCredentials)
			site.checkWire(t, s.Holder, site.Probe, "Authorization: Bearer "+row.token, row.overWire)
		})
	}
}

// segments returns those of a good token with bits to spare at the end of each and both letters in each that base64url has
// for itself.
func (s *suite) segments(t *testing.T) (head, payload, signature string) {
	t.Helper()
	fill := func(o object) string {
		o = o.with("odd", `"???>>>~~~???>>>~~~ ???>>>"`)
		for text := o.String(); ; text += " " {
			encoded := b64([]byte(text))
			if len(encoded)%4 == 2 && strings.Contains(encoded, "_") && strings.Contains(encoded, "-") {
				return text
			}
		}
	}
	header, claims := fill(s.header()), fill(s.members(s.Holder.Certificate))
	for {
		segments := strings.Split(s.rawHeader(t, header, claims), ".")
		if strings.Contains(segments[2], "_") && strings.Contains(segments[2], "-") {
			return segments[0], segments[1], segments[2]
		}
	}
}

func standardAlphabet(segment string) string {
	return strings.NewReplacer("-", "+", "_", "/").Replace(segment)
}

// noncanonical changes the bits of the last letter that encode nothing: a lenient decoder sees the same bytes.
func noncanonical(segment string) string {
	return segment[:len(segment)-1] + successor(segment[len(segment)-1:])
}

// successor returns the next letter of base64url, which differs in its last bit.
func successor(letter string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.Index(alphabet, letter)|1])
}

// flipped changes a letter of the subject's name in the payload.
func flipped(payload string) string {
	return b64([]byte(strings.Replace(string(unb64(payload)), Subject, "alicf", 1)))
}
