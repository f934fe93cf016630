package binding_test

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
)

// M/424: what is the server's own fault is told to the default log, once, and by the call that is at fault. In a process
// of its own, for that log is everybody's.
func TestFaultsAreToldWithoutAnObserver(t *testing.T) {
	t.Parallel()
	const variable = "BINDING_TEST_FAULTS"
	if os.Getenv(variable) != "" {
		unguarded := bindhttp.RequireScopes("payments")(nil)
		quiet := newGuard(t, binding.Config{Policy: binding.DangerouslyAcceptUnbound})
		r := request(bearer(claims(t, nil)))
		for range 3 {
			nest(r, nil)
			nest(r, new(binding.Guard))
			unguarded.ServeHTTP(httptest.NewRecorder(), r)
			_ = binding.CheckAnyScope(r.Context(), "accounts")
			_, _ = binding.TokenFromContext(new(gin.Context))
			_, _ = binding.CertificateFromContext(new(gin.Context))
			_, _ = binding.TokenFromContext(r.Context()) // as on a route for everybody, and not told
			_ = binding.CheckAuthentication(r.Context(), binding.Authentication{ACRValues: []string{"gold"}})
			admitted, err := quiet.Admit(r)
			require.NoError(t, err)
			require.Error(t, binding.CheckScopes(admitted.Context()))
			require.Error(t, binding.CheckScopes(admitted.Context(), "admin")) // the client's, and not told
			nest(request("x!"), quiet)
		}
		return
	}
	log := toldByItself(t, variable)
	lines := strings.Split(strings.TrimSpace(log), "\n")
	for name, words := range map[string][]string{
		"M/424 Protect of nil":                   {"Protect(nil)", "binding.New"},
		"M/424 Protect of a zero guard":          {"Protect of a guard that binding.New did not make"},
		"M/424 RequireScopes without Protect":    {`RequireScopes([\"payments\"]) found no guard`, "put the adapter's Protect before it"},
		"M/424 RequireAnyScope without Protect":  {`RequireAnyScope([\"accounts\"]) found no guard`},
		"M/424 RequireAuthentication without it": {"RequireAuthentication({ACRValues:[gold]", "found no guard"},
		"gin's own context":                      {"gin's own context", "c.Request.Context()"},
		"RequireScopes without a scope":          {"RequireScopes([])", "at least one scope"},
	} {
		record := "ERROR request refused reason=misconfigured status=500"
		if name == "gin's own context" {
			record = "ERROR binding: TokenFromContext"
		}
		told := 0
		for _, line := range lines {
			for _, word := range words {
				if !strings.Contains(line, word) {
					line = ""
				}
			}
			if line != "" {
				require.Contains(t, line, record, name)
				told++
			}
		}
		require.Equal(t, 1, told, "%s: %s", name, log)
	}
	require.Len(t, lines, 7, "%s", log)
}

// A route for everybody asks for a token that is not there, and a gin that looks further gives one: neither is a fault.
func TestNothingIsToldWithoutAFault(t *testing.T) {
	t.Parallel()
	const variable = "BINDING_TEST_NO_FAULTS"
	if os.Getenv(variable) == "" {
		require.Empty(t, toldByItself(t, variable))
		return
	}
	r := request(bearer(claims(t, nil)))
	_, ok := binding.TokenFromContext(r.Context())
	require.False(t, ok)
	admitted, err := newGuard(t, binding.Config{Policy: binding.DangerouslyAcceptUnbound}).Admit(r)
	require.NoError(t, err)
	c, engine := gin.CreateTestContext(httptest.NewRecorder())
	engine.ContextWithFallback = true
	c.Request = admitted
	_, ok = binding.TokenFromContext(c)
	require.True(t, ok)
}

// toldByItself runs a test in a process of its own, with the variable set, and returns what that writes to the default log.
func toldByItself(t *testing.T, variable string) string {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	command.Env = append(os.Environ(), variable+"=1", "GOCOVERDIR="+t.TempDir(), "GIN_MODE=release")
	var log strings.Builder
	command.Stderr = &log
	require.NoError(t, command.Run())
	return log.String()
}
