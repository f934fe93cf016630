package keyset_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks/internal/jws"
	"github.com/certbound/certbound/jwks/internal/keyset"
)

const rsaKey = `{"kty":"RSA","kid":"1","e":"AQAB","n":"` + modulus + `"}`

// modulus is RFC 7515's, appendix A.2.
const modulus = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs" +
	"D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV" +
	"MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"

// A key fits no algorithm that is none of ours, whatever else it fits.
func TestKeyFitsNoUnknownAlgorithm(t *testing.T) {
	t.Parallel()
	set, err := keyset.Read([]byte(`{"keys":[`+rsaKey+`]}`), 1)
	require.NoError(t, err)
	require.True(t, set.Publishes(set.Keys[0].Thumbprint, "RS256"))
	require.True(t, set.Knows(&keyset.Header{Alg: "RS256"}))
	for _, alg := range []string{"", "none", "HS256", "RS1", "rs256", "ES256", "EdDSA"} {
		require.False(t, set.Publishes(set.Keys[0].Thumbprint, alg), alg)
		require.False(t, set.Knows(&keyset.Header{Alg: alg}), alg)
		signer, tried := set.Verify(&keyset.Header{Alg: alg}, &jws.Message{Signature: make([]byte, 256)})
		require.Nil(t, signer, alg)
		require.Zero(t, tried, alg)
	}
}

// A key without a kid is no key of the kid "", which no token has.
func TestKeyWithoutAnIDHasNone(t *testing.T) {
	t.Parallel()
	set, err := keyset.Read([]byte(`{"keys":[`+strings.Replace(rsaKey, `"kid":"1",`, "", 1)+`]}`), 1)
	require.NoError(t, err)
	require.True(t, set.Knows(&keyset.Header{Alg: "RS256"}))
	require.False(t, set.Knows(&keyset.Header{Alg: "RS256", HasKeyID: true}))
}

// Why a key of a set is not used: its type is one of ours and its material is none of that type, or we have no such type or
// curve.
func TestProblemOfAKey(t *testing.T) {
	t.Parallel()
	const malformed, unsupported = "the key is malformed", "the key is of a type, curve or algorithm that is not supported"
	for key, want := range map[string]string{
		`{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`:       malformed,
		`{"kty":"EC","crv":"P-256","x":"","y":""}`:           malformed,
		`{"kty":"OKP","crv":"Ed25519","x":"AAAA"}`:           malformed,
		`{"kty":"OKP","crv":"Ed448","x":"AAAA"}`:             unsupported,
		`{"kty":"OKP","crv":"P-256","x":"AAAA"}`:             unsupported,
		`{"kty":"EC","crv":"secp256k1","x":"AAAA","y":"AA"}`: unsupported,
		`{"kty":"XYZ","x":"AAAA"}`:                           unsupported,
	} {
		set, err := keyset.Read([]byte(`{"keys":[`+rsaKey+`,`+key+`]}`), 2)
		require.NoError(t, err)
		require.Len(t, set.Ignored, 1)
		require.EqualError(t, set.Ignored[0].Problem, want, key)
	}
}
