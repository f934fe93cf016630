package main_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// Whoever made the token may have made it for the terminal of who inspects it.
func TestHostileTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	const escape = "\x1b[2J\x1b]0;owned\a\r\n\u202e\u0085\u2028"
	var many strings.Builder
	for n := range 2000 {
		fmt.Fprintf(&many, `,"claim-%d":%d`, n, n)
	}
	for name, token := range map[string]string{
		"escapes in claims": w.token(t, bindingtest.TokenSpec{ClientID: escape, Subject: escape, Audience: []string{escape, escape}, Claims: map[string]any{
			"iss": escape, "exp": escape, "scope": escape, escape: escape, "scp": []string{escape},
			"cnf": map[string]any{"x5t#S256": escape, escape: 1},
		}}),
		"escapes in cnf":     w.token(t, bindingtest.TokenSpec{Claims: map[string]any{"cnf": map[string]any{escape: escape}}}),
		"escapes in header":  w.token(t, bindingtest.TokenSpec{Header: map[string]any{"typ": escape, "alg": escape, "kid": escape}}),
		"many claims":        raw(`{`+good+many.String()+`}`)(t, w),
		"a long claim":       w.token(t, bindingtest.TokenSpec{ClientID: strings.Repeat("\u20ac", 2000)}),
		"deep":               raw(`{`+good+`,"deep":`+strings.Repeat("[", 9000)+strings.Repeat("]", 9000)+`}`)(t, w),
		"too deep":           raw(`{"deep":`+strings.Repeat(`{"a":`, 3000)+"1"+strings.Repeat("}", 3000)+`}`)(t, w),
		"many audiences":     w.token(t, bindingtest.TokenSpec{Audience: strings.Split(strings.Repeat("https://other.example ", 400), " ")[:400]}),
		"dots alone":         strings.Repeat(".", 5000),
		"eyJ and dots":       "eyJ" + strings.Repeat(".", 5000),
		"empty objects":      "e30.e30.AA",
		"arrays":             "W10.W10.AA",
		"null":               "bnVsbA.bnVsbA.AA",
		"numbers everywhere": raw(`{"iss":1,"sub":1,"aud":1,"exp":1e999,"nbf":-1,"iat":1e300,"cnf":1,"scope":1,"client_id":1,"act":1}`)(t, w),
		"nulls everywhere":   raw(`{"iss":null,"sub":null,"aud":[null],"exp":null,"nbf":null,"iat":null,"cnf":{"x5t#S256":null},"scope":null}`)(t, w),
		"not a character":    "eyJ\x1b[31m.\xff.\x00",
		"a long kid":         w.token(t, bindingtest.TokenSpec{Header: map[string]any{"kid": strings.Repeat("k", 3000)}}),
		"a huge thumbprint":  w.confirmed(t, strings.Repeat("A", 9000)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, args := range [][]string{w.flags(), {"-cert", w.file}, nil} {
				status, output := inspect(t, token, args...)
				require.Contains(t, []int{0, 1, 3}, status, output)
				require.NotContains(t, output, "panic")
				requireSays(t, output, "verdict", map[int]string{0: "ok", 1: "FAIL", 3: ""}[status])
				requireExplained(t, status, output)
				requireDiscreet(t, output, token)
				require.Less(t, len(output), 12<<10)
			}
		})
	}
}

// A good token with any one character changed is refused, or cannot be told, and
// is explained.
func TestAChangedTokenIsNeverAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	token := w.token(t, bindingtest.TokenSpec{})
	random := rand.New(rand.NewPCG(1, 2))
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for range 40 {
		at, letter := random.IntN(len(token)), letters[random.IntN(len(letters))]
		if token[at] == letter || token[at] == '.' {
			continue
		}
		changed := token[:at] + string(letter) + token[at+1:]
		status, output := inspect(t, changed, w.flags()...)
		require.Contains(t, []int{1, 3}, status, "character %d is %c:\n%s", at, letter, output)
		require.NotContains(t, output, "panic")
		requireExplained(t, status, output)
	}
}

// requireExplained asserts that a refusal has a line that says why.
func requireExplained(t *testing.T, status int, output string) {
	t.Helper()
	if status == 1 {
		requireSays(t, output, "verdict", "FAIL", "what to change: see ")
	}
}

func TestMoreThanAToken(t *testing.T) {
	t.Parallel()
	secret := base64.RawURLEncoding.EncodeToString([]byte("secret"))
	for name, test := range map[string]struct{ stdin, want string }{
		"nothing":        {" \n", "holds no access token"},
		"a whole book":   {strings.Repeat(secret, 10000), "which is no access token"},
		"a scheme alone": {"Bearer ", "holds no access token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, output := inspect(t, test.stdin)
			require.Equal(t, 2, status, output)
			require.Contains(t, output, test.want)
			require.NotContains(t, output, secret)
		})
	}
}
