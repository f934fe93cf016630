package main_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	joses "github.com/lestrrat-go/jwx/v2/jws"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// A holder has a DPoP key, and a token that is bound to it.
type holder struct {
	private *ecdsa.PrivateKey
	token   string
}

func newHolder(t *testing.T, as *bindingtest.AuthorizationServer) holder {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	public, err := jwk.FromRaw(private.Public())
	require.NoError(t, err)
	hash, err := public.Thumbprint(crypto.SHA256)
	require.NoError(t, err)
	token, err := as.Token(bindingtest.TokenSpec{Claims: map[string]any{
		"cnf": map[string]any{"jkt": base64.RawURLEncoding.EncodeToString(hash)},
	}})
	require.NoError(t, err)
	return holder{private, token}
}

func (h holder) proof(t *testing.T, key any, header, claims map[string]any) string {
	t.Helper()
	hash := sha256.Sum256([]byte(h.token))
	all := map[string]any{
		"jti": "the jti of the proof", "htm": "GET", "htu": proofURL, "iat": time.Now().Unix(),
		"ath": base64.RawURLEncoding.EncodeToString(hash[:]),
	}
	maps.Copy(all, claims)
	payload, err := json.Marshal(all)
	require.NoError(t, err)
	fields := joses.NewHeaders()
	require.NoError(t, fields.Set("typ", "dpop+jwt"))
	public, err := jwk.FromRaw(h.private.Public())
	require.NoError(t, err)
	require.NoError(t, fields.Set("jwk", public))
	for name, value := range header {
		require.NoError(t, fields.Set(name, value))
	}
	signed, err := joses.Sign(payload, joses.WithKey(jwa.ES256, key, joses.WithProtectedHeaders(fields)))
	require.NoError(t, err)
	return string(signed)
}

const proofURL = "https://api.example/accounts/a%2Fb"

func TestProofs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	owner, thief := newHolder(t, w.as), newHolder(t, w.as)
	// Each proof is made when its turn comes: it is good for a minute.
	type maker func(t *testing.T) string
	made := func(h holder, key any, header, claims map[string]any) maker {
		return func(t *testing.T) string { return h.proof(t, key, header, claims) }
	}
	text := func(text string) maker { return func(*testing.T) string { return text } }
	claim := func(name string, value any) maker {
		return made(owner, owner.private, nil, map[string]any{name: value})
	}
	htu := func(value string) maker { return claim("htu", value) }
	stolen := thief
	stolen.token = owner.token
	for name, test := range map[string]struct {
		proof  maker
		status int
		texts  []string
	}{
		"a good one":               {claim("x", 1), 0, []string{"proof        ok", "proof_replayed"}},
		"with a nonce":             {claim("nonce", "abc"), 0, []string{"only the server knows"}},
		"a default port":           {htu("HTTPS://API.example:443/accounts/a%2Fb"), 0, nil},
		"no JWT":                   {text("abc.def"), 1, []string{"(proof_malformed)"}},
		"another typ":              {made(owner, owner.private, map[string]any{"typ": "JWT"}, nil), 1, []string{"(proof_type)"}},
		"no htm":                   {claim("htm", nil), 1, []string{"(proof_claims)"}},
		"another method":           {claim("htm", "POST"), 1, []string{"(proof_method)", `htm is "POST"`, `"GET"`}},
		"of another token":         {claim("ath", "abc"), 1, []string{"(proof_token)"}},
		"old":                      {claim("iat", time.Now().Add(-time.Hour).Unix()), 1, []string{"(proof_expired)", "iat is ", "but for the time, nothing is wrong"}},
		"from the future":          {claim("iat", time.Now().Add(time.Hour).Unix()), 1, []string{"(proof_not_yet_valid)"}},
		"old, and of a thief":      {made(stolen, thief.private, nil, map[string]any{"iat": time.Now().Add(-time.Hour).Unix()}), 1, []string{"(proof_expired)", "(proof_key_mismatch)"}},
		"by another key":           {made(stolen, thief.private, nil, nil), 1, []string{"(proof_key_mismatch)", "and jkt is"}},
		"signed by another key":    {made(owner, thief.private, nil, nil), 1, []string{"(proof_signature)"}},
		"htu: another host":        {htu("https://other.example/accounts/a%2Fb"), 1, []string{"(proof_uri)", "the host is another", `htu is "https://other.example/accounts/a%2Fb"`, `the request is for "` + proofURL}},
		"htu: a dot":               {htu("https://api.example./accounts/a%2Fb"), 1, []string{"a dot at its end"}},
		"htu: another scheme":      {htu("http://api.example/accounts/a%2Fb"), 1, []string{"the scheme differs"}},
		"htu: a port":              {htu("https://api.example:8443/accounts/a%2Fb"), 1, []string{`the port is "8443", and the request's "443"`}},
		"htu: user information":    {htu("https://me:secret@api.example/accounts/a%2Fb"), 1, []string{"user information"}},
		"htu: decoded":             {htu("https://api.example/accounts/a/b"), 1, []string{"the path is decoded"}},
		"htu: a slash at its end":  {htu(proofURL + "/"), 1, []string{"a slash at its end"}},
		"htu: a doubled slash":     {htu("https://api.example//accounts/a%2Fb"), 1, []string{"slashes that are doubled"}},
		"htu: in capitals":         {htu("https://api.example/Accounts/a%2Fb"), 1, []string{"upper and lower case"}},
		"htu: with a prefix":       {htu("https://api.example/v1/accounts/a%2Fb"), 1, []string{`has "/v1" before`, "PathPrefix"}},
		"htu: without a prefix":    {htu("https://api.example/a%2Fb"), 1, []string{"lacks the beginning"}},
		"htu: another path":        {htu("https://api.example/payments?secret=1#secret"), 1, []string{"the path is another"}},
		"htu: a path alone":        {htu("/accounts/a%2Fb"), 1, []string{"no URI with a scheme and a host"}},
		"htu: control characters":  {htu("https://api.example/\u001b[31m"), 1, []string{"(proof_uri)"}},
		"htu: a bad percent":       {htu("https://api.example/accounts/%zz"), 1, []string{"(proof_uri)"}},
		"more than a server reads": {text(strings.Repeat("a", 9000)), 1, []string{"(proof_too_long)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proof := test.proof(t)
			status, output := inspect(t, owner.token, "-proof", proof, "-url", proofURL+"?of=me")
			require.Equal(t, test.status, status, output)
			for _, text := range test.texts {
				require.Contains(t, output, text)
			}
			require.NotContains(t, output, "secret")
			require.NotContains(t, output, "the jti of the proof")
			require.NotContains(t, output, "\x1b")
			for part := range strings.SplitSeq(proof+"."+owner.token, ".") {
				if len(part) > 3 {
					require.NotContains(t, output, part)
				}
			}
		})
	}
}

func TestMistakesWithAProof(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"-url: with":        {"-proof", "eyJhbGciOi.x.y"},
		"-url: with -proof": {"-proof", "eyJhbGciOi.x.y", "-url", "api.example"},
		"need -proof":       {"-url", proofURL},
		"need -proof, too":  {"-method", "GET"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, output := inspect(t, "token", args...)
			require.Equal(t, 2, status, output)
			require.Contains(t, output, "-proof")
			require.NotContains(t, output, "eyJhbGciOi")
		})
	}
}
