package jwks_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// offline is a good Config for an issuer that is never reached.
func offline() jwks.Config {
	return jwks.Config{Issuer: "https://127.0.0.1:1", Audiences: []string{audience}}
}

func TestConfigMistakes(t *testing.T) {
	t.Parallel()
	const week = 7 * 24 * time.Hour
	for name, test := range map[string]struct {
		change func(*jwks.Config)
		fields []string
	}{
		"every mistake at once": {
			func(c *jwks.Config) {
				*c = jwks.Config{
					URL: "http://a.example", MetadataURL: "x", Algorithms: []jwks.Algorithm{"none", "HS256"}, TokenTypes: []string{"dpop+jwt"},
					ScopeClaims: []string{}, ClientIDClaims: []string{""}, Leeway: time.Hour, MaxLifetime: -1, Fresh: 1, MaxStale: 2 * week,
					FetchTimeout: 1, MaxBody: -1, MaxKeys: -1, MaxWaiters: -1, SeenTokens: 20_000_000,
				}
			},
			[]string{
				"Algorithms", "Algorithms", "Audiences", "ClientIDClaims", "FetchTimeout", "Fresh", "Issuer", "Leeway", "MaxBody",
				"MaxKeys", "MaxLifetime", "MaxStale", "MaxWaiters", "MetadataURL", "MetadataURL", "ScopeClaims", "SeenTokens",
				"TokenTypes", "URL",
			},
		},
		"no issuer":                {func(c *jwks.Config) { c.Issuer = "" }, []string{"Issuer"}},
		"issuer by http":           {func(c *jwks.Config) { c.Issuer = "http://a.example" }, []string{"Issuer"}},
		"issuer a name":            {func(c *jwks.Config) { c.Issuer = "joe" }, []string{"Issuer"}},
		"issuer with a user":       {func(c *jwks.Config) { c.Issuer = "https://u@a.example" }, []string{"Issuer"}},
		"issuer with a query":      {func(c *jwks.Config) { c.Issuer = "https://a.example?x" }, []string{"Issuer"}},
		"issuer with an empty one": {func(c *jwks.Config) { c.Issuer = "https://a.example?" }, []string{"Issuer"}},
		"issuer with a fragment":   {func(c *jwks.Config) { c.Issuer = "https://a.example#x" }, []string{"Issuer"}},
		"issuer, empty fragment":   {func(c *jwks.Config) { c.Issuer = "https://a.example#" }, []string{"Issuer"}},
		"issuer without host":      {func(c *jwks.Config) { c.Issuer = "https:///a" }, []string{"Issuer"}},
		"issuer with port alone":   {func(c *jwks.Config) { c.Issuer = "https://:443" }, []string{"Issuer"}},
		"no audience":              {func(c *jwks.Config) { c.Audiences = nil }, []string{"Audiences"}},
		"an empty audience":        {func(c *jwks.Config) { c.Audiences = []string{audience, ""} }, []string{"Audiences"}},
		"no algorithm":             {func(c *jwks.Config) { c.Algorithms = []jwks.Algorithm{} }, []string{"Algorithms"}},
		"an unknown algorithm":     {func(c *jwks.Config) { c.Algorithms = []jwks.Algorithm{jwks.ES256, "ES256K"} }, []string{"Algorithms"}},
		"no type":                  {func(c *jwks.Config) { c.TokenTypes = []string{} }, []string{"TokenTypes"}},
		"an empty type":            {func(c *jwks.Config) { c.TokenTypes = []string{""} }, []string{"TokenTypes"}},
		"the types of others":      {func(c *jwks.Config) { c.TokenTypes = []string{"at+jwt", "logout+jwt", "JWT", "id_token"} }, []string{"TokenTypes", "TokenTypes"}},
		"absent by its long name":  {func(c *jwks.Config) { c.TokenTypes = []string{"application/absent"} }, []string{"TokenTypes"}},
		"no scope claim":           {func(c *jwks.Config) { c.ScopeClaims = []string{} }, []string{"ScopeClaims"}},
		"an empty scope claim":     {func(c *jwks.Config) { c.ScopeClaims = []string{"scp", ""} }, []string{"ScopeClaims"}},
		"no client claim":          {func(c *jwks.Config) { c.ClientIDClaims = []string{} }, []string{"ClientIDClaims"}},
		"leeway over 5 minutes":    {func(c *jwks.Config) { c.Leeway = 5*time.Minute + 1 }, []string{"Leeway"}},
		"negative lifetime":        {func(c *jwks.Config) { c.MaxLifetime = -1 }, []string{"MaxLifetime"}},
		"fresh below a second":     {func(c *jwks.Config) { c.Fresh = time.Second - 1 }, []string{"Fresh"}},
		"fresh negative":           {func(c *jwks.Config) { c.Fresh = -1 }, []string{"Fresh"}},
		"fresh over a day":         {func(c *jwks.Config) { c.Fresh = 24*time.Hour + 1 }, []string{"Fresh"}},
		"stale over a week":        {func(c *jwks.Config) { c.MaxStale = week + 1 }, []string{"MaxStale"}},
		"timeout below 10 ms":      {func(c *jwks.Config) { c.FetchTimeout = 10*time.Millisecond - 1 }, []string{"FetchTimeout"}},
		"timeout over a minute":    {func(c *jwks.Config) { c.FetchTimeout = time.Minute + 1 }, []string{"FetchTimeout"}},
		"body over 16 MiB":         {func(c *jwks.Config) { c.MaxBody = 16<<20 + 1 }, []string{"MaxBody"}},
		"keys over 10,000":         {func(c *jwks.Config) { c.MaxKeys = 10_001 }, []string{"MaxKeys"}},
		"waiters over 1,000,000":   {func(c *jwks.Config) { c.MaxWaiters = 1_000_001 }, []string{"MaxWaiters"}},
		"seen over 10,000,000":     {func(c *jwks.Config) { c.SeenTokens = 10_000_001 }, []string{"SeenTokens"}},
		"I/229 URL by http":        {func(c *jwks.Config) { c.URL = "http://a.example/jwks" }, []string{"URL"}},
		"URL with a user":          {func(c *jwks.Config) { c.URL = "https://u:p@a.example/jwks" }, []string{"URL"}},
		"URL with a fragment":      {func(c *jwks.Config) { c.URL = "https://a.example/jwks#x" }, []string{"URL"}},
		"URL relative":             {func(c *jwks.Config) { c.URL = "/jwks" }, []string{"URL"}},
		"MetadataURL by http":      {func(c *jwks.Config) { c.MetadataURL = "http://a.example/m" }, []string{"MetadataURL"}},
		"URL and MetadataURL": {
			func(c *jwks.Config) { c.URL, c.MetadataURL = "https://a.example/jwks", "https://a.example/m" }, []string{"MetadataURL"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := offline()
			test.change(&config)
			v, err := jwks.New(config)
			require.Nil(t, v)
			require.Equal(t, test.fields, mistakesOf(err))
			var first binding.ConfigError
			require.ErrorAs(t, err, &first)
			require.NotEmpty(t, first.Problem)
			require.Contains(t, err.Error(), first.Error())
		})
	}
}

func TestConfigBounds(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*jwks.Config){
		"nothing but what is required": func(*jwks.Config) {},
		"the least": func(c *jwks.Config) {
			c.Leeway, c.Fresh, c.MaxStale, c.FetchTimeout = 1, time.Second, 1, 10*time.Millisecond
			c.MaxBody, c.MaxKeys, c.MaxWaiters, c.SeenTokens, c.MaxLifetime = 1, 1, 1, 1, 1
		},
		"the most": func(c *jwks.Config) {
			c.Leeway, c.Fresh, c.MaxStale, c.FetchTimeout = 5*time.Minute, 24*time.Hour, 7*24*time.Hour, time.Minute
			c.MaxBody, c.MaxKeys, c.MaxWaiters, c.SeenTokens = 16<<20, 10_000, 1_000_000, 10_000_000
		},
		"none": func(c *jwks.Config) { c.Leeway, c.MaxStale, c.SeenTokens = -1, -1, -1 },
		"every algorithm, type and claim": func(c *jwks.Config) {
			c.Algorithms, c.TokenTypes = everyAlgorithm, []string{"AT+JWT", "jwt", "absent"}
			c.ScopeClaims, c.ClientIDClaims = []string{"scp"}, []string{"azp"}
		},
		"an issuer with path, port and slash": func(c *jwks.Config) { c.Issuer = "https://127.0.0.1:1/tenant/" },
		"an issuer that is no URL, and a URL": func(c *jwks.Config) { c.Issuer, c.URL = "joe", "https://127.0.0.1:1/jwks?a=b" },
		"an issuer that is no URL, and MetadataURL": func(c *jwks.Config) {
			c.Issuer, c.MetadataURL = "joe", "https://127.0.0.1:1/m"
		},
		"http, dangerously": func(c *jwks.Config) { c.Issuer, c.DangerouslyAllowHTTP = "http://127.0.0.1:1", true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := offline()
			change(&config)
			v, err := jwks.New(config)
			require.NoError(t, err) // an issuer that is down is no mistake
			require.Equal(t, config.Issuer, v.Issuer())
			require.ErrorIs(t, v.Ready(), jwks.ErrNotReady)
			require.NoError(t, v.Close())
			require.NoError(t, v.Close())
		})
	}
}
