package jwks_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// noon is the time by which the tests judge tokens.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func atNoon() time.Time { return noon }

const audience = "https://api.example"

// An issuer is an authorization server whose key set comes over HTTPS.
type issuer struct {
	*bindingtest.AuthorizationServer
}

func newIssuer(tb testing.TB, config bindingtest.Config) issuer {
	tb.Helper()
	config.Clock = atNoon
	as, err := bindingtest.NewAuthorizationServer(config)
	require.NoError(tb, err)
	tb.Cleanup(as.Close)
	return issuer{as}
}

// publish makes the keys all that the issuer's set holds.
func (i issuer) publish(keys ...json.RawMessage) {
	document, _ := json.Marshal(map[string]any{"keys": keys})
	i.Handle(bindingtest.JWKSPath, answersWith(string(document)))
}

// answersWith is a handler with one answer.
func answersWith(body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
}

// verifier returns a verifier of the issuer's tokens, as changed.
func (i issuer) verifier(tb testing.TB, changes ...func(*jwks.Config)) *jwks.Verifier {
	tb.Helper()
	config := jwks.Config{
		Issuer:    i.Issuer(),
		Audiences: []string{audience},
		Transport: i.Transport(),
		Clock:     atNoon,

		FetchTimeout: time.Minute, // however busy the machine is
	}
	for _, change := range changes {
		change(&config)
	}
	v, err := jwks.New(config)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, v.Close()) })
	return v
}

// A raw is a JSON object by the texts of its values, so that a test can write
// what no encoder does.
type raw map[string]string

// with returns a copy with the member set to a text, or without it if that is "".
func (r raw) with(name, text string) raw {
	r = maps.Clone(r)
	r[name] = text
	if text == "" {
		delete(r, name)
	}
	return r
}

func (r raw) String() string {
	var members []string
	for _, name := range slices.Sorted(maps.Keys(r)) {
		members = append(members, quote(name)+":"+r[name])
	}
	return "{" + strings.Join(members, ",") + "}"
}

// and writes one more member in front of those that are there, whatever its name.
func (r raw) and(member string) string { return "{" + member + "," + r.String()[1:] }

func quote(s string) string {
	text, _ := json.Marshal(s)
	return string(text)
}

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// header is the JOSE header of a good token by the issuer's own key.
func (i issuer) header() raw {
	return raw{"alg": `"ES256"`, "kid": quote(i.KeyID()), "typ": `"at+jwt"`}
}

// claims are those of a good token (RFC 9068 §2.2).
func (i issuer) claims() raw {
	return raw{
		"iss": quote(i.Issuer()), "aud": quote(audience), "sub": `"alice"`, "client_id": `"app"`, "jti": `"1"`,
		"iat": seconds(noon), "exp": seconds(noon.Add(5 * time.Minute)),
	}
}

// sign signs with the issuer's own key, byte for byte.
func (i issuer) sign(tb testing.TB, header, payload string) string {
	tb.Helper()
	token, err := i.SignRaw([]byte(header), []byte(payload))
	require.NoError(tb, err)
	return token
}

// token signs good claims under a header.
func (i issuer) token(tb testing.TB, header raw) string {
	tb.Helper()
	return i.sign(tb, header.String(), i.claims().String())
}

// tokenWith signs claims under a good header.
func (i issuer) tokenWith(tb testing.TB, claims raw) string {
	tb.Helper()
	return i.sign(tb, i.header().String(), claims.String())
}

func (i issuer) goodToken(tb testing.TB) string {
	tb.Helper()
	return i.token(tb, i.header())
}

// unknownKeyToken is good but for its kid, which is nobody's.
func (i issuer) unknownKeyToken(tb testing.TB) string {
	tb.Helper()
	return i.token(tb, i.header().with("kid", `"nobody's"`))
}

func requireAccepted(tb testing.TB, v binding.TokenVerifier, token string) *binding.Token {
	tb.Helper()
	verified, err := v.VerifyToken(tb.Context(), token)
	require.NoError(tb, err)
	require.NotNil(tb, verified)
	return verified
}

// requireRefused asserts a fault of the token: 401 invalid_token, for the reason.
func requireRefused(tb testing.TB, v binding.TokenVerifier, token string, reason binding.Reason) {
	tb.Helper()
	refusal := refusalOf(tb, v, token)
	require.Equal(tb, reason, refusal.Reason)
	require.Equal(tb, http.StatusUnauthorized, refusal.StatusCode())
	require.Equal(tb, "invalid_token", refusal.Code())
}

// requireNoKeys asserts trouble that is no fault of the token's: 503.
func requireNoKeys(tb testing.TB, v binding.TokenVerifier, token string) *binding.Error {
	tb.Helper()
	refusal := refusalOf(tb, v, token)
	require.Equal(tb, binding.ReasonKeysUnavailable, refusal.Reason)
	require.Equal(tb, http.StatusServiceUnavailable, refusal.StatusCode())
	require.GreaterOrEqual(tb, refusal.RetryAfter, time.Second)
	return refusal
}

// refusalOf returns the error, which holds nothing of the token, its causes included.
func refusalOf(tb testing.TB, v binding.TokenVerifier, token string) *binding.Error {
	tb.Helper()
	verified, err := v.VerifyToken(tb.Context(), token)
	require.Nil(tb, verified)
	var refusal *binding.Error
	require.ErrorAs(tb, err, &refusal)
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		for _, segment := range strings.Split(token, ".") {
			require.False(tb, len(segment) > 16 && strings.Contains(cause.Error(), segment), "the token is in an error")
		}
	}
	return refusal
}

// mistakesOf returns the fields of all the ConfigErrors in an error, sorted.
func mistakesOf(err error) []string {
	var fields []string
	var walk func(error)
	walk = func(err error) {
		//nolint:errorlint // every one of a joined error, not the first
		switch e := err.(type) {
		case binding.ConfigError:
			fields = append(fields, e.Field)
		case interface{ Unwrap() []error }:
			for _, one := range e.Unwrap() {
				walk(one)
			}
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		}
	}
	walk(err)
	slices.Sort(fields)
	return fields
}
