package jwks

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/internal/keyset"
)

// From the inside, for what only the cache knows.

// compact is a token with a header and a payload as they stand, and a signature that nobody looks at here.
func compact(header, payload string) string {
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return encode(header) + "." + encode(payload) + "." + encode("signature")
}

// readWith reads a token's form in memory of its own.
func readWith(headers *headerCache, token string) (*jwt, error) {
	t := &jwt{headers: headers}
	return t, t.readForm(token)
}

const goodHeader = `{"alg":"ES256","kid":"1","typ":"at+jwt"}`

// isKnown reports whether the token's header is remembered.
func isKnown(headers *headerCache, token string) bool {
	t, err := readWith(headers, token)
	return err == nil && t.known
}

func TestHeaderIsReadOnce(t *testing.T) {
	headers := new(headerCache)
	token := compact(goodHeader, `{}`)
	message, err := readWith(headers, token)
	require.NoError(t, err)
	require.False(t, message.known)
	again, err := readWith(headers, token)
	require.NoError(t, err)
	require.False(t, again.known, "nothing is remembered before the signature was good")
	headers.remember(message)

	again, err = readWith(headers, compact(goodHeader, `{"other":"claims"}`))
	require.NoError(t, err)
	require.True(t, again.known)
	require.Equal(t, message.header, again.header)
	require.Equal(t, header{keyset.Header{Alg: "ES256", KeyID: "1", HasKeyID: true}, "at+jwt"}, again.header)
	require.JSONEq(t, `{"other":"claims"}`, string(again.Payload))
}

// A header that is remembered speaks for its very text and for no other.
func TestARememberedHeaderAcceptsNothingElse(t *testing.T) {
	t.Parallel()
	headers := new(headerCache)
	message, err := readWith(headers, compact(goodHeader, `{}`))
	require.NoError(t, err)
	headers.remember(message)
	encoded := base64.RawURLEncoding.EncodeToString([]byte(goodHeader))
	for name, test := range map[string]struct {
		token  string
		reason binding.Reason
	}{
		"no payload":                {encoded + "..c2ln", binding.ReasonTokenMalformed},
		"no signature":              {encoded + ".e30.", binding.ReasonTokenMalformed},
		"payload is no base64url":   {encoded + ".e3=.c2ln", binding.ReasonTokenMalformed},
		"signature is no base64url": {encoded + ".e30.c2l+", binding.ReasonTokenMalformed},
		"header cut off":            {encoded[:len(encoded)-2] + ".e30.c2ln", binding.ReasonTokenMalformed},
		"header padded":             {encoded + "=.e30.c2ln", binding.ReasonTokenMalformed},
		"header with a line end":    {encoded + "\n.e30.c2ln", binding.ReasonTokenMalformed},
		"four segments":             {encoded + ".e30.c2ln.c2ln", binding.ReasonTokenMalformed},
		"the header alone":          {encoded, binding.ReasonTokenMalformed},
		"alg missing":               {compact(`{"kid":"1","typ":"at+jwt"}`, `{}`), binding.ReasonTokenAlgorithm},
		"crit besides":              {compact(`{"alg":"ES256","kid":"1","typ":"at+jwt","crit":["exp"]}`, `{}`), binding.ReasonTokenHeader},
		"alg twice":                 {compact(`{"alg":"none","alg":"ES256","kid":"1","typ":"at+jwt"}`, `{}`), binding.ReasonTokenMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := readWith(headers, test.token)
			require.ErrorContains(t, err, string(test.reason))
		})
	}
	for text, want := range map[string]header{
		`{"alg":"none","kid":"1","typ":"at+jwt"}`:  {keyset.Header{Alg: "none", KeyID: "1", HasKeyID: true}, "at+jwt"},
		`{"alg":"ES256","kid":"2","typ":"at+jwt"}`: {keyset.Header{Alg: "ES256", KeyID: "2", HasKeyID: true}, "at+jwt"},
		`{"alg":"ES256","kid":"1"}`:                {keyset.Header{Alg: "ES256", KeyID: "1", HasKeyID: true}, TypeAbsent},
	} {
		message, err := readWith(headers, compact(text, `{}`))
		require.NoError(t, err)
		require.Equal(t, want, message.header)
	}
}

// Not even an issuer that writes another header into every token makes it remember without a bound.
func TestFewHeadersAreRemembered(t *testing.T) {
	headers := new(headerCache)
	var tokens []string
	for i := range 100 {
		tokens = append(tokens, compact(fmt.Sprintf(`{"alg":"ES256","kid":"%d","typ":"at+jwt"}`, i), `{}`))
		message, err := readWith(headers, tokens[i])
		require.NoError(t, err)
		headers.remember(message)
		again, err := readWith(headers, tokens[i])
		require.NoError(t, err)
		headers.remember(again) // is no second one
	}
	remembered := 0
	for i, token := range tokens {
		if isKnown(headers, token) {
			remembered++
			require.Greater(t, i, len(tokens)-10, "the newest")
		}
	}
	require.Equal(t, 8, remembered)

	long := compact(`{"alg":"ES256","kid":"1","typ":"at+jwt","x":"`+strings.Repeat("x", 1<<10)+`"}`, `{}`)
	message, err := readWith(headers, long)
	require.NoError(t, err)
	headers.remember(message)
	require.False(t, isKnown(headers, long))
}

func TestHeadersInManyGoroutines(t *testing.T) {
	t.Parallel()
	headers := new(headerCache)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for n := range 200 {
				kid := fmt.Sprint((i + n) % 12)
				message, err := readWith(headers, compact(`{"alg":"ES256","kid":"`+kid+`"}`, `{}`))
				if err != nil || message.header.KeyID != kid {
					t.Errorf("%v: %q for %q", err, message.header.KeyID, kid)
				}
				headers.remember(message)
			}
		})
	}
	all.Wait()
}

// A header of 1,024 characters is remembered, and a longer one is not.
func TestLongestHeaderThatIsRemembered(t *testing.T) {
	t.Parallel()
	header := func(length int) string {
		const start, end = `{"alg":"ES256","kid":"1","typ":"at+jwt","x":"`, `"}`
		return start + strings.Repeat("a", length-len(start)-len(end)) + end
	}
	for bytes, remembered := range map[int]bool{768: true, 769: false} {
		token := compact(header(bytes), `{}`)
		headers := new(headerCache)
		message, err := readWith(headers, token)
		require.NoError(t, err)
		headers.remember(message)
		require.Equal(t, remembered, isKnown(headers, token), "%d", base64.RawURLEncoding.EncodedLen(bytes))
	}
}

// The cause, for the operator's log, says what a malformed token is not.
func TestCauseOfAMalformedToken(t *testing.T) {
	t.Parallel()
	good := compact(goodHeader, `{}`)
	for token, want := range map[string]string{
		"": "compact serialization", ".": "compact serialization", "a": "compact serialization", good + ".": "compact serialization", "!" + good: "compact serialization", "\r" + good: "compact serialization",
		compact(`[]`, `{}`): "not a JSON object", compact(`{"alg":"ES256","alg":"ES256"}`, `{}`): "a name occurs twice", compact("{\"alg\":\"\xff\"}", `{}`): "in UTF-8",
	} {
		_, err := readWith(new(headerCache), token)
		require.Equal(t, binding.ReasonTokenMalformed, binding.AsError(err).Reason, "%q", token)
		require.ErrorContains(t, binding.AsError(err).Cause, want, "%q", token)
	}
}

// A token is read up to its longest length, to the byte.
func TestLongestToken(t *testing.T) {
	t.Parallel()
	ofLength := func(length int) string {
		short := compact(goodHeader, "")
		return strings.Replace(short, "..", "."+strings.Repeat("A", length-len(short))+".", 1)
	}
	longest := ofLength(maxTokenBytes)
	require.Len(t, longest, maxTokenBytes)
	_, err := readWith(new(headerCache), longest)
	require.NoError(t, err)
	for _, length := range []int{maxTokenBytes + 1, maxTokenBytes + 2, maxTokenBytes + 4_000} {
		_, err := readWith(new(headerCache), ofLength(length))
		require.Equal(t, binding.ReasonTokenTooLong, binding.AsError(err).Reason, "%d", length)
	}
}
