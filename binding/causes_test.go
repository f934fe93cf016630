package binding_test

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// The cause, for the operator's log, is there where something is behind the reason.
func TestCauses(t *testing.T) {
	t.Parallel()
	failure := errors.New("cannot be read")
	bound := bearer(claims(t, boundTo(newCertificate(t, "client-1").Leaf)))
	for name, test := range map[string]struct {
		config binding.Config
		token  string
		want   string
	}{
		"a confirmation that is no object": {binding.Config{}, bearer(claims(t, members{"cnf": null})), "the text is not a JSON object"},
		"a confirmation with a name twice": {binding.Config{}, bearer([]byte(`{"cnf":{"jkt":"a","jkt":"b"}}`)), "a name occurs twice"},
		"claims that are no object":        {binding.Config{}, bearer([]byte(`[]`)), "the text is not a JSON object"},
		"a verifier without an answer": {binding.Config{Tokens: verifierFunc(func(context.Context, string) (*binding.Token, error) {
			return nil, nil //nolint:nilnil // what is tested
		})}, "token", "the TokenVerifier returned no token and no error"},
		"a source that fails": {binding.Config{Certificates: &source{find: func(*http.Request) (binding.Certificate, error) {
			return binding.Certificate{}, failure
		}}}, bound, failure.Error()},
		"a client without a certificate": {binding.Config{}, bound, "the TLS handshake brought no client certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := newGuard(t, test.config).Check(request(test.token))
			require.ErrorContains(t, refusalOf(t, err).Cause, test.want)
		})
	}
}

// A time that is off says so in steps, so that the log takes for alike what one clock causes.
func TestCauseOfATime(t *testing.T) {
	t.Parallel()
	const (
		back  = " back by this machine's clock: the client renews too late, or that clock is ahead"
		ahead = " ahead of this machine's clock: it is behind, or the issuer's is ahead"
	)
	for name, test := range map[string]struct {
		claim string
		at    any
		want  string
	}{
		"expired just now":           {"exp", now.Unix() - 1, "exp lies less than 1m0s" + back},
		"expired a minute ago":       {"exp", now.Unix() - 60, "exp lies at least 1m0s" + back},
		"expired nine minutes ago":   {"exp", now.Unix() - 599, "exp lies at least 5m0s" + back},
		"expired ten minutes ago":    {"exp", now.Unix() - 600, "exp lies at least 10m0s" + back},
		"expired forty minutes ago":  {"exp", now.Unix() - 2_400, "exp lies at least 30m0s" + back},
		"expired an hour ago":        {"exp", now.Unix() - 3_600, "exp lies at least 1h0m0s" + back},
		"expired half a day ago":     {"exp", now.Unix() - 43_200, "exp lies at least 6h0m0s" + back},
		"expired in another century": {"exp", 1, "exp lies at least 24h0m0s" + back},
		"issued in a while":          {"iat", now.Unix() + 301, "iat lies at least 5m0s" + ahead},
		"valid in a while":           {"nbf", now.Unix() + 2, "nbf lies less than 1m0s" + ahead},
		"valid in another century":   {"nbf", int64(250_000_000_000), "nbf lies at least 24h0m0s" + ahead},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parsed := mustParse(t, claims(t, members{test.claim: test.at}))
			_, err := parsed.Validate(binding.Expect{Issuer: issuer, Audiences: []string{audience}, Now: now})
			require.EqualError(t, refusalOf(t, err).Cause, "binding: the claim "+test.want)
		})
	}
}

// Why there is no certificate is only said of the connection: what a source of the application's has not found, it explains
// itself.
func TestCauseOfAMissingCertificate(t *testing.T) {
	t.Parallel()
	r := request(bearer(claims(t, boundTo(newCertificate(t, "client-1").Leaf))))
	_, err := newGuard(t, binding.Config{Certificates: certificateOf(binding.Certificate{})}).Check(r)
	requireRefused(t, err, binding.ReasonCertificateMissing, http.StatusUnauthorized)
	require.NoError(t, refusalOf(t, err).Cause)

	r.TLS = nil
	_, err = newGuard(t, binding.Config{}).Check(r)
	requireRefused(t, err, binding.ReasonCertificateMissing, http.StatusUnauthorized)
	require.ErrorContains(t, refusalOf(t, err).Cause, "the request came without TLS")
}

// The text of a refusal names its reason, and of a reason that is none says no more than that.
func TestTextOfARefusal(t *testing.T) {
	t.Parallel()
	require.EqualError(t, &binding.Error{Reason: binding.ReasonTokenExpired}, "binding: request refused: token_expired")
	require.EqualError(t, &binding.Error{Reason: "made up"}, "binding: request refused: unknown reason")
}

// OnError finds in the header what its answer will have.
func TestOnErrorSeesTheHeader(t *testing.T) {
	t.Parallel()
	seen := make(http.Header)
	guard := newGuard(t, binding.Config{OnError: func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) { seen = w.Header().Clone() }})
	r := httptest.NewRequest(http.MethodGet, audience, nil)
	_, err := guard.Admit(r)
	recorder := httptest.NewRecorder()
	refusalOf(t, err).Write(recorder, r)
	require.Equal(t, []string{`Bearer realm="protected resource"`}, seen["Www-Authenticate"])
	require.Equal(t, []string{"no-store"}, seen["Cache-Control"])
}

// Letters fold whatever they are, and what is neither letter nor digit is a hyphen.
func TestAdmitFoldsEveryLetter(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	guard := newGuard(t, binding.Config{Certificates: &headerSource{names: []string{"X-Az09"}}})
	r := request(bearer(claims(t, boundTo(certificate))))
	r.Header["X-Az09"] = []string{base64Of(certificate)}
	for _, name := range []string{"X-AZ09", "x-az09", "X_aZ09", "X\x7faz09"} {
		r.Header[name] = []string{"canary"}
	}
	kept := map[string][]string{"Authorization": r.Header["Authorization"]}
	for _, name := range []string{"X--Z09", "X-A-09", "X-Az-9", "X-Az0-", "Xaz09"} {
		kept[name] = []string{"mine"}
		r.Header[name] = []string{"mine"}
	}
	admitted, err := guard.Admit(r)
	require.NoError(t, err)
	require.Equal(t, http.Header(kept), admitted.Header)
}

// What is nearly one of the wrong forms that issuers send is called malformed: the reason must not mislead.
func TestParseThumbprintNamesNoFormThatItIsNot(t *testing.T) {
	t.Parallel()
	digits := "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for _, value := range []string{
		digits[:63] + "-", digits[:63] + "/", digits[:63] + ".", digits[:63] + "G", digits[:62] + "0", digits + "0",
		"+", digits[:41] + "+", digits[:43] + "+", digits[:42] + "+ ",
	} {
		_, err := binding.ParseThumbprint(value)
		requireRefused(t, err, binding.ReasonThumbprintMalformed, http.StatusUnauthorized)
	}
}

// Refusals that are not written use up nothing of what tells those apart that are.
func TestLogOfAFloodBelowTheLevel(t *testing.T) {
	t.Parallel()
	var book logBook
	observe := binding.LogEvents(book.logger(slog.LevelWarn))
	for i := range 1_000 {
		observe(t.Context(), refusedFor(binding.ReasonTokenExpired, "flood-"+strconv.Itoa(i)))
	}
	observe(t.Context(), refusedFor(binding.ReasonThumbprintMismatch, "client-1"))
	observe(t.Context(), refusedFor(binding.ReasonThumbprintMismatch, "client-2"))
	require.Len(t, book.records(t), 2)
}

// A client of one issuer is not the client of the same name of another.
func TestLogTellsIssuersApart(t *testing.T) {
	t.Parallel()
	var book logBook
	observe := binding.LogEvents(book.logger(slog.LevelInfo))
	for _, iss := range []string{issuer, issuer + "/2"} {
		event := refusedFor(binding.ReasonThumbprintMismatch, "client-1")
		event.Issuer = iss
		observe(t.Context(), event)
	}
	require.Len(t, book.records(t), 2)
}

// A configuration that comes with an error is none: the error ends the handshake.
func TestTLSConfigKeepsTheErrorOfGetConfigForClient(t *testing.T) {
	t.Parallel()
	failure := errors.New("no such name")
	config := binding.TLSConfig(&tls.Config{ //nolint:gosec // the least version is TLSConfig's
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return &tls.Config{}, failure //nolint:gosec // as above
		},
	})
	_, err := config.GetConfigForClient(&tls.ClientHelloInfo{})
	require.ErrorIs(t, err, failure)
}

// The last second of the year 9999 is a date, however it is written, and what is past it is none.
func TestLastDate(t *testing.T) {
	t.Parallel()
	for _, exp := range []string{"253402300799", "253402300799.0", "2.53402300799e11"} {
		require.Equal(t, 9999, validWith(t, `"exp":`+exp).Expiry().UTC().Year(), exp)
	}
	for _, exp := range []string{"253402300800", "253402300799.5", "253402300800.0", "2.534023008e11"} {
		_, err := binding.ParseClaims([]byte(`{"exp":` + exp + `}`))
		requireRefused(t, err, binding.ReasonTokenClaims, http.StatusUnauthorized)
	}
}
