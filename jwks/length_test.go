package jwks_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// A/26: a token is as long as MaxTokenBytes says, and no longer.
func TestMaxTokenBytes(t *testing.T) {
	t.Parallel()
	key := newFaultKey("1")
	const iss = "https://issuer.example"
	ofLength := func(length int) string {
		for roles := length * 3 / 4; ; roles-- {
			token := key.token(iss, "roles", strings.Repeat("r", max(0, roles)))
			if len(token) <= length {
				return token
			}
		}
	}
	for name, test := range map[string]struct{ configured, most int }{
		"A/26 16 KiB by default": {0, 16 << 10},
		"A/26 as configured":     {20_000, 20_000},
		"A/26 64 KiB at most":    {64 << 10, 64 << 10},
		"A/26 one byte":          {1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := jwks.Config{
				Issuer: iss, Audiences: []string{faultAudience}, Keys: []byte(jwkSetOf(key)),
				Clock: func() time.Time { return faultNoon }, MaxTokenBytes: test.configured,
			}
			v, err := jwks.New(config)
			require.NoError(t, err)
			several, err := jwks.ByIssuer(v)
			require.NoError(t, err)
			byFunc, err := jwks.ByIssuerFunc(jwks.IssuersConfig{Config: func(context.Context, string) (jwks.Config, error) { return config, nil }})
			require.NoError(t, err)
			defer func() { require.NoError(t, byFunc.Close()) }()
			for _, verifier := range []binding.TokenVerifier{v, several, byFunc} {
				if test.most > 1_000 {
					requireAccepted(t, verifier, ofLength(test.most))
					refusal := refusalOf(t, verifier, ofLength(test.most+5))
					require.Equal(t, binding.ReasonTokenTooLong, refusal.Reason)
				} else {
					require.Equal(t, binding.ReasonTokenTooLong, refusalOf(t, verifier, key.token(iss)).Reason)
				}
			}
			refusal := refusalOf(t, v, strings.Repeat("a", test.most+1))
			require.Equal(t, binding.ReasonTokenTooLong, refusal.Reason)
			require.ErrorContains(t, refusal.Cause, "jwks.Config.MaxTokenBytes")
			if test.most > 1 {
				requireRefused(t, v, strings.Repeat("a", test.most), binding.ReasonTokenMalformed)
			}
		})
	}
	for _, wrong := range []int{-1, 64<<10 + 1} {
		_, err := jwks.New(jwks.Config{Issuer: iss, Audiences: []string{"a"}, MaxTokenBytes: wrong})
		require.Equal(t, []string{"MaxTokenBytes"}, mistakesOf(err))
	}
}
