package suite

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// tokens is one row of each kind of sections B to E, to show that each kind has its answer through every adapter. All rows
// are package jwks's own tests': what an adapter gets of them is a Reason.
func (s *suite) tokens(t *testing.T) {
	site := s.guarded(t, binding.Config{})
	good := s.Good(t)
	head, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	holder := s.Holder.Certificate
	claims := s.claims(t, holder, "")
	with := func(name string, value any) string {
		spec := bindingtest.TokenSpec{Certificate: holder.Leaf, Claims: map[string]any{name: value}}
		return s.Token(t, spec)
	}
	header := func(name string, value any) string {
		return s.Token(t, bindingtest.TokenSpec{Certificate: holder.Leaf, Header: map[string]any{name: value}})
	}
	null := json.RawMessage("null")
	another := s.anotherIssuer(t)

	for _, row := range []struct {
		name  string
		token string
		want  Answer
	}{
		{"5 the good token", good, OK},
		{"35 no dots", "abc", Malformed},
		{"36 two segments", head + "." + payload, Malformed},
		{"37 four segments", good + ".x", Malformed},
		{"37 dot at the end", good + ".", Malformed},
		{"37 dot at the front", "." + good, Malformed},
		{"38 100,000 dots", strings.Repeat(".", 100_000), TooLong},
		{"38 10,000 dots", strings.Repeat(".", 10_000), Malformed},
		{"39 JWE of five segments", "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..AAAA.AAAA.AAAA", Malformed},
		{"44 nested JWT", s.rawHeader(t, strings.Replace(s.header(), "{", `{"cty":"JWT",`, 1), []byte(good)), Malformed},
		{"45 nested JWT without cty", s.raw(t, []byte(good)), Malformed},
		{"47 empty signature", head + "." + payload + ".", Malformed},
		{"48 empty header", "." + payload + "." + signature, Malformed},
		{"48 empty payload", head + ".." + signature, Malformed},
		{"49 padding on the signature", good + "==", Malformed},
		{"50 standard alphabet", head + "." + payload + "+/." + signature, Malformed},
		{"52 last character not canonical", good[:len(good)-1] + successor(good[len(good)-1:]), Malformed},
		{"55 a bit of the payload changed", head + "." + flipped(payload) + "." + signature, Unverifiable},
		{"56 signature cut", head + "." + payload + "." + signature[:len(signature)-2], Unverifiable},

		{"57 header is no object", s.rawHeader(t, `["alg"]`, claims), Malformed},
		{"62 duplicate alg", s.rawHeader(t, strings.Replace(s.header(), "{", `{"alg":"none",`, 1), claims), Malformed},
		{"66 alg none", unsigned(`{"alg":"none","typ":"at+jwt"}`, claims) + "AA", BadAlgorithm},
		{"66 alg none, no signature", unsigned(`{"alg":"none","typ":"at+jwt"}`, claims), Malformed},
		{"68 alg none with a good signature", header("alg", "none"), BadAlgorithm},
		{"71 unknown alg with a good signature", header("alg", "XX999"), BadAlgorithm},
		{"73 HS256 with the public key", s.hmacForgery(t, claims), BadAlgorithm},
		{"78 ES384 with the key of ES256", header("alg", "ES384"), Unverifiable},
		{"89 the attacker's key as jwk", s.embeddedKey(t, claims), Unverifiable},
		{"95 kid empty", header("kid", ""), BadHeader},
		{"96 kid of 64 KiB", header("kid", strings.Repeat("k", 64<<10)), TooLong},
		{"96 kid of 8 KiB", header("kid", strings.Repeat("k", 8<<10)), BadHeader},
		{"97 kid with CRLF", header("kid", "a\r\nX-Injected: y"), BadHeader},
		{"100 crit", header("crit", []string{"exp"}), BadHeader},
		{"104 b64 false", header("b64", false), BadHeader},
		{"107 typ JWT", header("typ", "JWT"), BadType},
		{"107 no typ", header("typ", nil), BadType},
		{"108 typ logout+jwt", header("typ", "logout+jwt"), BadType},
		{"109 typ is a number", header("typ", 1), BadHeader},
		{"116 another key under the same kid", s.Token(t, bindingtest.TokenSpec{Certificate: holder.Leaf, ForgedSignature: true}), Unverifiable},
		{"114 DER signature", head + "." + payload + "." + derSignature(t), Unverifiable},

		{"118 payload is no object", s.raw(t, []byte(`[]`)), Malformed},
		{"119 bytes behind the payload", s.raw(t, append(claims, "{}"...)), Malformed},
		{"121 duplicate exp", s.raw(t, s.claims(t, holder, `"exp":99999999999`)), Malformed},
		{"121 duplicate aud", s.raw(t, s.claims(t, holder, `"aud":"https://api.example"`)), Malformed},
		{"123 exp missing", with("exp", nil), BadClaims},
		{"125 exp is a string", with("exp", "9999999999"), BadClaims},
		{"126 exp is 0", with("exp", 0), BadClaims},
		{"130 expired", s.Token(t, bindingtest.TokenSpec{Certificate: holder.Leaf, ExpiresIn: -time.Hour}), Expired},
		{"132 nbf in the future", with("nbf", s.now().Add(time.Hour).Unix()), NotYetValid},
		{"133 iat in the future", with("iat", s.now().Add(time.Hour).Unix()), NotYetValid},
		{"135 iss null", with("iss", null), BadClaims},
		{"135 iss missing", with("iss", nil), BadIssuer},
		{"136 iss with a slash at its end", with("iss", s.AS.Issuer()+"/"), BadIssuer},
		{"136 of another issuer", another, BadIssuer},
		{"137 of another issuer, under our name", s.underOurName(t), Unverifiable},
		{"138 aud missing", with("aud", nil), BadAudience},
		{"138 aud empty", with("aud", []string{}), BadClaims},
		{"139 aud of several, ours among them", with("aud", []string{"https://other.example", Audience}), OK},
		{"140 for another audience", with("aud", "https://other.example"), BadAudience},
		{"140 aud with a slash at its end", with("aud", Audience+"/"), BadAudience},
		{"142 sub is a number", with("sub", 1), BadClaims},
		{"143 scope null", with("scope", null), BadClaims},
		{"143 scope as an array", with("scope", []string{"accounts"}), OK},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			site.Check(t, site.Probe, Bearer(s.Holder, row.token), row.want)
		})
	}
	// 40 to 43: JSON where a compact token is expected is no b64token.
	t.Run("40 JSON in place of a token", func(t *testing.T) {
		t.Parallel()
		site.Check(t, site.Probe, Bearer(s.Holder, string(claims)), BadCredentials)
	})
}

func unsigned(header string, claims []byte) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode(claims) + "."
}

// successor returns the next letter of base64url, which differs in its last bit.
func successor(letter string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.Index(alphabet, letter)|1])
}

// flipped changes a letter of the subject's name in the payload.
func flipped(payload string) string {
	text, _ := base64.RawURLEncoding.DecodeString(payload)
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(text), Subject, "alicf", 1)))
}

func derSignature(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	digest := sha256.Sum256([]byte("anything"))
	signature, err := key.Sign(rand.Reader, digest[:], nil)
	require.NoError(t, err)
	return base64.RawURLEncoding.EncodeToString(signature)
}

func (s *suite) hmacForgery(t *testing.T, claims []byte) string {
	t.Helper()
	input := strings.TrimSuffix(unsigned(`{"alg":"HS256","typ":"at+jwt","kid":"`+s.AS.KeyID()+`"}`, claims), ".")
	mac := hmac.New(sha256.New, s.AS.JWKS())
	_, _ = mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// embeddedKey is signed by a key that it brings along (RFC 8725 §3.10), under the kid of a good one.
func (s *suite) embeddedKey(t *testing.T, claims []byte) string {
	t.Helper()
	attacker, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	require.NoError(t, err)
	defer attacker.Close()
	var set struct{ Keys []json.RawMessage }
	require.NoError(t, json.Unmarshal(attacker.JWKS(), &set))
	header := strings.Replace(s.header(), "{", `{"jwk":`+string(set.Keys[0])+",", 1)
	token, err := attacker.SignRaw([]byte(header), claims)
	require.NoError(t, err)
	return token
}

func (s *suite) anotherIssuer(t *testing.T) string {
	t.Helper()
	another, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Audience: Audience})
	require.NoError(t, err)
	defer another.Close()
	token, err := another.BoundToken(s.Holder.Certificate.Leaf)
	require.NoError(t, err)
	return token
}

// underOurName is another issuer's with our issuer's name and kid in it.
func (s *suite) underOurName(t *testing.T) string {
	t.Helper()
	another, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Audience: Audience})
	require.NoError(t, err)
	defer another.Close()
	token, err := another.Token(bindingtest.TokenSpec{
		Certificate: s.Holder.Certificate.Leaf,
		Claims:      map[string]any{"iss": s.AS.Issuer()},
		Header:      map[string]any{"kid": s.AS.KeyID()},
	})
	require.NoError(t, err)
	return token
}
