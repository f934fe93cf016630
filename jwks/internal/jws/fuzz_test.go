package jws_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/internal/jws"
)

func quote(text string) string { return fmt.Sprintf("%q", text) }

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

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
	`{"alg":"ES256","x":"` + strings.Repeat(":", 63) + `"}`,
}

// FuzzHeader: a header is read exactly as another reader reads it, or refused by
// both.
func FuzzHeader(f *testing.F) {
	for _, header := range headers {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		requireSameMessage(t, nil, new(jws.Message), b64(header)+".e30.AA")
	})
}

// FuzzCompact: so is a whole token, and another with its header, which is
// remembered by then.
func FuzzCompact(f *testing.F) {
	h, p, s := b64(headers[1]), b64(`{"iss":"a"}`), b64("signature")
	for _, token := range []string{
		h + "." + p + "." + s, "", "a", ".", "..", "...", h + "." + p, h + "." + p + ".", h + ".." + s, "." + p + "." + s, h + "." + p + "." + s + ".", h + "." + p + "." + s + "." + s,
		h + "=." + p + "." + s, h + "." + p + "==." + s, h + "." + p + "." + s + "=", h + "." + p + "." + s + "\n", " " + h + "." + p + "." + s, h + "." + p[:4] + "\r\n" + p[4:] + "." + s,
		h + ".+/+/." + s, h + ".-_-_." + s, h + ".e31." + s, h + "." + p + ".AB", h + "." + p + ".A", h + "." + p + ".AAAAA", h + "." + p + "." + s + "\x00", h + "." + p + ".é",
		`{"protected":"` + h + `","payload":"` + p + `","signature":"` + s + `"}`, h + "." + p + "." + strings.Repeat("A", 16<<10), h + ".." + s + "." + s + "." + s,
	} {
		f.Add(token, p+"."+s)
		_, rest, _ := strings.Cut(token, ".")
		f.Add(h+"."+p+"."+s, rest)
	}
	for _, header := range headers {
		f.Add(b64(header)+"."+p+"."+s, p+"."+s)
	}
	f.Fuzz(func(t *testing.T, token, rest string) {
		var headers jws.Headers
		var message jws.Message // of one token after the other
		requireSameMessage(t, &headers, &message, token)
		if err := headers.Parse(&message, token); err == nil {
			headers.Remember(&message)
		}
		header, _, _ := strings.Cut(token, ".")
		for _, token := range []string{token, header + "." + rest, token + rest, header + rest, token} {
			requireSameMessage(t, &headers, &message, token)
		}
	})
}

func requireSameMessage(t *testing.T, headers *jws.Headers, got *jws.Message, token string) {
	t.Helper()
	err := headers.Parse(got, token)
	want, refused := readCompact(token)
	if refused != nil {
		require.Error(t, err, "the other refuses it: %v", refused)
		require.Equal(t, 401, binding.AsError(err).Status())
		require.Zero(t, got.Header)
		require.Nil(t, got.Payload)
		require.Nil(t, got.SigningInput)
		require.Nil(t, got.Signature)
		return
	}
	require.NoError(t, err)
	require.Equal(t, want.Header, got.Header)
	require.Equal(t, string(want.Payload), string(got.Payload))
	require.Equal(t, string(want.SigningInput), string(got.SigningInput))
	require.Equal(t, string(want.Signature), string(got.Signature))
}

// FuzzKey: what is taken for a public key, another reader takes for the very
// same one, and a token by nobody is not good by it.
func FuzzKey(f *testing.F) {
	for _, key := range publicKeys(f) {
		f.Add(key)
		f.Add("{" + `"kid":"1","kid":"2",` + key[1:])
		for _, member := range []struct{ name, value string }{
			{"kid", `"1"`}, {"kid", `""`}, {"kid", `1`}, {"use", `"sig"`}, {"use", `"enc"`}, {"use", `null`},
			{"key_ops", `["verify"]`}, {"key_ops", `["sign"]`}, {"key_ops", `null`}, {"key_ops", `"verify"`}, {"key_ops", `["verify",1]`},
			{"alg", `"ES256"`}, {"alg", `"EdDSA"`}, {"alg", `"PS256"`}, {"alg", `"none"`}, {"alg", `"HS256"`}, {"alg", `""`}, {"alg", `null`},
			{"d", `"AQ"`}, {"k", `"AQ"`}, {"oth", `[]`}, {"kty", `"oct"`}, {"KTY", `"oct"`}, {"x5c", `["AAAA"]`}, {"crv", `"P-521"`}, {"crv", `"X25519"`},
			{"x", `"AAAA"`}, {"x", `"AA=="`}, {"x", `"+/"`}, {"x", quote(b64(string(make([]byte, 32))))}, {"x", quote(b64("\x01" + string(make([]byte, 31))))}, {"y", `null`},
			{"n", `"AQAB"`}, {"e", `"AQ"`}, {"e", `"Ag"`}, {"e", `"AQAAAAAAAQAB"`}, {"e", `"AAAAAQAB"`}, {"e", `"gAAAAQ"`},
		} {
			members := make(map[string]json.RawMessage)
			require.NoError(f, json.Unmarshal([]byte(key), &members))
			members[member.name] = json.RawMessage(member.value)
			text, err := json.Marshal(members)
			require.NoError(f, err)
			f.Add(string(text))
		}
	}
	for _, text := range []string{`{}`, `null`, `[]`, ``, `{"kty":"oct","k":"AAAA"}`, `{"kty":"AKP","alg":"ML-DSA-44","pub":"AAAA"}`, "\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) {
			t.Skip() // FuzzKeySet has those
		}
		set, err := jws.ReadKeySet([]byte(`{"keys":[`+text+`]}`), 1)
		if err != nil {
			require.Nil(t, set)
			return
		}
		require.Len(t, set.Keys, 1)
		require.Empty(t, set.Ignored)
		public, err := readPublicKey([]byte(text))
		require.NoError(t, err, "used, and not by the other")
		der, err := x509.MarshalPKIXPublicKey(public)
		require.NoError(t, err)
		require.Equal(t, sha256.Sum256(der), set.Keys[0].Material)
		require.True(t, set.Holds(set.Keys[0]))
		for _, signature := range [][]byte{make([]byte, 64), append([]byte{1}, make([]byte, 63)...), make([]byte, 256), append(make([]byte, 255), 1)} {
			for _, alg := range []string{"RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "none", ""} {
				signer, _ := set.Verify(&jws.Message{Header: jws.Header{Alg: alg}, SigningInput: []byte("a.b"), Signature: signature})
				require.Nil(t, signer, alg)
			}
		}
	})
}

// publicKeys are one JWK of each kind.
func publicKeys(tb testing.TB) []string {
	tb.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(tb, err)
	edKey, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(tb, err)
	keys := []string{
		fmt.Sprintf(`{"kty":"RSA","n":%q,"e":%q}`, b64(string(rsaKey.N.Bytes())), b64(string(big.NewInt(int64(rsaKey.E)).Bytes()))),
		fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","x":%q}`, b64(string(edKey))),
	}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(tb, err)
		point, err := key.PublicKey.Bytes()
		require.NoError(tb, err)
		half := len(point) / 2
		keys = append(keys, fmt.Sprintf(`{"kty":"EC","crv":%q,"x":%q,"y":%q}`, curve.Params().Name, b64(string(point[1:1+half])), b64(string(point[1+half:]))))
	}
	return keys
}
