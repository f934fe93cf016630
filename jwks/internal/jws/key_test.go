package jws_test

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
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks/internal/jws"
)

// modulus is that of RFC 7638 §3.1.
const modulus = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"

// The thumbprints that RFCs give.
func TestThumbprints(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ key, want string }{
		"RFC 7638 §3.1": {`{"kty":"RSA","n":"` + modulus + `","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		"RFC 8037 A.3":  {`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
		"RFC 9449 §6.1": {`{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}`, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key, err := jws.ParseKey([]byte(test.key))
			require.NoError(t, err)
			require.Equal(t, test.want, base64.RawURLEncoding.EncodeToString(key.Thumbprint[:]))
			again, err := jws.NewKey(key.Public)
			require.NoError(t, err)
			require.Equal(t, key.Thumbprint, again.Thumbprint)
		})
	}
}

// Why a key that is sent is not used.
func TestProblemOfASentKey(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]error{
		``: jws.ErrKeyMalformed, `null`: jws.ErrKeyMalformed, `[]`: jws.ErrKeyMalformed, `"x"`: jws.ErrKeyMalformed, `{"kty":"EC","kty":"EC"}`: jws.ErrDuplicate,
		`{}`: jws.ErrKeyUnsupported, `{"kty":"oct"}`: jws.ErrKeySymmetric, `{"kty":"oct","k":"AA"}`: jws.ErrKeyPrivate, `{"kty":"AKP","priv":null}`: jws.ErrKeyPrivate,
		`{"kty":"EC","crv":"P-224"}`: jws.ErrKeyUnsupported, `{"kty":"EC","crv":"P-256"}`: jws.ErrKeyMalformed, `{"kty":"OKP","crv":"Ed448"}`: jws.ErrKeyUnsupported,
		`{"kty":"OKP","crv":"Ed25519"}`: jws.ErrKeyMalformed, `{"kty":"RSA"}`: jws.ErrKeyMalformed, `{"kty":"RSA","n":"AQAB","e":"AQAB"}`: jws.ErrKeyWeak,
		`{"kty":"RSA","n":"` + modulus + `","e":"AQABAAAB"}`: jws.ErrKeyWeak, `{"kty":"RSA","n":"` + modulus + `","e":""}`: jws.ErrKeyMalformed,
		`{"kty":"RSA","n":"` + modulus + `=","e":"AQAB"}`: jws.ErrKeyMalformed, `{"kty":"RSA","n":"` + modulus[:340] + `\n","e":"AQAB"}`: jws.ErrKeyMalformed,
	} {
		parsed, err := jws.ParseKey([]byte(key))
		require.ErrorIs(t, err, want, key)
		require.Nil(t, parsed)
	}
}

func TestNewKeyTakesPublicKeysOfItsKindsAlone(t *testing.T) {
	t.Parallel()
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	off := p256.PublicKey
	off.Y = new(big.Int).Add(off.Y, big.NewInt(1)) //nolint:staticcheck // as a careless reader would make it
	for name, test := range map[string]struct {
		key  crypto.PublicKey
		want error
	}{
		"nil": {nil, jws.ErrKeyUnsupported}, "P-224": {&p224.PublicKey, jws.ErrKeyUnsupported}, "private EC": {p256, jws.ErrKeyUnsupported},
		"private Ed25519": {private, jws.ErrKeyUnsupported}, "Ed25519 of 31 bytes": {public[:31], jws.ErrKeyMalformed}, "off the curve": {&off, jws.ErrKeyMalformed},
		"RSA of 1024 bits": {&rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 3}, jws.ErrKeyWeak},
	} {
		_, err := jws.NewKey(test.key)
		require.ErrorIs(t, err, test.want, name)
	}
}

// A key fits the algorithms of its type and curve, and verifies by no other.
func TestFits(t *testing.T) {
	t.Parallel()
	for kind, fitting := range map[string]string{"RSA": "RS256 RS384 RS512 PS256 PS384 PS512", "P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA Ed25519"} {
		key, err := jws.ParseKey([]byte(publicKeys(t)[kind]))
		require.NoError(t, err)
		for _, alg := range strings.Fields("RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519 none HS256 rs256 ES256K Ed448") {
			require.Equal(t, strings.Contains(" "+fitting+" ", " "+alg+" "), key.Fits(alg), "%s %s", kind, alg)
			require.False(t, jws.Verify(alg, key, []byte("a.b"), make([]byte, 64)))
		}
		require.False(t, key.Fits(""))
	}
}

// publicKeys are one JWK of each kind.
func publicKeys(tb testing.TB) map[string]string {
	tb.Helper()
	edKey, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(tb, err)
	keys := map[string]string{
		"RSA":     `{"kty":"RSA","n":"` + modulus + `","e":"AQAB"}`,
		"Ed25519": fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","x":%q}`, b64(string(edKey))),
	}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(tb, err)
		point, err := key.PublicKey.Bytes()
		require.NoError(tb, err)
		half := len(point) / 2
		keys[curve.Params().Name] = fmt.Sprintf(`{"kty":"EC","crv":%q,"x":%q,"y":%q}`, curve.Params().Name, b64(string(point[1:1+half])), b64(string(point[1+half:])))
	}
	return keys
}

// FuzzSentKey: what is taken for a public key, jwx takes for the very same one, with the same thumbprint, and finds nothing
// private in it; and it is the only way to write it.
func FuzzSentKey(f *testing.F) {
	for _, key := range publicKeys(f) {
		f.Add(key)
		f.Add(key[:len(key)-1] + `,"kid":"1"}`)
		for _, member := range []struct{ name, value string }{
			{"d", `"AQ"`}, {"d", `null`}, {"k", `1`}, {"oth", `[]`}, {"kty", `"oct"`}, {"KTY", `"oct"`}, {"crv", `"P-521"`}, {"crv", `"X25519"`},
			{"x", `"AAAA"`}, {"x", `"AA=="`}, {"x", `"+/"`}, {"y", `null`}, {"n", `"AQAB"`}, {"e", `"AQ"`}, {"e", `"Ag"`}, {"e", `"AAAAAQAB"`}, {"e", `"gAAAAQ"`},
			{"x5c", `[]`}, {"use", `"enc"`}, {"kid", `"é"`},
		} {
			members := make(map[string]json.RawMessage)
			require.NoError(f, json.Unmarshal([]byte(key), &members))
			members[member.name] = json.RawMessage(member.value)
			text, err := json.Marshal(members)
			require.NoError(f, err)
			f.Add(string(text))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := jws.ParseKey([]byte(text))
		if err != nil {
			require.Nil(t, key)
			return
		}
		var all map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(text), &all))
		material := make(map[string]json.RawMessage)
		for _, name := range []string{"kty", "crv", "n", "e", "x", "y"} { // what else jwx reads more strictly is no part of the key
			if value, present := all[name]; present {
				material[name] = value
			}
		}
		for _, private := range jws.PrivateMembers {
			require.NotContains(t, all, private)
		}
		bare, err := json.Marshal(material)
		require.NoError(t, err)
		theirs, err := jwk.ParseKey(bare)
		require.NoError(t, err)
		thumbprint, err := theirs.Thumbprint(crypto.SHA256)
		require.NoError(t, err)
		require.Equal(t, thumbprint, key.Thumbprint[:])
		var public any
		require.NoError(t, theirs.Raw(&public))
		require.True(t, key.Public.(interface{ Equal(crypto.PublicKey) bool }).Equal(public))
		again, err := jwk.FromRaw(key.Public)
		require.NoError(t, err)
		written, err := json.Marshal(again)
		require.NoError(t, err)
		var canonical map[string]string
		require.NoError(t, json.Unmarshal(written, &canonical))
		for name, want := range canonical {
			var got string
			require.NoError(t, json.Unmarshal(material[name], &got))
			require.Equal(t, want, got, name)
		}
	})
}
