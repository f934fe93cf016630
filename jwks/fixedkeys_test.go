package jwks_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// Config.Keys: keys that are not fetched.

func withKeys(document string) func(*jwks.Config) {
	return func(c *jwks.Config) { c.Keys, c.Transport = []byte(document), nil }
}

func TestFixedKeys(t *testing.T) {
	key, other := newFaultKey("1"), newFaultKey("2")
	bubble(t, func(t *testing.T, _ *pipeNetwork, issuer *faultIssuer) {
		document := []byte(jwkSetOf(key))
		v := newFaultVerifier(t, issuer, nil, withKeys(""), func(c *jwks.Config) { c.Keys = document })
		require.NoError(t, v.Ready(), "at once")
		clear(document)
		require.Equal(t, jwks.Stats{Keys: 1, KeysAsOf: time.Now()}, v.Stats(), "read by New")
		for range 2 {
			v.accepts(t, key.token(issuer.url))
			v.accepts(t, key.token(issuer.url, "jti", "another"))
			for range 10 {
				v.refuses(t, other.token(issuer.url), binding.ReasonTokenKeyUnknown)
			}
			forged := faultKey{id: "1", private: other.private}
			v.refuses(t, forged.token(issuer.url), binding.ReasonTokenSignature)
			require.NoError(t, v.Ready())
			require.Equal(t, 1, v.Stats().Keys)
			time.Sleep(1_000 * 24 * time.Hour) // they do not age
		}
		require.Empty(t, v.log.all())
		require.Zero(t, issuer.fetches()+issuer.metadataReads())
		require.NoError(t, v.Close())
		require.ErrorIs(t, v.Ready(), jwks.ErrClosed)
		require.ErrorIs(t, v.lacks(t, key.token(issuer.url)), jwks.ErrClosed)
		require.ErrorIs(t, v.lacks(t, other.token(issuer.url)), jwks.ErrClosed)
		require.NoError(t, v.Close(), "twice")
	})
}

// An issuer that is no URL has nowhere to be asked, and with Keys need not.
func TestFixedKeysOfAnIssuerThatIsNoURL(t *testing.T) {
	key := newFaultKey("1")
	v, err := jwks.New(jwks.Config{
		Issuer: "the bank", Audiences: []string{faultAudience}, Keys: []byte(jwkSetOf(key)),
		Clock: func() time.Time { return faultNoon },
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, v.Close()) }()
	requireAccepted(t, v, key.token("the bank"))
}

func TestMistakesInKeys(t *testing.T) {
	t.Parallel()
	key := newFaultKey("1")
	for name, test := range map[string]struct {
		change func(*jwks.Config)
		says   []string
	}{
		"empty":            {withKeys(""), []string{"not a JSON object"}},
		"no JSON":          {withKeys("-----BEGIN PUBLIC KEY-----"), []string{"not a JSON object"}},
		"one key, no set":  {withKeys(key.jwk()), []string{"an array of keys"}},
		"no keys":          {withKeys(`{"keys":[]}`), []string{"no key that can be used"}},
		"each is named":    {withKeys(jwkSet(`{"kid":"a","kty":"oct","k":"AAAA"}`, `{"kid":"b","kty":"XX"}`)), []string{`number 1, kid "a", cannot be used: the key is symmetric`, `"b"`, "not supported"}},
		"too many":         {func(c *jwks.Config) { withKeys(jwkSetOf(key, newFaultKey("2")))(c); c.MaxKeys = 1 }, []string{"2 of at most 1"}},
		"with a URL":       {func(c *jwks.Config) { withKeys(jwkSetOf(key))(c); c.URL = "https://issuer.example/jwks" }, []string{"nothing is fetched"}},
		"with a Transport": {func(c *jwks.Config) { withKeys(jwkSetOf(key))(c); c.Transport = http.DefaultTransport }, []string{"nothing is fetched"}},
		"with a MetadataURL": {func(c *jwks.Config) {
			withKeys(jwkSetOf(key))(c)
			c.MetadataURL = "https://issuer.example/metadata"
		}, []string{"nothing is fetched"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := jwks.Config{Issuer: "https://issuer.example", Audiences: []string{"a"}}
			test.change(&config)
			_, err := jwks.New(config)
			require.Equal(t, []string{"Keys"}, slices.Compact(mistakesOf(err)))
			for _, text := range test.says {
				require.ErrorContains(t, err, text)
			}
		})
	}
}

// What the server expected is in the cause, with the option's name, and nothing
// of the token.
func TestCausesNameTheOption(t *testing.T) {
	t.Parallel()
	key := newFaultKey("1")
	v, err := jwks.New(jwks.Config{
		Issuer: "https://issuer.example", Audiences: []string{faultAudience}, Keys: []byte(jwkSetOf(key)),
		Clock: func() time.Time { return faultNoon }, MaxLifetime: 2 * time.Hour,
	})
	require.NoError(t, err)
	few, err := jwks.New(jwks.Config{
		Issuer: "https://issuer.example", Audiences: []string{faultAudience}, Keys: []byte(jwkSetOf(key)),
		Clock: func() time.Time { return faultNoon }, Algorithms: []jwks.Algorithm{jwks.ES256},
	})
	require.NoError(t, err)
	both, err := jwks.ByIssuer(v)
	require.NoError(t, err)
	const iss = "https://issuer.example"
	claims := `{"iss":"` + iss + `","aud":"` + faultAudience + `","exp":` + seconds(faultNoon.Add(time.Hour)) + `}`
	for name, test := range map[string]struct {
		v      binding.TokenVerifier
		token  string
		reason binding.Reason
		says   []string
	}{
		"typ":             {v, key.sign(`{"alg":"EdDSA","typ":"secret","kid":"1"}`, claims), binding.ReasonTokenType, []string{"jwks.Config.TokenTypes", "at+jwt"}},
		"alg":             {few, key.token(iss), binding.ReasonTokenAlgorithm, []string{"jwks.Config.Algorithms", "ES256"}},
		"alg, by default": {v, key.sign(`{"alg":"secret","typ":"at+jwt","kid":"1"}`, claims), binding.ReasonTokenAlgorithm, []string{"jwks.Config.Algorithms", "asymmetric"}},
		"iss":             {v, key.token("https://secret.example"), binding.ReasonTokenIssuer, []string{"Issuer", iss}},
		"iss of several":  {both, key.token("https://secret.example"), binding.ReasonTokenIssuer, []string{"jwks.ByIssuer", iss}},
		"aud":             {v, key.token(iss, "aud", "secret"), binding.ReasonTokenAudience, []string{"Audiences", faultAudience}},
		"exp":             {v, key.token(iss, "exp", faultNoon.Add(9*time.Hour).Unix()), binding.ReasonTokenLifetime, []string{"MaxLifetime"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refusal := refusalOf(t, test.v, test.token)
			require.Equal(t, test.reason, refusal.Reason)
			for _, text := range test.says {
				require.ErrorContains(t, refusal.Cause, text)
			}
			require.NotContains(t, refusal.Cause.Error(), "secret")
		})
	}
}
