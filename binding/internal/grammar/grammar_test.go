package grammar_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/internal/grammar"
)

// Each production is held to the RFC's own text as a regular expression, for every byte, at every place of the four that
// are looked at together.
func TestProductions(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		is   func(string) bool
		want *regexp.Regexp
	}{
		"scope-token": {grammar.IsScopeToken, regexp.MustCompile(`(?s)\A[\x21\x23-\x5B\x5D-\x7E]+\z`)},
		"b64token":    {grammar.IsB64Token, regexp.MustCompile(`(?s)\A[A-Za-z0-9\-._~+/]+=*\z`)},
		"alphanumeric": {
			func(s string) bool { return len(s) == 1 && grammar.IsAlphanumeric(s[0]) }, regexp.MustCompile(`(?s)\A[A-Za-z0-9]\z`),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for c := range 256 {
				one := string([]byte{byte(c)})
				for _, s := range []string{one, one + "a", "a" + one, "ab" + one, "abc" + one, "abcd" + one, "abcde" + one, one + "=", "a=" + one, "ab" + one + "cd"} {
					// A byte past ASCII is no rune: an expression takes it for U+FFFD, which is in none of them.
					require.Equal(t, test.want.MatchString(s), test.is(s), "%q", s)
				}
			}
			for _, s := range []string{"", "=", "==", "a=", "a==b"} {
				require.Equal(t, test.want.MatchString(s), test.is(s), "%q", s)
			}
		})
	}
}

func TestFoldName(t *testing.T) { //nolint:paralleltest // AllocsPerRun
	for name, folded := range map[string]string{
		"X-Client-Cert":  "x-client-cert",
		"X_Client.Cert":  "x-client-cert",
		"x client\tCERT": "x-client-cert",
		"SSL_CLIENT_S1":  "ssl-client-s1",
		"@[`{":           "----",
		"\xc3\xa9":       "--",
		"":               "",
	} {
		require.Equal(t, folded, grammar.FoldName(name), "%q", name)
		require.True(t, grammar.FoldsTo(name, folded), "%q", name)
		require.Equal(t, folded, grammar.FoldName(folded), "folded once is folded")
		require.False(t, grammar.FoldsTo(name+"x", folded))
		require.False(t, grammar.FoldsTo(strings.ToUpper(name)+"-", folded))
	}
	require.False(t, grammar.FoldsTo("X-Client-Cart", "x-client-cert"))
	for c := range 256 { // as the comment says, for every byte
		one := string([]byte{byte(c)})
		want := "-"
		if grammar.IsAlphanumeric(byte(c)) {
			want = strings.ToLower(one)
		}
		require.Equal(t, want, grammar.FoldName(one), "%q", one)
		require.True(t, grammar.FoldsTo(one, want))
	}
	require.Zero(t, testing.AllocsPerRun(10, func() { _ = grammar.FoldsTo("X_Client_Cert", "x-client-cert") }))
}
