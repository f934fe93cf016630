package binding_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

const resourceMetadata = "https://api.bank.example/.well-known/oauth-protected-resource"

// refusing is a guard whose verifier refuses every token with the given Error.
func refusing(t testing.TB, config binding.Config, refusal *binding.Error) *binding.Guard {
	config.Tokens = verifierFunc(func(context.Context, string) (*binding.Token, error) { return nil, refusal })
	return newGuard(t, config)
}

// The guard's realm and metadata are in every challenge, with the parameters in a fixed order.
func TestChallengeOfAGuard(t *testing.T) {
	t.Parallel()
	config := binding.Config{Realm: "accounts, and payments", ResourceMetadata: resourceMetadata}
	for name, want := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := refusing(t, config, &binding.Error{Reason: want.reason, Scopes: []string{"accounts", "payments:read"}}).Check(request("t"))
			challenge := challengeOf(t, refusalOf(t, err))
			if !want.challenge {
				require.Empty(t, challenge)
				return
			}
			expected := map[string]string{"realm": "accounts, and payments", "resource_metadata": resourceMetadata}
			if want.code != "" {
				expected["error"], expected["error_description"] = want.code, refusalOf(t, err).Description()
			}
			if want.code == "insufficient_scope" {
				expected["scope"] = "accounts payments:read"
			}
			require.Equal(t, expected, parseChallenge(t, challenge))
			require.True(t, strings.HasPrefix(challenge, `Bearer realm="accounts, and payments"`))
			require.True(t, strings.HasSuffix(challenge, `resource_metadata="`+resourceMetadata+`"`))
		})
	}
}

// N/436: to a request without credentials the challenge says what to ask for, and is never a bare Bearer (RFC 6750 §3).
func TestChallengeWithoutCredentials(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config binding.Config
		want   string
	}{
		"N/436 nothing set":      {binding.Config{}, `Bearer realm="protected resource"`},
		"N/436 realm":            {binding.Config{Realm: "r"}, `Bearer realm="r"`},
		"N/436 metadata":         {binding.Config{ResourceMetadata: resourceMetadata}, `Bearer resource_metadata="` + resourceMetadata + `"`},
		"N/436 scopes":           {binding.Config{Scopes: []string{"a", "b"}}, `Bearer scope="a b"`},
		"N/436 any scope":        {binding.Config{AnyScope: []string{"c", "d"}}, `Bearer scope="c d"`},
		"N/436 scopes of both":   {binding.Config{Scopes: []string{"a"}, AnyScope: []string{"c", "d"}, Realm: "r"}, `Bearer realm="r", scope="a c d"`},
		"N/436 authentication":   {binding.Config{Authentication: binding.Authentication{ACRValues: []string{"1"}}}, `Bearer realm="protected resource"`},
		"scopes, another scheme": {binding.Config{Scopes: []string{"a"}}, `Bearer scope="a"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			guard := newGuard(t, test.config)
			for _, r := range []*http.Request{withFields(nil), withFields([]string{"Basic eA=="})} {
				_, err := guard.Check(r)
				require.Equal(t, test.want, challengeOf(t, refusalOf(t, err)))
			}
			// A bad token's challenge has an error, and needs no more.
			_, err := guard.Check(request("x!"))
			require.NotContains(t, challengeOf(t, refusalOf(t, err)), "scope")
			require.NotContains(t, challengeOf(t, refusalOf(t, err)), "protected resource")
		})
	}
	// Nor is that of an Error which no guard has made its own.
	require.Equal(t, `Bearer realm="protected resource"`, challengeOf(t, &binding.Error{Reason: binding.ReasonCredentialsMissing}))
}

// A scope that would break the challenge is not in it: an Error may be a verifier's own.
func TestChallengeNamesScopesOnlyIfAllAreScopeTokens(t *testing.T) {
	t.Parallel()
	for name, scopes := range map[string][]string{
		"none": nil, "empty": {""}, "quote": {"accounts", `a"b`}, "backslash": {`a\`}, "space": {"a b"}, "CR LF": {"a\r\nX: 1"}, "not ASCII": {"ä"},
	} {
		parameters := parseChallenge(t, challengeOf(t, (&binding.Error{Reason: binding.ReasonScopeMissing, Scopes: scopes})))
		require.NotContains(t, parameters, "scope", name)
		require.Equal(t, "insufficient_scope", parameters["error"], name)
	}
}

// Whatever realm, metadata and scope New accepts, a client reads from the challenge as they were given.
func FuzzChallenge(f *testing.F) {
	f.Add("", "", "")
	f.Add("accounts, and payments", resourceMetadata, "accounts")
	f.Add(`a"b`, "https://a/\"", `"`)
	f.Add(`a\`, `https://a/\`, `\`)
	f.Add("a\r\nX-Injected: 1", "https://a/\r\n", "a\r\nb")
	f.Add("käse", "https://käse.example/", "käse")
	f.Add(`x", error="none`, `https://a/", error="none`, `x", error="none`)
	codes := map[string]string{
		"": "invalid_request", "a": "invalid_token", bearer(claims(f, members{"scope": nil})): "insufficient_scope",
	}
	f.Fuzz(func(t *testing.T, realm, address, scope string) {
		config := binding.Config{Realm: realm, ResourceMetadata: address, Scopes: []string{scope},
			Tokens: plain{}, Policy: binding.DangerouslyAcceptUnbound}
		guard, err := binding.New(config)
		if err != nil {
			for _, mistake := range mistakes(t, err) {
				require.Contains(t, []string{"Realm", "ResourceMetadata", "Scopes"}, mistake.Field)
			}
			return
		}
		for token, code := range codes {
			_, err := guard.Check(request(token))
			parameters := parseChallenge(t, challengeOf(t, refusalOf(t, err)))
			require.Equal(t, realm, parameters["realm"])
			require.Equal(t, address, parameters["resource_metadata"])
			require.Equal(t, code, parameters["error"])
			if code == "insufficient_scope" {
				require.Equal(t, scope, parameters["scope"])
			} else {
				require.NotContains(t, parameters, "scope")
			}
		}
	})
}
