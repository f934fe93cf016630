package jwks_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// A token with an unknown kid makes the verifier ask the issuer, unless anything
// that costs less refuses the token first.
func TestNothingDearBeforeAnythingCheap(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	unknown := i.header().with("kid", `"nobody's"`)
	token := func(header, claims raw) string { return i.sign(t, header.String(), claims.String()) }
	base := token(unknown, i.claims())
	segments := strings.Split(base, ".")
	rows := map[string]struct {
		token  string
		reason binding.Reason
	}{
		"too long":                {token(unknown, i.claims().with("fill", quote(strings.Repeat("a", 16<<10)))), binding.ReasonTokenTooLong},
		"a segment more":          {base + ".AAAA", binding.ReasonTokenMalformed},
		"a padded signature":      {base + "=", binding.ReasonTokenMalformed},
		"no signature":            {segments[0] + "." + segments[1] + ".", binding.ReasonTokenMalformed},
		"a header that is none":   {i.sign(t, "[]", i.claims().String()), binding.ReasonTokenMalformed},
		"a kid twice":             {i.sign(t, unknown.and(`"kid":"x"`), i.claims().String()), binding.ReasonTokenMalformed},
		"crit":                    {token(unknown.with("crit", `["x"]`), i.claims()), binding.ReasonTokenHeader},
		"b64":                     {token(unknown.with("b64", "false"), i.claims()), binding.ReasonTokenHeader},
		"C/96 kid of 257 bytes":   {token(unknown.with("kid", quote(strings.Repeat("k", 257))), i.claims()), binding.ReasonTokenHeader},
		"alg none":                {token(unknown.with("alg", `"none"`), i.claims()), binding.ReasonTokenAlgorithm},
		"alg HS256":               {token(unknown.with("alg", `"HS256"`), i.claims()), binding.ReasonTokenAlgorithm},
		"alg not in the list":     {token(unknown.with("alg", `"RS256"`), i.claims()), binding.ReasonTokenAlgorithm},
		"typ":                     {token(unknown.with("typ", `"JWT"`), i.claims()), binding.ReasonTokenType},
		"claims that are none":    {i.sign(t, unknown.String(), "[]"), binding.ReasonTokenMalformed},
		"a claim of another type": {token(unknown, i.claims().with("sub", "1")), binding.ReasonTokenClaims},
		"no exp":                  {token(unknown, i.claims().with("exp", "")), binding.ReasonTokenClaims},
		"another issuer":          {token(unknown, i.claims().with("iss", `"https://other.example"`)), binding.ReasonTokenIssuer},
		"another audience":        {token(unknown, i.claims().with("aud", `"https://other.example"`)), binding.ReasonTokenAudience},
		"expired":                 {token(unknown, i.claims().with("exp", seconds(noon.Add(-time.Hour)))), binding.ReasonTokenExpired},
		"nbf in the future":       {token(unknown, i.claims().with("nbf", seconds(noon.Add(time.Hour)))), binding.ReasonTokenNotYetValid},
		"iat in the future":       {token(unknown, i.claims().with("iat", seconds(noon.Add(time.Hour)))), binding.ReasonTokenNotYetValid},
		"a lifetime too long":     {token(unknown, i.claims().with("exp", seconds(noon.Add(25*time.Hour)))), binding.ReasonTokenLifetime},
		"scopes malformed":        {token(unknown, i.claims().with("scp", "1")), binding.ReasonTokenClaims},
		"a confirmation":          {token(unknown, i.claims().with("cnf", "{}")), binding.ReasonConfirmationUnsupported},
	}
	v := i.verifier(t, func(c *jwks.Config) {
		c.Algorithms, c.MaxLifetime, c.ScopeClaims = []jwks.Algorithm{jwks.ES256}, 24*time.Hour, []string{"scp"}
	})
	requireAccepted(t, v, i.goodToken(t))
	require.Equal(t, 1, i.Requests(bindingtest.JWKSPath))
	for name, test := range rows {
		requireRefused(t, v, test.token, test.reason)
		require.Equal(t, 1, i.Requests(bindingtest.JWKSPath), name)
	}
	// A known kid asks nobody either, whatever its signature.
	requireRefused(t, v, forged(t, i), binding.ReasonTokenSignature) // I/246
	requireRefused(t, v, i.token(t, i.header().with("typ", `"JWT"`)), binding.ReasonTokenType)
	require.Equal(t, 1, i.Requests(bindingtest.JWKSPath))
	// The twin of every row: with nothing else wrong the issuer is asked.
	requireRefused(t, v, base, binding.ReasonTokenKeyUnknown)
	require.Equal(t, 2, i.Requests(bindingtest.JWKSPath))
}

// What is wrong with a token is answered while there are no keys; what is not
// needs them.
func TestOrderWithoutKeys(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	i.Handle(bindingtest.JWKSPath, answersWith("no keys"))
	v := i.verifier(t)
	requireRefused(t, v, "a.b", binding.ReasonTokenMalformed)
	requireRefused(t, v, i.tokenWith(t, i.claims().with("exp", "1")), binding.ReasonTokenExpired)
	requireRefused(t, v, i.token(t, i.header().with("alg", `"none"`)), binding.ReasonTokenAlgorithm)
	requireNoKeys(t, v, i.goodToken(t))
	requireNoKeys(t, v, forged(t, i))
}

// The cheap checks among themselves: the text, the header, the claims.
func TestOrderOfReasons(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	v := i.verifier(t)
	bad := i.claims().with("iss", `"x"`).with("aud", `"x"`).with("exp", "1")
	steps := []struct {
		header, claims raw
		reason         binding.Reason
	}{
		{i.header().with("crit", "[]").with("alg", `"none"`), bad.with("sub", "1"), binding.ReasonTokenHeader},
		{i.header().with("alg", ""), bad.with("sub", "1"), binding.ReasonTokenAlgorithm},
		{i.header(), bad.with("sub", "1"), binding.ReasonTokenClaims},
		{i.header().with("alg", `"none"`).with("typ", `"JWT"`), bad, binding.ReasonTokenAlgorithm},
		{i.header().with("typ", `"JWT"`), bad, binding.ReasonTokenType},
		{i.header(), bad, binding.ReasonTokenIssuer},
		{i.header(), bad.with("iss", i.claims()["iss"]), binding.ReasonTokenAudience},
		{i.header(), i.claims().with("exp", "1"), binding.ReasonTokenExpired},
		{i.header(), i.claims(), binding.ReasonTokenSignature},
	}
	for _, step := range steps {
		token := flip(i.sign(t, step.header.String(), step.claims.String()), 2, 0)
		requireRefused(t, v, token, step.reason)
	}
}

func TestCanceledWhileWaiting(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	asked := make(chan struct{})
	first := sync.OnceFunc(func() { close(asked) })
	i.Handle(bindingtest.JWKSPath, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		first()
		<-r.Context().Done()
	}))
	v := i.verifier(t)
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := v.VerifyToken(ctx, i.goodToken(t))
	var refusal *binding.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, binding.ReasonCanceled, refusal.Reason)
	require.ErrorIs(t, err, ctx.Err())
}
