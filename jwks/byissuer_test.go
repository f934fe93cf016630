package jwks_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

func TestByIssuerMistakes(t *testing.T) {
	t.Parallel()
	a, b := newIssuer(t, bindingtest.Config{}), newIssuer(t, bindingtest.Config{})
	va, va2, vb := a.verifier(t), a.verifier(t), b.verifier(t)
	for name, test := range map[string]struct {
		verifiers []*jwks.Verifier
		mistakes  int
	}{
		"none":                  {nil, 1},
		"a nil one":             {[]*jwks.Verifier{va, nil}, 1},
		"two for one issuer":    {[]*jwks.Verifier{va, vb, va2}, 1},
		"the same twice":        {[]*jwks.Verifier{va, va}, 1},
		"every mistake at once": {[]*jwks.Verifier{nil, va, nil, va2}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuers, err := jwks.ByIssuer(test.verifiers...)
			require.Nil(t, issuers)
			require.Len(t, mistakesOf(err), test.mistakes)
			var mistake binding.ConfigError
			require.ErrorAs(t, err, &mistake)
			require.Equal(t, "verifiers", mistake.Field)
		})
	}
}

// Whoever found a token good, its verifier has seen it.
func TestByIssuerRecallsWhatItsVerifiersHaveSeen(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, bindingtest.Config{})
	v := i.verifier(t)
	issuers, err := jwks.ByIssuer(v)
	require.NoError(t, err)
	token := i.goodToken(t)
	requireAccepted(t, v, token)
	requireAccepted(t, issuers, token)
	require.Equal(t, uint64(1), v.Stats().Verified)
	require.Equal(t, uint64(1), v.Stats().Seen)
}

func TestByIssuerPicksOne(t *testing.T) {
	t.Parallel()
	a, b, unknown := newIssuer(t, bindingtest.Config{}), newIssuer(t, bindingtest.Config{}), newIssuer(t, bindingtest.Config{})
	va := a.verifier(t)
	vb := b.verifier(t, func(c *jwks.Config) { c.TokenTypes, c.Audiences = []string{"JWT"}, []string{"https://b.example"} })
	both, err := jwks.ByIssuer(va, vb)
	require.NoError(t, err)
	jwt := b.header().with("typ", `"JWT"`)
	forB := b.claims().with("aud", `"https://b.example"`)

	for range 2 { // the second time from those that were seen
		require.Equal(t, a.Issuer(), requireAccepted(t, both, a.goodToken(t)).Issuer())
		require.Equal(t, b.Issuer(), requireAccepted(t, both, b.sign(t, jwt.String(), forB.String())).Issuer())
	}
	require.NoError(t, both.Ready())
	require.Equal(t, a.Issuer(), va.Issuer())

	// Each has its own rules.
	requireRefused(t, both, a.token(t, a.header().with("typ", `"JWT"`)), binding.ReasonTokenType)
	requireRefused(t, both, b.sign(t, b.header().String(), forB.String()), binding.ReasonTokenType)
	requireRefused(t, both, b.sign(t, jwt.String(), b.claims().String()), binding.ReasonTokenAudience)

	// One issuer's key signs for it alone: E/137, I/255.
	posing := a.claims().with("iss", quote(b.Issuer())).with("aud", `"https://b.example"`)
	requireRefused(t, both, a.sign(t, jwt.with("kid", quote(b.KeyID())).String(), posing.String()), binding.ReasonTokenSignature)
	asked := b.Requests(bindingtest.JWKSPath)
	requireRefused(t, both, a.sign(t, jwt.with("kid", quote(a.KeyID())).String(), posing.String()), binding.ReasonTokenKeyUnknown)
	require.Equal(t, asked+1, b.Requests(bindingtest.JWKSPath), "the issuer that the token names is asked, and no other")
	require.Equal(t, 1, a.Requests(bindingtest.JWKSPath))

	// An unknown issuer asks nobody.
	asked = b.Requests(bindingtest.JWKSPath)
	requireRefused(t, both, unknown.goodToken(t), binding.ReasonTokenIssuer)
	requireRefused(t, both, unknown.tokenWith(t, unknown.claims().with("iss", quote(a.Issuer()+"/"))), binding.ReasonTokenIssuer)
	requireRefused(t, both, unknown.token(t, unknown.header().with("typ", `"JWT"`)), binding.ReasonTokenIssuer)
	requireRefused(t, both, unknown.token(t, unknown.header().with("alg", `"none"`)), binding.ReasonTokenIssuer)
	requireRefused(t, both, unknown.tokenWith(t, unknown.claims().with("iss", "")), binding.ReasonTokenIssuer)
	requireRefused(t, both, unknown.tokenWith(t, unknown.claims().with("iss", "1")), binding.ReasonTokenClaims)
	requireRefused(t, both, "a.b", binding.ReasonTokenMalformed)
	require.Equal(t, asked, b.Requests(bindingtest.JWKSPath))
	require.Equal(t, 1, a.Requests(bindingtest.JWKSPath))
	require.Zero(t, unknown.Requests(bindingtest.JWKSPath))
}

// Two issuers that publish keys under one kid, E/137: never the other's key,
// not even for a token that was seen.
func TestByIssuerSameKeyID(t *testing.T) {
	t.Parallel()
	a, b := newIssuer(t, bindingtest.Config{}), newIssuer(t, bindingtest.Config{})
	ka, kb := signer{jwks.ES256, newEC()}, signer{jwks.ES256, newEC()}
	a.publish(ka.key().with("kid", `"same"`).published())
	b.publish(kb.key().with("kid", `"same"`).published())
	both, err := jwks.ByIssuer(a.verifier(t), b.verifier(t))
	require.NoError(t, err)
	for range 2 {
		requireAccepted(t, both, ka.sign(ka.header("same").String(), a.claims().String()))
		requireAccepted(t, both, kb.sign(kb.header("same").String(), b.claims().String()))
		requireRefused(t, both, ka.sign(ka.header("same").String(), b.claims().String()), binding.ReasonTokenSignature)
		requireRefused(t, both, kb.sign(kb.header("same").String(), a.claims().String()), binding.ReasonTokenSignature)
	}
	require.Equal(t, 2, a.Requests(bindingtest.JWKSPath)+b.Requests(bindingtest.JWKSPath))
}

func TestByIssuerSeenTokens(t *testing.T) {
	t.Parallel()
	a, b := newIssuer(t, bindingtest.Config{}), newIssuer(t, bindingtest.Config{})
	clock := newClock()
	both, err := jwks.ByIssuer(
		a.verifier(t, func(c *jwks.Config) { c.Clock = clock.now }),
		b.verifier(t, func(c *jwks.Config) { c.Clock, c.Leeway = clock.now, -1 }))
	require.NoError(t, err)
	ta, tb := a.goodToken(t), b.goodToken(t)
	for _, token := range []string{ta, tb} {
		first := requireAccepted(t, both, token)
		require.Same(t, first, requireAccepted(t, both, token))
	}
	requireRefused(t, both, flip(ta, 2, 0), binding.ReasonTokenSignature)
	clock.set(noon.Add(5*time.Minute + 30*time.Second)) // b's verifier has no leeway
	requireAccepted(t, both, ta)
	requireRefused(t, both, tb, binding.ReasonTokenExpired)
	clock.set(noon.Add(7 * time.Minute))
	requireRefused(t, both, ta, binding.ReasonTokenExpired)
}

func TestByIssuerReady(t *testing.T) {
	t.Parallel()
	a, b := newIssuer(t, bindingtest.Config{}), newIssuer(t, bindingtest.Config{})
	b.Handle(bindingtest.JWKSPath, http.NotFoundHandler())
	both, err := jwks.ByIssuer(a.verifier(t), b.verifier(t))
	require.NoError(t, err)
	requireAccepted(t, both, a.goodToken(t))
	requireNoKeys(t, both, b.goodToken(t))
	err = both.Ready()
	require.ErrorIs(t, err, jwks.ErrNotReady)
	require.ErrorContains(t, err, b.Issuer())
	require.NotContains(t, err.Error(), a.Issuer())
}

// A token of another issuer is told which there are, ten of them by name.
func TestByIssuerSaysWhichThereAre(t *testing.T) {
	t.Parallel()
	key := newFaultKey("1")
	token := key.token("https://another.example")
	for issuers, last := range map[int]string{
		1: `["https://as-1.example"]`, 10: `"https://as-10.example"]`, 11: `"https://as-10.example" "and 1 more"]`, 12: `"https://as-10.example" "and 2 more"]`,
	} {
		verifiers := make([]*jwks.Verifier, issuers)
		for n := range verifiers {
			var err error
			verifiers[n], err = jwks.New(jwks.Config{
				Issuer: fmt.Sprintf("https://as-%d.example", n+1), Audiences: []string{faultAudience}, Keys: []byte(jwkSetOf(key)),
			})
			require.NoError(t, err)
		}
		all, err := jwks.ByIssuer(verifiers...)
		require.NoError(t, err)
		_, err = all.VerifyToken(t.Context(), token)
		var refusal *binding.Error
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, binding.ReasonTokenIssuer, refusal.Reason)
		require.Contains(t, refusal.Cause.Error(), `["https://as-1.example"`)
		require.True(t, strings.HasSuffix(refusal.Cause.Error(), last), "%d: %s", issuers, refusal.Cause)
	}
}
