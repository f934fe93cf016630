package jws_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/internal/jws"
)

// A token is read up to its longest length, to the byte.
func TestLongestToken(t *testing.T) {
	t.Parallel()
	ofLength := func(length int) string {
		short := compact(goodHeader, "")
		return strings.Replace(short, "..", "."+strings.Repeat("A", length-len(short))+".", 1)
	}
	longest := ofLength(16384)
	require.Len(t, longest, 16384)
	_, err := jws.Parse(longest)
	require.NoError(t, err)
	for _, length := range []int{16385, 16386, 20_000} {
		_, err := jws.Parse(ofLength(length))
		require.Equal(t, binding.ReasonTokenTooLong, reasonOf(t, err), "%d", length)
	}
}

// The cause, for the operator's log, is there where the header was read and is no good.
func TestCauseOfAMalformedHeader(t *testing.T) {
	t.Parallel()
	good := compact(goodHeader, `{}`)
	for _, token := range []string{"", ".", "..", "a", good + ".", "!" + good, "=." + good, "\r" + good, "\n" + good, good + "\r", "e30\r.e30.AA"} {
		_, err := jws.Parse(token)
		require.Equal(t, binding.ReasonTokenMalformed, reasonOf(t, err), "%q", token)
		require.NoError(t, binding.AsError(err).Cause, "%q", token)
	}
	for header, want := range map[string]string{
		`[]`: "not a JSON object", `{"alg":"ES256","alg":"ES256"}`: "a name occurs twice", "{\"alg\":\"\xff\"}": "in UTF-8",
	} {
		_, err := jws.Parse(compact(header, `{}`))
		require.Equal(t, binding.ReasonTokenMalformed, reasonOf(t, err), header)
		require.ErrorContains(t, binding.AsError(err).Cause, want, header)
	}
}

// A header is read before anything is verified: what takes long to read is not.
func TestHeaderOfManyParts(t *testing.T) {
	t.Parallel()
	members := func(n int) string { // with alg
		var b strings.Builder
		for i := range n - 1 {
			fmt.Fprintf(&b, `,"%d":0`, i)
		}
		return `{"alg":"ES256"` + b.String() + `}`
	}
	nested := func(depth int, open, end string) string { // with the header itself
		return `{"alg":"ES256","a":` + strings.Repeat(open, depth-1) + "0" + strings.Repeat(end, depth-1) + `}`
	}
	for name, test := range map[string]struct {
		header string
		read   bool
	}{
		"64 members":           {members(64), true},
		"65 members":           {members(65), false},
		"64 arrays":            {nested(64, "[", "]"), true},
		"65 arrays":            {nested(65, "[", "]"), false},
		"65 colons in a text":  {`{"alg":"ES256","a":"` + strings.Repeat(":", 63) + `"}`, false},
		"30 objects":           {nested(30, `{"a":`, "}"), true},
		"65 arrays or objects": {nested(34, `[{"a":`, "}]"), false},
	} {
		_, err := jws.Parse(compact(test.header, `{}`))
		if test.read {
			require.NoError(t, err, name)
			continue
		}
		require.Equal(t, binding.ReasonTokenMalformed, reasonOf(t, err), name)
		require.ErrorContains(t, binding.AsError(err).Cause, "too many", name)
	}
}

func reasonOf(t *testing.T, err error) binding.Reason {
	t.Helper()
	require.Error(t, err)
	return binding.AsError(err).Reason
}

// A header of 1,024 characters is remembered, and a longer one is not; without a memory nothing is.
func TestLongestHeaderThatIsRemembered(t *testing.T) {
	header := func(length int) string {
		const start, end = `{"alg":"ES256","kid":"1","typ":"at+jwt","x":"`, `"}`
		return start + strings.Repeat("a", length-len(start)-len(end)) + end
	}
	for bytes, remembered := range map[int]bool{768: true, 769: false} {
		token := compact(header(bytes), `{}`)
		headers := new(jws.Headers)
		message, err := parseWith(headers, token)
		require.NoError(t, err)
		before := allocations(headers, token)
		headers.Remember(&message)
		require.Equal(t, remembered, allocations(headers, token) < before, "%d", base64.RawURLEncoding.EncodedLen(bytes))
	}
	message, err := jws.Parse(compact(goodHeader, `{}`))
	require.NoError(t, err)
	require.NotPanics(t, func() { (*jws.Headers)(nil).Remember(&message) })
}

// What is taken apart into one Message again and again needs no other memory, once the header is known.
func TestMemoryOfAMessageIsUsedAgain(t *testing.T) {
	headers, token := new(jws.Headers), compact(goodHeader, `{}`)
	var message jws.Message
	require.NoError(t, headers.Parse(&message, token))
	headers.Remember(&message)
	require.Zero(t, leastAllocations(func() { _ = headers.Parse(&message, token) }))
}

const rsaKey = `{"kty":"RSA","kid":"1","e":"AQAB","n":"` + modulus + `"}`

// modulus is RFC 7515's, appendix A.2.
const modulus = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs" +
	"D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV" +
	"MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"

// A key fits no algorithm that is none of ours, whatever else it fits.
func TestKeyFitsNoUnknownAlgorithm(t *testing.T) {
	t.Parallel()
	set, err := jws.ReadKeySet([]byte(`{"keys":[`+rsaKey+`]}`), 1)
	require.NoError(t, err)
	require.True(t, set.Publishes(set.Keys[0].Material, "RS256"))
	require.True(t, set.Knows(&jws.Header{Alg: "RS256"}))
	for _, alg := range []string{"", "none", "HS256", "RS1", "rs256", "ES256", "EdDSA"} {
		require.False(t, set.Publishes(set.Keys[0].Material, alg), alg)
		require.False(t, set.Knows(&jws.Header{Alg: alg}), alg)
		signer, tried := set.Verify(&jws.Message{Header: jws.Header{Alg: alg}, Signature: make([]byte, 256)})
		require.Nil(t, signer, alg)
		require.Zero(t, tried, alg)
	}
}

// A key without a kid is no key of the kid "", which no token has.
func TestKeyWithoutAnIDHasNone(t *testing.T) {
	t.Parallel()
	set, err := jws.ReadKeySet([]byte(`{"keys":[`+strings.Replace(rsaKey, `"kid":"1",`, "", 1)+`]}`), 1)
	require.NoError(t, err)
	require.True(t, set.Knows(&jws.Header{Alg: "RS256"}))
	require.False(t, set.Knows(&jws.Header{Alg: "RS256", HasKeyID: true}))
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
		set, err := jws.ReadKeySet([]byte(`{"keys":[`+rsaKey+`,`+key+`]}`), 2)
		require.NoError(t, err)
		require.Len(t, set.Ignored, 1)
		require.EqualError(t, set.Ignored[0].Problem, want, key)
	}
}
