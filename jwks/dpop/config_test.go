package dpop_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/dpop"
)

type noStore struct{}

func (*noStore) Remember(context.Context, [32]byte, time.Duration) (bool, error) { return false, nil }

func TestConfig(t *testing.T) {
	t.Parallel()
	nineKeys := make([][]byte, 0, 9)
	for n := range byte(9) {
		nineKeys = append(nineKeys, key(n))
	}
	for name, test := range map[string]struct {
		change func(*dpop.Config)
		fields []string
	}{
		"Origins: none":                       {func(c *dpop.Config) { c.Origins = nil }, []string{"Origins"}},
		"Origins: two wrong, one good":        {func(c *dpop.Config) { c.Origins = []string{"", origin, "http://a.example"} }, []string{"Origins", "Origins"}},
		"Origins: a host alone":               {func(c *dpop.Config) { c.Origins = []string{"api.example"} }, []string{"Origins"}},
		"Origins: no host":                    {func(c *dpop.Config) { c.Origins = []string{"https://:443"} }, []string{"Origins"}},
		"Origins: userinfo":                   {func(c *dpop.Config) { c.Origins = []string{"https://u@api.example"} }, []string{"Origins"}},
		"Origins: a path":                     {func(c *dpop.Config) { c.Origins = []string{origin + "/v1"} }, []string{"Origins"}},
		"Origins: two slashes":                {func(c *dpop.Config) { c.Origins = []string{origin + "//"} }, []string{"Origins"}},
		"Origins: a query":                    {func(c *dpop.Config) { c.Origins = []string{origin + "?"} }, []string{"Origins"}},
		"Origins: a fragment":                 {func(c *dpop.Config) { c.Origins = []string{origin + "#"} }, []string{"Origins"}},
		"Origins: wss":                        {func(c *dpop.Config) { c.Origins = []string{"wss://api.example"} }, []string{"Origins"}},
		"Origins: wss, with http permitted":   {func(c *dpop.Config) { c.Origins, c.DangerouslyAllowHTTP = []string{"wss://api.example"}, true }, []string{"Origins"}},
		"Origins: a U-label":                  {func(c *dpop.Config) { c.Origins = []string{"https://bücher.example"} }, []string{"Origins"}},
		"Origins: an encoded host":            {func(c *dpop.Config) { c.Origins = []string{"https://%61pi.example"} }, []string{"Origins"}},
		"Origins: a zone":                     {func(c *dpop.Config) { c.Origins = []string{"https://[fe80::1%25en0]"} }, []string{"Origins"}},
		"Origins: an odd port":                {func(c *dpop.Config) { c.Origins = []string{origin + ":0443"} }, []string{"Origins"}},
		"Origins: a long port":                {func(c *dpop.Config) { c.Origins = []string{origin + ":123456"} }, []string{"Origins"}},
		"Origins: a comma":                    {func(c *dpop.Config) { c.Origins = []string{"https://a.example,b.example"} }, []string{"Origins"}},
		"PathPrefix: no slash in front":       {func(c *dpop.Config) { c.PathPrefix = "v1" }, []string{"PathPrefix"}},
		"PathPrefix: a slash at the end":      {func(c *dpop.Config) { c.PathPrefix = "/v1/" }, []string{"PathPrefix"}},
		"PathPrefix: a slash alone":           {func(c *dpop.Config) { c.PathPrefix = "/" }, []string{"PathPrefix"}},
		"PathPrefix: a query":                 {func(c *dpop.Config) { c.PathPrefix = "/v1?" }, []string{"PathPrefix"}},
		"PathPrefix: a bad triplet":           {func(c *dpop.Config) { c.PathPrefix = "/%zz" }, []string{"PathPrefix"}},
		"Algorithms: an empty list":           {func(c *dpop.Config) { c.Algorithms = []string{} }, []string{"Algorithms"}},
		"Algorithms: none and HS256":          {func(c *dpop.Config) { c.Algorithms = []string{"none", "ES256", "HS256"} }, []string{"Algorithms", "Algorithms"}},
		"MaxAge: negative":                    {func(c *dpop.Config) { c.MaxAge = -1 }, []string{"MaxAge"}},
		"MaxAge: less than a second":          {func(c *dpop.Config) { c.MaxAge = time.Second - 1 }, []string{"MaxAge"}},
		"MaxAge: more than five minutes":      {func(c *dpop.Config) { c.MaxAge = 5*time.Minute + 1 }, []string{"MaxAge"}},
		"Leeway: more than a minute":          {func(c *dpop.Config) { c.Leeway = time.Minute + 1 }, []string{"Leeway"}},
		"Replays: a nil pointer":              {func(c *dpop.Config) { c.Replays = (*noStore)(nil) }, []string{"Replays"}},
		"Replays and MaxProofs":               {func(c *dpop.Config) { c.Replays, c.MaxProofs = new(noStore), 1000 }, []string{"MaxProofs"}},
		"MaxProofs: too few":                  {func(c *dpop.Config) { c.MaxProofs = 999 }, []string{"MaxProofs"}},
		"MaxProofs: negative":                 {func(c *dpop.Config) { c.MaxProofs = -1 }, []string{"MaxProofs"}},
		"MaxProofs: too many":                 {func(c *dpop.Config) { c.MaxProofs = 100_000_001 }, []string{"MaxProofs"}},
		"DangerouslyAcceptReplays, Replays":   {func(c *dpop.Config) { c.DangerouslyAcceptReplays, c.Replays = true, new(noStore) }, []string{"DangerouslyAcceptReplays"}},
		"DangerouslyAcceptReplays, MaxProofs": {func(c *dpop.Config) { c.DangerouslyAcceptReplays, c.MaxProofs = true, 1000 }, []string{"DangerouslyAcceptReplays"}},
		"NonceKeys without RequireNonce":      {func(c *dpop.Config) { c.NonceKeys = [][]byte{key(1)} }, []string{"RequireNonce"}},
		"NonceLifetime without RequireNonce":  {func(c *dpop.Config) { c.NonceLifetime = time.Minute }, []string{"RequireNonce"}},
		"NonceKeys: none in the list":         {func(c *dpop.Config) { c.RequireNonce, c.NonceKeys = true, [][]byte{} }, []string{"NonceKeys"}},
		"NonceKeys: one of 31 bytes":          {func(c *dpop.Config) { c.RequireNonce, c.NonceKeys = true, [][]byte{key(1)[:31]} }, []string{"NonceKeys"}},
		"NonceKeys: two alike":                {func(c *dpop.Config) { c.RequireNonce, c.NonceKeys = true, [][]byte{key(1), key(2), key(1)} }, []string{"NonceKeys"}},
		"NonceKeys: nine":                     {func(c *dpop.Config) { c.RequireNonce, c.NonceKeys = true, nineKeys }, []string{"NonceKeys"}},
		"NonceLifetime: too short":            {func(c *dpop.Config) { c.RequireNonce, c.NonceLifetime = true, 29*time.Second }, []string{"NonceLifetime"}},
		"NonceLifetime: too long":             {func(c *dpop.Config) { c.RequireNonce, c.NonceLifetime = true, time.Hour+1 }, []string{"NonceLifetime"}},
		"every mistake at once": {func(c *dpop.Config) { *c = dpop.Config{PathPrefix: "x", MaxAge: -1, MaxProofs: 1} },
			[]string{"MaxAge", "MaxProofs", "Origins", "PathPrefix"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := dpop.Config{Origins: []string{origin}}
			test.change(&config)
			v, err := dpop.New(config)
			require.Nil(t, v)
			require.ErrorContains(t, err, "dpop: the Config is wrong: ")
			var fields []string
			for mistake := range binding.ConfigErrors(err) {
				fields = append(fields, mistake.Field)
			}
			slices.Sort(fields)
			require.Equal(t, test.fields, fields)
		})
	}
}

func TestLimitsOfTheConfig(t *testing.T) {
	t.Parallel()
	for _, config := range []dpop.Config{
		{}, {MaxAge: time.Second, Leeway: time.Minute}, {MaxAge: 5 * time.Minute, Leeway: -1}, {MaxProofs: 1000}, {MaxProofs: 100_000_000}, {Replays: new(noStore)},
		{RequireNonce: true, NonceKeys: [][]byte{key(1), key(2), key(3), key(4), key(5), key(6), key(7), key(8)}, NonceLifetime: time.Hour},
		{RequireNonce: true, NonceLifetime: 30 * time.Second}, {DangerouslyAllowHTTP: true, Origins: []string{"http://localhost:8080"}}, {Algorithms: []string{"ES512"}},
		{Origins: []string{"https://127.0.0.1:8443", "https://api.example:65535", "https://[::1]", "https://under_score.example", "https://AZaz09.example", "https://a~b.example", "https://api.example."}},
	} {
		if config.Origins == nil {
			config.Origins = []string{origin}
		}
		_, err := dpop.New(config)
		require.NoError(t, err)
	}
	algorithms := []string{"PS256"}
	copied := newVerifier(t, func(c *dpop.Config) { c.Algorithms = algorithms })
	algorithms[0] = "none"
	require.Equal(t, []string{"PS256"}, copied.Algorithms())
	v := newVerifier(t)
	require.Equal(t, []string{"ES256", "EdDSA", "Ed25519", "PS256", "RS256"}, v.Algorithms())
	v.Algorithms()[0] = "none"
	require.Equal(t, "ES256", v.Algorithms()[0])
	require.Empty(t, v.Nonce())
	require.Equal(t, []string{"PS256", "ES256", "EdDSA", "Ed25519"}, dpop.FAPI2())
}

func TestHTTPOrigin(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, func(c *dpop.Config) { c.DangerouslyAllowHTTP, c.Origins = true, []string{"http://localhost:80"} })
	requireAccepted(t, v, get(proofFor("HTTP://LOCALHOST/accounts")))
	requireAccepted(t, v, get(proofFor("http://localhost:80/accounts")))
	requireRefused(t, v, get(proofFor("http://localhost:443/accounts")), binding.ReasonProofURI)
	requireRefused(t, v, get(proofFor("https://localhost:80/accounts")), binding.ReasonProofURI)
}

// MaxAge and Leeway are taken as they are said.
func TestAgeAndLeeway(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) *clock { c := newClock(); c.add(d); return c }
	for _, test := range []struct {
		maxAge, leeway, now time.Duration
		want                binding.Reason
	}{
		{10 * time.Second, 5 * time.Second, 10 * time.Second, accepted}, {10 * time.Second, 5 * time.Second, 10*time.Second + 1, binding.ReasonProofExpired},
		{10 * time.Second, 5 * time.Second, -5 * time.Second, accepted}, {10 * time.Second, 5 * time.Second, -5*time.Second - 1, binding.ReasonProofNotYetValid},
		{10 * time.Second, -1, 0, accepted}, {10 * time.Second, -1, -1, binding.ReasonProofNotYetValid},
	} {
		v := newVerifier(t, withClock(at(test.now)), func(c *dpop.Config) { c.MaxAge, c.Leeway = test.maxAge, test.leeway })
		requireAnswer(t, v, get(signed(goodClaims())), test.want)
	}
}

func TestClockByDefault(t *testing.T) {
	t.Parallel()
	v, err := dpop.New(dpop.Config{Origins: []string{origin}})
	require.NoError(t, err)
	now := goodClaims().with("iat", strconv.FormatInt(time.Now().Unix(), 10))
	requireAccepted(t, v, get(es256().sign(es256().header().String(), now.String())))
	requireRefused(t, v, get(es256().sign(es256().header().String(), now.with("iat", "1").String())), binding.ReasonProofExpired)
}
