package jws_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/internal/jws"
)

// compact is a token with a header and a payload as they stand, and a signature that nobody looks at here.
func compact(header, payload string) string {
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return encode(header) + "." + encode(payload) + "." + encode("signature")
}

// parseWith takes a token apart in memory of its own.
func parseWith(headers *jws.Headers, token string) (message jws.Message, err error) {
	err = headers.Parse(&message, token)
	return message, err
}

const goodHeader = `{"alg":"ES256","kid":"1","typ":"at+jwt"}`

// allocations tells a header that is read again from one that is remembered: reading takes many. It is the least number of
// many single times: the rest of the process, and the race detector, have allocations of their own now and then.
func allocations(headers *jws.Headers, token string) float64 {
	return leastAllocations(func() { _, _ = parseWith(headers, token) })
}

func leastAllocations(f func()) float64 {
	least := testing.AllocsPerRun(1, f)
	for range 50 {
		least = min(least, testing.AllocsPerRun(1, f))
	}
	return least
}

func TestHeaderIsReadOnce(t *testing.T) {
	headers := new(jws.Headers)
	token := compact(goodHeader, `{}`)
	message, err := parseWith(headers, token)
	require.NoError(t, err)
	require.Greater(t, allocations(headers, token), 10.0, "nothing is remembered before the signature was good")
	headers.Remember(&message)
	require.LessOrEqual(t, allocations(headers, token), 3.0)

	again, err := parseWith(headers, compact(goodHeader, `{"other":"claims"}`))
	require.NoError(t, err)
	require.Equal(t, message.Header, again.Header)
	require.Equal(t, jws.Header{Alg: "ES256", Typ: "at+jwt", KeyID: "1", HasKeyID: true}, again.Header)
	require.JSONEq(t, `{"other":"claims"}`, string(again.Payload))
}

// A header that is remembered speaks for its very text and for no other.
func TestARememberedHeaderAcceptsNothingElse(t *testing.T) {
	t.Parallel()
	headers := new(jws.Headers)
	message, err := parseWith(headers, compact(goodHeader, `{}`))
	require.NoError(t, err)
	headers.Remember(&message)
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
			_, err := parseWith(headers, test.token)
			require.ErrorContains(t, err, string(test.reason))
		})
	}
	for header, want := range map[string]jws.Header{
		`{"alg":"none","kid":"1","typ":"at+jwt"}`:  {Alg: "none", Typ: "at+jwt", KeyID: "1", HasKeyID: true},
		`{"alg":"ES256","kid":"2","typ":"at+jwt"}`: {Alg: "ES256", Typ: "at+jwt", KeyID: "2", HasKeyID: true},
		`{"alg":"ES256","kid":"1"}`:                {Alg: "ES256", Typ: jws.TypeAbsent, KeyID: "1", HasKeyID: true},
	} {
		message, err := parseWith(headers, compact(header, `{}`))
		require.NoError(t, err)
		require.Equal(t, want, message.Header)
	}
}

// Not even an issuer that writes another header into every token makes it remember without a bound.
func TestFewHeadersAreRemembered(t *testing.T) {
	headers := new(jws.Headers)
	var tokens []string
	for i := range 100 {
		tokens = append(tokens, compact(fmt.Sprintf(`{"alg":"ES256","kid":"%d","typ":"at+jwt"}`, i), `{}`))
		message, err := parseWith(headers, tokens[i])
		require.NoError(t, err)
		headers.Remember(&message)
		again, err := parseWith(headers, tokens[i])
		require.NoError(t, err)
		headers.Remember(&again) // is no second one
	}
	remembered := 0
	for i, token := range tokens {
		if allocations(headers, token) <= 3 {
			remembered++
			require.Greater(t, i, len(tokens)-10, "the newest")
		}
	}
	require.Equal(t, 8, remembered)

	long := compact(`{"alg":"ES256","kid":"1","typ":"at+jwt","x":"`+strings.Repeat("x", 1<<10)+`"}`, `{}`)
	message, err := parseWith(headers, long)
	require.NoError(t, err)
	headers.Remember(&message)
	require.Greater(t, allocations(headers, long), 10.0)
}

// What is kept for the next token holds nothing of the last.
func TestClearedMessage(t *testing.T) {
	t.Parallel()
	var message jws.Message
	require.NoError(t, new(jws.Headers).Parse(&message, compact(goodHeader, `{"iss":"a"}`)))
	parts := [][]byte{message.Payload, message.SigningInput, message.Signature}
	message.Clear()
	for _, part := range parts {
		require.Equal(t, make([]byte, len(part)), part)
	}
	require.Zero(t, message.Header)
	require.Nil(t, message.Payload)
}

func TestHeadersInManyGoroutines(t *testing.T) {
	t.Parallel()
	headers := new(jws.Headers)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for n := range 200 {
				kid := fmt.Sprint((i + n) % 12)
				message, err := parseWith(headers, compact(`{"alg":"ES256","kid":"`+kid+`"}`, `{}`))
				if err != nil || message.Header.KeyID != kid {
					t.Errorf("%v: %q for %q", err, message.Header.KeyID, kid)
				}
				headers.Remember(&message)
			}
		})
	}
	all.Wait()
}

// A segment is decoded piece by piece: where a piece ends changes nothing.
func TestSegmentsOfEveryLength(t *testing.T) {
	t.Parallel()
	for length := 1; length < 1200; length++ {
		payload := strings.Repeat("p", length)
		message, err := jws.Parse(compact(goodHeader, payload))
		require.NoError(t, err, length)
		require.Equal(t, payload, string(message.Payload))
	}
	long := compact(goodHeader, strings.Repeat("p", 1500))
	from := strings.Index(long, ".") + 1
	for at := from; at < strings.LastIndex(long, "."); at++ {
		for _, wrong := range []string{"=", "+", "\n", ".", "\x00"} {
			_, err := jws.Parse(long[:at] + wrong + long[at+1:])
			require.ErrorContains(t, err, string(binding.ReasonTokenMalformed), "%q at %d", wrong, at-from)
		}
	}
}
