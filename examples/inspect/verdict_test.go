package main_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

func TestAcceptedOnlyIfTheRequestWouldPass(t *testing.T) {
	t.Parallel()
	shared := newWorld(t, bindingtest.Config{})
	ask := shared.server(t)
	for name, test := range map[string]struct {
		token func(t *testing.T, w *world) string
		args  []string
		label string
		texts []string
	}{
		"as it should be":           {token: spec(bindingtest.TokenSpec{}), label: "binding", texts: []string{"cnf x5t#S256 is the thumbprint of the certificate"}},
		"one audience of several":   {token: spec(bindingtest.TokenSpec{Audience: []string{"https://other.example", audience}}), label: "audience"},
		"typ JWT, which is allowed": {token: header(map[string]any{"typ": "JWT"}), args: []string{"-typ", "at+jwt,JWT"}, label: "type"},
		"no typ, which is allowed":  {token: header(map[string]any{"typ": nil}), args: []string{"-typ", "absent"}, label: "type", texts: []string{"no typ"}},
		"with its scopes":           {token: spec(bindingtest.TokenSpec{Scopes: []string{"a", "b"}}), args: []string{"-scope", "b a"}, label: "scopes"},
		"with its scopes elsewhere": {token: claims(map[string]any{"scp": []string{"a"}}), args: []string{"-scope", "a", "-scope-claim", "scp"}, label: "scopes"},
		"a member beside x5t#S256":  {token: raw(`{"iss":"ISS","aud":"https://api.example","exp":EXP,"cnf":{"x5t#S256":"RIGHT","x5t#uri":"u"}}`), label: "binding", texts: []string{`"x5t#uri" beside it is ignored`}},
		"unbound, which is allowed": {token: claims(map[string]any{"cnf": nil}), args: []string{"-policy", "if-bound"}, label: "binding", texts: []string{"whoever steals it can use it"}},
		"unbound, where nothing may be bound": {
			token: claims(map[string]any{"cnf": nil}), args: []string{"-policy", "refuse-bound"}, label: "binding",
		},
		"expired, within the leeway": {token: spec(bindingtest.TokenSpec{ExpiresIn: -2 * time.Minute}), args: []string{"-leeway", "5m"}, label: "times"},
		"valid from after its end, within the leeway": {
			token: func(t *testing.T, w *world) string {
				now := time.Now().Unix()
				return w.token(t, bindingtest.TokenSpec{Claims: map[string]any{"exp": now, "nbf": now + 30, "iat": now + 30}})
			}, label: "signature",
		},
		"the keys named":          {token: spec(bindingtest.TokenSpec{}), args: []string{"-jwks-url", shared.as.URL(bindingtest.JWKSPath)}, label: "signature"},
		"the metadata named":      {token: spec(bindingtest.TokenSpec{}), args: []string{"-metadata-url", shared.as.URL(bindingtest.OpenIDMetadataPath)}, label: "signature"},
		"an algorithm of several": {token: spec(bindingtest.TokenSpec{}), args: []string{"-alg", "PS256,ES256"}, label: "header"},

		"a whole field": {
			token: func(t *testing.T, w *world) string {
				return "authorization: bearer " + w.token(t, bindingtest.TokenSpec{})
			}, label: "token", texts: []string{"scheme Bearer in front"},
		},
		"under DPoP, which is allowed": {
			token: func(t *testing.T, w *world) string { return "DPoP " + w.token(t, bindingtest.TokenSpec{}) },
			args:  []string{"-schemes", "Bearer,DPoP"}, label: "binding",
		},
		"a token endpoint's answer": {
			token: func(t *testing.T, w *world) string {
				return `{"token_type":"Bearer","access_token":"` + w.token(t, bindingtest.TokenSpec{}) + `"}`
			}, label: "token", texts: []string{"taken from access_token"},
		},
		"with space in its header": {
			token: func(t *testing.T, w *world) string {
				payload, err := base64.RawURLEncoding.DecodeString(strings.Split(w.token(t, bindingtest.TokenSpec{}), ".")[1])
				require.NoError(t, err)
				token, err := w.as.SignRaw([]byte(`{ "alg":"ES256","typ":"at+jwt"}`), payload)
				require.NoError(t, err)
				return token
			}, label: "token", texts: []string{"introspection.ByForm"},
		},
		"in quotes": {
			token: func(t *testing.T, w *world) string { return `"` + w.token(t, bindingtest.TokenSpec{}) + `"` },
			label: "token", texts: []string{"with jq use -r"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token := test.token(t, shared)
			status, output := inspect(t, token, append(shared.flags(), test.args...)...)
			require.Zero(t, status, output)
			if test.args == nil && strings.HasPrefix(token, "eyJ") {
				answered, _ := ask("Bearer " + token)
				require.Equal(t, http.StatusOK, answered)
			}
			requireSays(t, output, "verdict", "ok", "accepted: the request would pass")
			require.NotContains(t, output, "FAIL")
			require.NotContains(t, output, "NOT checked")
			if test.label != "token" {
				requireSays(t, output, test.label, "ok", test.texts...)
			} else {
				requireSays(t, output, test.label, "", test.texts...)
			}
		})
	}
}

func TestATokenInAFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	file := writeFile(t, []byte(w.token(t, bindingtest.TokenSpec{})+"\r\n"))
	status, output := inspect(t, "", append(w.flags(), "-token", file)...)
	require.Zero(t, status, output)
}

// Auth0 answers token_type DPoP for a certificate-bound token, and clients obey.
func TestTheTokenTypeIsTheScheme(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	answer := `{"access_token":"` + w.token(t, bindingtest.TokenSpec{}) + `","token_type":"DPoP"}`
	status, output := inspect(t, answer, w.flags()...)
	require.Equal(t, 1, status, output)
	requireSays(t, output, "verdict", "FAIL", "(credentials_unsupported)")
	status, output = inspect(t, answer, append(w.flags(), "-schemes", "Bearer,DPoP")...)
	require.Zero(t, status, output)
}

// What is not checked is said, and is never status 0.
func TestWhatCannotBeTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	good := w.token(t, bindingtest.TokenSpec{})
	nobody := []string{"-issuer", "https://127.0.0.1:1", "-audience", audience, "-cert", w.file}
	for name, test := range map[string]struct {
		token string
		args  []string
		label string
		texts []string
	}{
		"offline":                {good, []string{"-cert", w.file}, "verdict", []string{"issuer and signature were NOT checked", "the audience was NOT checked"}},
		"offline, the signature": {good, []string{"-cert", w.file}, "signature", []string{"NOT checked", "whoever likes can have written this token"}},
		"offline, the issuer":    {good, []string{"-cert", w.file, "-audience", audience}, "issuer", []string{"NOT checked"}},
		"without an audience":    {good, []string{"-cert", w.file, "-issuer", w.as.Issuer(), "-as-ca", w.roots}, "verdict", []string{"the audience was NOT checked"}},
		"without a certificate": {
			good, []string{"-issuer", w.as.Issuer(), "-as-ca", w.roots, "-audience", audience}, "verdict",
			[]string{"none is given", "401 invalid_token (certificate_missing)", "-cert"},
		},
		"a forged signature, offline": {w.token(t, bindingtest.TokenSpec{ForgedSignature: true}), []string{"-cert", w.file, "-audience", audience}, "verdict", []string{"NOT checked"}},
		"an issuer that is away": {
			w.token(t, bindingtest.TokenSpec{Claims: map[string]any{"iss": "https://127.0.0.1:1"}}), nobody, "verdict",
			[]string{"keys cannot be fetched", "503 temporarily_unavailable (keys_unavailable)", "refused"},
		},
		"an issuer that nobody vouches for": {
			good, []string{"-issuer", w.as.Issuer(), "-audience", audience, "-cert", w.file}, "verdict",
			[]string{"failed to verify certificate"},
		},
		"opaque":                 {"mF_9.B5f-4.1JqM", w.flags(), "verdict", []string{"the token is opaque", "401 invalid_token (token_malformed)"}},
		"opaque, and what to do": {"2YotnFZFEjr1zCsicMWpAA", w.flags(), "token", []string{"opaque", "introspection (RFC 7662)", "-introspection"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, output := inspect(t, test.token, test.args...)
			require.Equal(t, 3, status, output)
			mark := "-"
			if test.label == "verdict" || test.label == "token" {
				mark = ""
			}
			requireSays(t, output, test.label, mark, test.texts...)
			requireSays(t, output, "verdict", "", "cannot be told")
			require.NotContains(t, output, "FAIL")
			requireDiscreet(t, output, test.token)
		})
	}
}

// A refusal needs no issuer: what is wrong offline is wrong online too.
func TestRefusedOffline(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	for name, test := range map[string]struct {
		token string
		args  []string
		want  string
	}{
		"expired":          {w.token(t, bindingtest.TokenSpec{ExpiresIn: -time.Hour}), nil, "token_expired"},
		"another audience": {w.token(t, bindingtest.TokenSpec{}), []string{"-audience", "https://other.example"}, "token_audience"},
		"hexadecimal":      {w.confirmed(t, strings.Repeat("0f", 32)), nil, "thumbprint_hex"},
		"unbound":          {w.token(t, bindingtest.TokenSpec{Claims: map[string]any{"cnf": nil}}), nil, "token_unbound"},
		"no claims":        {w.token(t, bindingtest.TokenSpec{Claims: map[string]any{"iss": nil, "aud": nil}}), nil, "token_issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, output := inspect(t, test.token, append([]string{"-cert", w.file}, test.args...)...)
			require.Equal(t, 1, status, output)
			requireSays(t, output, "verdict", "FAIL", test.want)
		})
	}
}

// Nothing is asked of anybody unless an issuer is named, whoever the token names.
func TestNobodyIsAskedOffline(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	_, output := inspect(t, w.token(t, bindingtest.TokenSpec{}), "-cert", w.file, "-as-ca", w.roots, "-audience", audience)
	requireSays(t, output, "signature", "-", "NOT checked")
	require.Zero(t, w.as.Requests(bindingtest.MetadataPaths)+w.as.Requests(bindingtest.JWKSPath))
}

// Every fault shows, not only the first.
func TestEveryFaultHasItsLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	token := w.token(t, bindingtest.TokenSpec{
		ExpiresIn: -time.Hour, Audience: []string{"https://other.example"}, ForgedSignature: true,
		Header: map[string]any{"typ": "JWT"},
		Claims: map[string]any{"iss": "https://issuer.example", "cnf": map[string]any{"x5t#S256": bindingtest.Thumbprint(newClient(t, w).Leaf)}},
	})
	status, output := inspect(t, token, append(w.flags(), "-scope", "payments")...)
	require.Equal(t, 1, status, output)
	for _, label := range []string{"type", "issuer", "audience", "signature", "times", "binding", "scopes", "verdict"} {
		requireSays(t, output, label, "FAIL")
	}
	for _, label := range []string{"header", "claims"} {
		requireSays(t, output, label, "ok")
	}
}

// Two clocks that differ are told apart by the Date of the issuer's answer.
func TestTheIssuersClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	ahead := func(next []byte) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Date", time.Now().Add(10*time.Minute).UTC().Format(http.TimeFormat))
			_, _ = rw.Write(next)
		})
	}
	w.as.Handle(bindingtest.JWKSPath, ahead(w.as.JWKS()))
	now := time.Now().Add(10 * time.Minute)
	token := w.token(t, bindingtest.TokenSpec{Claims: map[string]any{"iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}})
	status, output := inspect(t, token, w.flags()...)
	require.Equal(t, 1, status, output)
	requireSays(t, output, "times", "FAIL", "the issuer's is", "ahead of this machine's")
	require.Regexp(t, `is (9m5\ds|10m0s|10m1s) ahead`, output)
}
