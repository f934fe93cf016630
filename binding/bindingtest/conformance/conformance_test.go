package conformance_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/bindingtest/conformance"
	"github.com/certbound/certbound/jwks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// guarded makes a handler with this project's own guard.
func guarded(t *testing.T, types ...string) func(as *bindingtest.AuthorizationServer) (http.Handler, error) {
	return func(as *bindingtest.AuthorizationServer) (http.Handler, error) {
		tokens, err := jwks.New(jwks.Config{
			Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport(), Fresh: time.Second, TokenTypes: types,
		})
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { _ = tokens.Close() })
		guard, err := binding.New(binding.Config{Tokens: tokens})
		if err != nil {
			return nil, err
		}
		mux := http.NewServeMux()
		ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		mux.Handle("/", bindhttp.Protect(guard)(ok))
		mux.Handle("/payments", bindhttp.Protect(guard)(bindhttp.RequireScopes("payments")(ok)))
		mux.Handle("POST /transfers", bindhttp.Protect(guard)(bindhttp.RequireScopes("transfers")(ok)))
		return mux, nil
	}
}

// The guard answers every case as it should, and not merely as it must.
func TestGuard(t *testing.T) {
	t.Parallel()
	config := conformance.Config{ScopePath: "/payments", RemovedKeyAfter: time.Minute, StartWait: time.Minute, KeyWait: time.Minute, Timeout: time.Minute}
	conformance.Run(t, config, conformance.Handler(guarded(t)))
}

// What the Config says of tokens and routes is so in all requests: a guard for
// just these finds no fault.
func TestGuardOfOtherTokens(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]conformance.Config{
		"RS256":         {Algorithm: "RS256"},
		"ES384":         {Algorithm: "ES384"},
		"EdDSA":         {Algorithm: "EdDSA"},
		"typ JWT":       {TokenType: "JWT"},
		"without a typ": {TokenType: "absent"},
		"scope of POST": {ScopePath: "/transfers", ScopeMethod: "POST"},
		"more of all": {
			Audience: "https://api.bank.example", Path: "/payments?a=b", Scopes: []string{"accounts", "payments"},
			Claims: map[string]any{"azp": "app", "jti": nil}, RemovedKeyAfter: time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config.StartWait, config.KeyWait, config.Timeout = time.Minute, time.Minute, time.Minute
			kit := newKit(t, config)
			var types []string
			if config.TokenType != "" {
				types = append(types, config.TokenType)
			}
			handler, err := guarded(t, types...)(kit.AuthorizationServer())
			require.NoError(t, err)
			server := kit.AuthorizationServer().Serve(handler)
			defer server.Close()
			report, err := kit.Check(t.Context(), conformance.Target{URL: server.URL})
			require.NoError(t, err)
			for _, result := range report.Results {
				require.False(t, result.Failed, result)
			}
			require.Greater(t, report.Summary.AsExpected, 140)
		})
	}
}

// check checks a server that is judged, and returns the report.
func check(t *testing.T, config conformance.Config, target conformance.Target) *conformance.Report {
	t.Helper()
	kit := newKit(t, config)
	report, err := kit.Check(t.Context(), target)
	require.NoError(t, err)
	return report
}
