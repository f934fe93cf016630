package bindingtest_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

func TestEveryAlgorithmSignsWithThePublishedKey(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{
		"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
	} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			as := newServer(t, bindingtest.Config{Algorithm: algorithm})
			token, err := as.Token(bindingtest.TokenSpec{})
			require.NoError(t, err)
			verify(t, as, token)
			header, _ := decode(t, token)
			require.Equal(t, algorithm, header["alg"])
			require.Equal(t, as.KeyID(), header["kid"])
			key, ok := published(t, as).LookupKeyID(as.KeyID())
			require.True(t, ok)
			require.Equal(t, algorithm, key.Algorithm().String())
			require.Equal(t, "sig", key.KeyUsage())
		})
	}
}

// jwx v2 does not know the name, so crypto/ed25519 checks the signature.
func TestEd25519SignsUnderTheNameOfRFC9864(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{Algorithm: "Ed25519"})
	token, err := as.Token(bindingtest.TokenSpec{})
	require.NoError(t, err)
	var set struct {
		Keys []struct{ Kty, Crv, Alg, X, D string }
	}
	require.NoError(t, json.Unmarshal(get(t, as.HTTPClient(), as.URL(bindingtest.JWKSPath)).body, &set))
	require.Len(t, set.Keys, 1)
	require.Equal(t, []string{"OKP", "Ed25519", "Ed25519", ""},
		[]string{set.Keys[0].Kty, set.Keys[0].Crv, set.Keys[0].Alg, set.Keys[0].D})
	public := unbase64(t, set.Keys[0].X)
	segments := strings.Split(token, ".")
	require.Contains(t, string(unbase64(t, segments[0])), `"alg":"Ed25519"`)
	require.True(t, ed25519.Verify(public, []byte(segments[0]+"."+segments[1]), unbase64(t, segments[2])))
}

func unbase64(t *testing.T, s string) []byte {
	t.Helper()
	decoded, err := base64.RawURLEncoding.DecodeString(s)
	require.NoError(t, err)
	return decoded
}

func TestPublishedKeysArePublic(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	require.NoError(t, as.Rotate())
	answer := get(t, as.HTTPClient(), as.URL(bindingtest.JWKSPath))
	require.Equal(t, "application/jwk-set+json", answer.header.Get("Content-Type"))
	require.NotContains(t, string(answer.body), `"d"`)
	require.JSONEq(t, string(as.JWKS()), string(answer.body))
}

func TestRotationKeepsOldKeysUntilTheyAreRetired(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	before, err := as.Token(bindingtest.TokenSpec{})
	require.NoError(t, err)
	oldKey := as.KeyID()

	require.NoError(t, as.Rotate())
	require.NotEqual(t, oldKey, as.KeyID())
	after, err := as.Token(bindingtest.TokenSpec{})
	require.NoError(t, err)
	verify(t, as, before)
	verify(t, as, after)
	require.Equal(t, 2, published(t, as).Len())

	as.RetireOldKeys()
	verify(t, as, after)
	require.Equal(t, 1, published(t, as).Len())
	_, err = jws.Verify([]byte(before), jws.WithKeySet(published(t, as)))
	require.Error(t, err)
}

func TestPublishJWKAddsWhateverIsJSON(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	odd := json.RawMessage(`{"kty":"oct","k":"AAAA","kid":"odd"}`)
	require.NoError(t, as.PublishJWK(odd))
	copy(odd, "overwritten")
	require.NoError(t, as.PublishJWK(json.RawMessage(`null`)))
	require.Error(t, as.PublishJWK(json.RawMessage(`{"kty"`)))
	var set struct{ Keys []json.RawMessage }
	require.NoError(t, json.Unmarshal(get(t, as.HTTPClient(), as.URL(bindingtest.JWKSPath)).body, &set))
	require.Len(t, set.Keys, 3)
	require.JSONEq(t, `{"kty":"oct","k":"AAAA","kid":"odd"}`, string(set.Keys[1]))
	require.JSONEq(t, `null`, string(set.Keys[2]))
	as.RetireOldKeys()
	require.Equal(t, 1, published(t, as).Len())
}
