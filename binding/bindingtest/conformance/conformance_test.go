package conformance_test

import (
	"context"
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

func guarded(t *testing.T) func(as *bindingtest.AuthorizationServer) (http.Handler, error) {
	return func(as *bindingtest.AuthorizationServer) (http.Handler, error) {
		tokens, err := jwks.New(jwks.Config{
			Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport(), Fresh: time.Second,
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
		return mux, nil
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	conformance.Run(t, conformance.Config{ScopePath: "/payments", RemovedKeyAfter: 10 * time.Second}, conformance.Handler(guarded(t)))
}

func check(t *testing.T, config conformance.Config, target conformance.Target) *conformance.Report {
	t.Helper()
	kit, err := conformance.New(config)
	require.NoError(t, err)
	defer kit.Close()
	report, err := kit.Check(context.Background(), target)
	require.NoError(t, err)
	return report
}
