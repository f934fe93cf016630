package conformance_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/bindingtest/conformance"
	"github.com/certbound/certbound/binding/introspection"
)

// introspecting makes a handler with this project's own guard, which asks about
// every token.
func introspecting(t *testing.T) func(as *bindingtest.AuthorizationServer) (http.Handler, error) {
	return func(as *bindingtest.AuthorizationServer) (http.Handler, error) {
		tokens, err := introspection.New(introspection.Config{
			Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport(),
			ClientID: "api", AuthMethod: introspection.ClientSecretBasic, ClientSecret: "0123456789abcdef0123456789abcdef",
		})
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { _ = tokens.Close() })
		guard, err := binding.New(binding.Config{Tokens: tokens})
		if err != nil {
			return nil, err
		}
		return bindhttp.Protect(guard)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), nil
	}
}

var opaque = conformance.Config{Opaque: true, StartWait: time.Minute, KeyWait: time.Minute, Timeout: time.Minute}

func TestOpaqueTokens(t *testing.T) {
	t.Parallel()
	report := check(t, opaque, conformance.Handler(introspecting(t)))
	require.True(t, report.Passed())
	require.Greater(t, report.Summary.Rows, 90)
	for _, result := range report.Results {
		require.NotContains(t, "BCDIJ", result.Section, "a case that needs a JWT")
	}
	require.Contains(t, report.Rows(conformance.Skipped), 269)
}

func TestBrokenServersOfOpaqueTokensAreFound(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		bug      bug
		violates []int
	}{
		{"none", nil},
		{"does not look whether it is active", []int{130}},
		{"compares with any certificate of the chain", []int{168}},
		{"lets in who has no certificate", []int{146, 153, 158, 159, 176, 184, 273}},
	} {
		t.Run(string(test.bug), func(t *testing.T) {
			t.Parallel()
			report := check(t, opaque, conformance.Handler(newLax("asks about opaque tokens", test.bug)))
			require.Equal(t, test.violates, report.Rows(conformance.Violates))
		})
	}
}
