package keyset_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks/internal/jws"
	"github.com/certbound/certbound/jwks/internal/keyset"
)

func quote(text string) string { return fmt.Sprintf("%q", text) }

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

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
			{"d", `"AQ"`}, {"d", `null`}, {"d", `[]`}, {"k", `"AQ"`}, {"k", `null`}, {"oth", `[]`}, {"oth", `[ ]`}, {"oth", `[1]`}, {"kid", `null`}, {"key_ops", `[]`}, {"x5c", `[]`}, {"kty", `null`}, {"kty", `"oct"`}, {"KTY", `"oct"`}, {"x5c", `["AAAA"]`}, {"crv", `"P-521"`}, {"crv", `"X25519"`},
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
		set, err := keyset.Read([]byte(`{"keys":[`+text+`]}`), 1)
		if err != nil {
			require.Nil(t, set)
			return
		}
		require.Len(t, set.Keys, 1)
		require.Empty(t, set.Ignored)
		public, err := readPublicKey([]byte(text))
		require.NoError(t, err, "used, and not by the other")
		require.True(t, set.Keys[0].Public.(interface{ Equal(crypto.PublicKey) bool }).Equal(public))
		require.True(t, set.Holds(set.Keys[0]))
		for _, signature := range [][]byte{make([]byte, 64), append([]byte{1}, make([]byte, 63)...), make([]byte, 256), append(make([]byte, 255), 1)} {
			for _, alg := range []string{"RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "none", ""} {
				signer, _ := set.Verify(&keyset.Header{Alg: alg}, &jws.Message{SigningInput: []byte("a.b"), Signature: signature})
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
