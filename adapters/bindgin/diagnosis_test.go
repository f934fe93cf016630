package bindgin_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindgin"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/forwarded"
	"github.com/certbound/certbound/jwks"
)

// A setup is an API as a new user sets it up, with one mistake in it.
type setup struct {
	as     *bindingtest.AuthorizationServer
	keys   jwks.Config
	config binding.Config
	server *httptest.Server // its TLS is what binding.TLSConfig gives
	spec   bindingtest.TokenSpec
	header http.Header // of the request
	scope  string      // that the route requires
	client tls.Certificate

	tokens *jwks.Verifier
}

// Each mistake that a new user makes is one line in the log, which names what is wrong and what mends it: the option, the
// header or the call. It holds nothing of the token.
func TestDiagnosis(t *testing.T) {
	t.Parallel()
	local := netip.MustParsePrefix("127.0.0.0/8")
	nginx := func(t *testing.T, s *setup, format forwarded.Format) {
		source, err := forwarded.New(forwarded.Config{Format: format, Trust: []forwarded.Trust{forwarded.TrustPeers(local)}})
		require.NoError(t, err)
		s.config.Certificates = source
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.client.Certificate[0]})
		s.header = http.Header{"X-Ssl-Client-Cert": {url.QueryEscape(string(text))}}
	}
	for _, row := range []struct {
		name    string
		mistake func(t *testing.T, s *setup)
		words   []string
	}{
		{"a slash too many in the issuer", func(_ *testing.T, s *setup) { s.keys.Issuer += "/" }, []string{"reason=token_issuer", "slashes", "Issuer", "$ISSUER/"}},
		{"a wrong audience", func(_ *testing.T, s *setup) { s.keys.Audiences = []string{"https://other.example"} },
			[]string{"reason=token_audience", "https://other.example", "Audiences"}},
		{"no client certificate asked for", func(_ *testing.T, s *setup) { s.server.TLS.ClientAuth = tls.NoClientCert },
			[]string{"reason=certificate_missing", "did not ask", "binding.TLSConfig"}},
		{"ConnContext forgotten", func(t *testing.T, s *setup) { nginx(t, s, forwarded.Nginx) }, []string{"reason=forwarded_untrusted", "ConnContext"}},
		{"another format than the proxy's", func(t *testing.T, s *setup) {
			nginx(t, s, forwarded.RFC9440)
			s.server.Config.ConnContext = forwarded.ConnContext
		}, []string{"reason=certificate_missing", "Client-Cert", "X-Ssl-Client-Cert", "Config.Format"}},
		{"typ JWT", func(_ *testing.T, s *setup) { s.spec.Header = map[string]any{"typ": "JWT"} }, []string{"reason=token_type", "at+jwt", "TokenTypes"}},
		{"scopes in scp", func(_ *testing.T, s *setup) {
			s.spec.Claims = map[string]any{"scp": []string{"accounts"}, "scope": nil}
		}, []string{"reason=scope_missing", "accounts", "ScopeClaims"}},
		{"a closed verifier", func(_ *testing.T, s *setup) { s.config.Authorize = nil; s.tokens = nil }, []string{"status=503", "closed"}},
		{"an unknown CA", func(_ *testing.T, s *setup) { s.keys.Transport = nil }, []string{"reason=keys_unavailable", "unknown authority", "Transport"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			log := play(t, row.mistake)
			lines := strings.Split(strings.TrimSpace(log), "\n")
			require.Len(t, lines, 1, "%s", log)
			for _, word := range row.words {
				require.Contains(t, log, word)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		require.Empty(t, play(t, func(*testing.T, *setup) {}))
	})
}

// play makes one request of an API with a mistake in it, and returns what was logged.
func play(t *testing.T, mistake func(*testing.T, *setup)) string {
	t.Helper()
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	require.NoError(t, err)
	t.Cleanup(as.Close)
	certificate, err := as.NewClientCertificate("client-1")
	require.NoError(t, err)
	var log bytes.Buffer
	r := gin.New()
	s := &setup{
		as: as, client: certificate, scope: "accounts",
		keys:   jwks.Config{Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport(), DangerouslyAllowHTTP: true},
		config: binding.Config{Observe: binding.LogEvents(slog.New(slog.NewTextHandler(&log, nil)))},
		spec:   bindingtest.TokenSpec{Scopes: []string{"accounts"}, Certificate: certificate.Leaf},
		server: httptest.NewUnstartedServer(r),
		tokens: new(jwks.Verifier),
	}
	s.server.TLS = binding.TLSConfig(&tls.Config{Certificates: []tls.Certificate{as.ServerCertificate()}})
	mistake(t, s)
	closed := s.tokens == nil
	s.tokens, err = jwks.New(s.keys)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.tokens.Close() })
	if closed {
		require.NoError(t, s.tokens.Close())
	}
	s.config.Tokens = s.tokens
	guard, err := binding.New(s.config)
	require.NoError(t, err)
	r.Use(bindgin.Protect(guard))
	r.GET("/accounts", bindgin.RequireScopes(s.scope), func(c *gin.Context) {
		token, ok := binding.TokenFromContext(c.Request.Context())
		require.True(t, ok)
		c.String(http.StatusOK, token.Subject())
	})
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	token, err := as.Token(s.spec)
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+"/accounts", nil)
	require.NoError(t, err)
	for name, values := range s.header {
		request.Header[name] = values
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := as.HTTPClient(certificate).Do(request)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	for _, part := range strings.Split(token, ".") {
		require.NotContains(t, log.String(), part)
	}
	return strings.ReplaceAll(log.String(), as.Issuer(), "$ISSUER")
}

// What is wrong with a configuration its constructor says, and which option is for it.
func TestDiagnosisOfAConfiguration(t *testing.T) {
	t.Parallel()
	_, err := jwks.New(jwks.Config{Issuer: "http://auth.bank.example", Audiences: []string{"https://api.bank.example"}})
	require.ErrorContains(t, err, "Issuer")
	require.ErrorContains(t, err, "https")
	require.ErrorContains(t, err, "DangerouslyAllowHTTP")
	_, err = forwarded.New(forwarded.Config{Format: forwarded.Nginx})
	require.ErrorContains(t, err, "Trust")
	var mistake binding.ConfigError
	require.True(t, errors.As(err, &mistake))
}

// Where there is no observer, the default log is told: in a process of its own, for that log is everybody's.
func TestDiagnosisWithoutAnObserver(t *testing.T) {
	t.Parallel()
	const variable = "BINDGIN_TEST_DIAGNOSIS"
	if os.Getenv(variable) != "" {
		r := gin.New()
		r.GET("/scopes", bindgin.RequireScopes("payments"), func(*gin.Context) {})
		r.GET("/context", func(c *gin.Context) {
			_, _ = binding.TokenFromContext(c)
			_, _ = binding.CertificateFromContext(c)
			_ = binding.CheckScopes(c, "accounts")
			_, _ = binding.TokenFromContext(c.Request.Context()) // no mistake: a route for everybody
		})
		for range 2 {
			for _, path := range []string{"/scopes", "/context"} {
				r.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
			}
		}
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$")
	command.Env = append(os.Environ(), variable+"=1", "GOCOVERDIR="+t.TempDir())
	var log strings.Builder
	command.Stderr = &log
	require.NoError(t, command.Run())
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	require.Len(t, lines, 3, "%s", log.String())
	for i, words := range [][]string{
		{"RequireScopes", "payments", "Protect"},
		{"TokenFromContext", "gin's own context", "c.Request.Context()"},
		{"RequireScopes", "accounts", "*gin.Context", "c.Request"},
	} {
		for _, word := range words {
			require.Contains(t, lines[i], word)
		}
	}
}
