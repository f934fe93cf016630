package main_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

func TestATokenIsNoArgument(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	token := w.token(t, bindingtest.TokenSpec{})
	for name, test := range map[string]struct {
		token string
		args  []string
	}{
		"as the flag's value":    {token, []string{"-token", token}},
		"behind an equals sign":  {token, []string{"-token=" + token}},
		"without a flag":         {token, []string{token}},
		"behind other flags":     {token, []string{"-cert", w.file, token, "-leeway", "1s"}},
		"as a flag":              {token, []string{"-" + token}},
		"as a value of another":  {token, []string{"-dangerously-allow-http=" + token}},
		"as a duration":          {token, []string{"-leeway", token}},
		"an opaque one":          {"2YotnFZFEjr1zCsicMWpAA", []string{"-token", "2YotnFZFEjr1zCsicMWpAA"}},
		"an opaque one, no flag": {"2YotnFZFEjr1zCsicMWpAA", []string{"2YotnFZFEjr1zCsicMWpAA"}},
		"an opaque one, a dash":  {"Zx9_w8", []string{"-Zx9_w8"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, output := inspect(t, "", test.args...)
			require.Equal(t, 2, status, output)
			require.NotContains(t, output, test.token[:6])
			if name != "as a duration" {
				require.Contains(t, output, "shell's history")
			}
		})
	}
}

func TestEveryMistakeAtOnce(t *testing.T) {
	t.Parallel()
	status, output := inspect(t, "",
		"-cert", "/nowhere", "-other", "/nowhere", "-as-ca", "/nowhere", "-leeway", "-1s", "-max-lifetime", "soon",
		"-policy", "none", "-schemes", "Basic", "-jwks-url", "https://x", "-colour", "blue")
	require.Equal(t, 2, status, output)
	for _, name := range []string{"-cert:", "-other:", "-as-ca:", "-leeway:", "-max-lifetime:", "-policy:", "-schemes:", "-jwks-url", "colour"} {
		require.Contains(t, output, name)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"an issuer over http":    {[]string{"-issuer", "http://auth.example", "-audience", "a"}, "-issuer: is an http URL, and must be https"},
		"an issuer that is none": {[]string{"-issuer", "auth.example"}, "-issuer: must be an https URL"},
		"HMAC":                   {[]string{"-alg", "HS256"}, `-alg: "HS256" is not one that can be verified`},
		"an ID token's type":     {[]string{"-typ", "id_token"}, `-typ: "id_token" is not the type of an access token`},
		"no type":                {[]string{"-typ", ""}, "-typ: must be nil, or name at least one type"},
		"a long leeway":          {[]string{"-leeway", "1h"}, "-leeway: must be from 0s to 5m0s"},
		"a scope that is none":   {[]string{"-scope", `a"b`}, "-scope:"},
		"an empty audience":      {[]string{"-audience", ""}, "-audience: at least one is required, and none may be empty"},
		"two places of keys":     {[]string{"-issuer", "https://a", "-audience", "a", "-jwks-url", "https://b", "-metadata-url", "https://c"}, "-metadata-url: and URL are both set"},
		"other without cert":     {[]string{"-other", "/nowhere"}, "-other: needs -cert"},
		"a folder for a token":   {[]string{"-token", t.TempDir()}, "-token: it cannot be read"},
		"a file that is not":     {[]string{"-token", filepath.Join(t.TempDir(), "x")}, "-token: the file cannot be opened: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, output := inspect(t, "", test.args...)
			require.Equal(t, 2, status, output)
			require.Contains(t, output, test.want)
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	status, output := inspect(t, "", "-help")
	require.Zero(t, status)
	require.Contains(t, output, "-token file")
}

// A flag that examples/server has too has the server's name.
func TestFlagsAreTheServers(t *testing.T) {
	t.Parallel()
	server, err := os.ReadFile(filepath.Join("..", "server", "options.go"))
	require.NoError(t, err)
	for _, name := range []string{"issuer", "audience", "jwks-url", "as-ca", "typ", "policy", "schemes", "scope"} {
		require.Contains(t, string(server), `"`+name+`"`)
		_, output := inspect(t, "", "-help")
		require.Contains(t, output, "  -"+name+" ")
	}
}
