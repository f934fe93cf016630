package main_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/http"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

func TestRoutesInEveryFramework(t *testing.T) {
	t.Parallel()
	for _, framework := range []string{"nethttp", "echo", "gin"} {
		t.Run(framework, func(t *testing.T) {
			t.Parallel()
			as := newAuthorizationServer(t, bindingtest.Config{})
			server := start(t, as, withTLS(t, as, "-framework", framework)...)
			require.True(t, strings.HasPrefix(server.url, "https://127.0.0.1:"), server.url)
			client, thief := newParty(t, as, "client"), newParty(t, as, "thief")
			authorization := boundTo(t, as, client, "accounts", "profile")

			who := get(t, client.client, server.url+"/whoami", authorization)
			require.Equal(t, http.StatusOK, who.status)
			require.Equal(t, as.Issuer(), who.body["iss"])
			require.NotEmpty(t, who.body["sub"])
			require.NotEmpty(t, who.body["client_id"])
			require.Equal(t, "accounts profile", who.body["scope"])
			require.Equal(t, bindingtest.Thumbprint(client.certificate.Leaf), who.body["x5t#S256"])

			poor := get(t, client.client, server.url+"/payments", authorization)
			require.Equal(t, http.StatusForbidden, poor.status)
			require.Contains(t, poor.header.Get("WWW-Authenticate"), `scope="payments"`)
			rich := get(t, client.client, server.url+"/payments", boundTo(t, as, client, "payments"))
			require.Equal(t, http.StatusOK, rich.status)

			for _, path := range []string{"/whoami", "/payments"} {
				stolen := get(t, thief.client, server.url+path, authorization)
				require.Equal(t, http.StatusUnauthorized, stolen.status)
				require.Contains(t, stolen.header.Get("WWW-Authenticate"), `error="invalid_token"`)
				require.Equal(t, "invalid_token", stolen.body["error"])

				nobody := get(t, as.HTTPClient(), server.url+path, "")
				require.Equal(t, http.StatusUnauthorized, nobody.status)
				require.Equal(t, `Bearer resource_metadata="https://api.example/.well-known/oauth-protected-resource"`,
					nobody.header.Get("WWW-Authenticate"))
			}
			require.Equal(t, http.StatusOK, get(t, as.HTTPClient(), server.url+"/healthz", "").status)
			require.Equal(t, http.StatusOK, get(t, as.HTTPClient(), server.url+"/readyz", "").status)

			require.Zero(t, server.stop(t), server.log.String())
			require.Contains(t, server.log.String(), "reason=thumbprint_mismatch")
			require.Contains(t, server.log.String(), "client_id=client")
			for part := range strings.SplitSeq(strings.TrimPrefix(authorization, "Bearer "), ".") {
				require.NotContains(t, server.log.String(), part, "a token is in the log")
			}
		})
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]struct{ bound, stolen, unbound int }{
		"require":      {200, 401, 401},
		"if-bound":     {200, 401, 200},
		"refuse-bound": {401, 401, 200},
	} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			as := newAuthorizationServer(t, bindingtest.Config{})
			server := start(t, as, withTLS(t, as, "-policy", policy)...)
			client, thief := newParty(t, as, "client"), newParty(t, as, "thief")
			bound := boundTo(t, as, client)
			unbound, err := as.Token(bindingtest.TokenSpec{})
			require.NoError(t, err)
			require.Equal(t, want.bound, get(t, client.client, server.url+"/whoami", bound).status)
			require.Equal(t, want.stolen, get(t, thief.client, server.url+"/whoami", bound).status)
			require.Equal(t, want.unbound, get(t, client.client, server.url+"/whoami", "Bearer "+unbound).status)
		})
	}
}

func TestSchemes(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{ResponseTokenType: "DPoP"})
	client := newParty(t, as, "client")
	authorization := strings.Replace(boundTo(t, as, client), "Bearer", "DPoP", 1)
	without := start(t, as, withTLS(t, as)...)
	require.Equal(t, http.StatusUnauthorized, get(t, client.client, without.url+"/whoami", authorization).status)
	with := start(t, as, withTLS(t, as, "-schemes", "Bearer,DPoP")...)
	require.Equal(t, http.StatusOK, get(t, client.client, with.url+"/whoami", authorization).status)
}

func TestTokenTypes(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{TokenType: "JWT"})
	client := newParty(t, as, "client")
	strict := start(t, as, withTLS(t, as)...)
	require.Equal(t, http.StatusUnauthorized, get(t, client.client, strict.url+"/whoami", boundTo(t, as, client)).status)
	open := start(t, as, withTLS(t, as, "-typ", "at+jwt,JWT")...)
	require.Equal(t, http.StatusOK, get(t, client.client, open.url+"/whoami", boundTo(t, as, client)).status)
}

// Where scopes are in a claim of another name, as Ory Hydra and Okta have them.
func TestScopeClaim(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{})
	client := newParty(t, as, "client")
	token, err := as.Token(bindingtest.TokenSpec{Certificate: client.certificate.Leaf, Claims: map[string]any{"scp": []string{"payments"}}})
	require.NoError(t, err)
	for status, flags := range map[int][]string{http.StatusForbidden: nil, http.StatusOK: {"-scope-claim", "scope,scp"}} {
		server := start(t, as, withTLS(t, as, flags...)...)
		require.Equal(t, status, get(t, client.client, server.url+"/payments", "Bearer "+token).status)
	}
}

// A client whose certificate Go does not parse gets an alert, and the operator
// one line that says why.
func TestHandshakesThatFailAreLogged(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{})
	server := start(t, as, withTLS(t, as)...)
	client := newParty(t, as, "client")
	t.Run("N/441", func(t *testing.T) {
		odd := client.certificate
		template := &x509.Certificate{SerialNumber: big.NewInt(0x7a11)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, odd.Leaf.PublicKey, odd.PrivateKey)
		require.NoError(t, err)
		der[bytes.Index(der, []byte{2, 2, 0x7a, 0x11})+2] = 0xfa // a negative serial number
		odd.Certificate = [][]byte{der}
		transport := as.Transport()
		transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &odd, nil }
		t.Cleanup(transport.CloseIdleConnections)
		_, err = (&http.Client{Transport: transport}).Get(server.url + "/whoami") //nolint:bodyclose // there is none
		require.Error(t, err)
		require.Eventually(t, func() bool { return strings.Contains(server.log.String(), "TLS handshake error") }, time.Minute, time.Millisecond)
		require.Regexp(t, `level=WARN msg="http: TLS handshake error from [^"]*negative serial number`, server.log.String())
	})
}

func TestJWKSURL(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{})
	client := newParty(t, as, "client")
	server := start(t, as, withTLS(t, as, "-jwks-url", as.URL(bindingtest.JWKSPath), "-jwks-refresh", "1s")...)
	require.Equal(t, http.StatusOK, get(t, client.client, server.url+"/whoami", boundTo(t, as, client)).status)
	require.Zero(t, as.Requests(bindingtest.MetadataPaths), "a key set's URL was given")
	fetched := as.Requests(bindingtest.JWKSPath)
	require.Eventually(t, func() bool { return as.Requests(bindingtest.JWKSPath) > fetched }, time.Minute, 10*time.Millisecond,
		"keys are fresh for a second: more fetches come without a request")
}

func TestPlainHTTPRefusesBoundTokens(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{})
	client := newParty(t, as, "client")
	server := start(t, as)
	require.True(t, strings.HasPrefix(server.url, "http://127.0.0.1:"), server.url)
	refused := get(t, client.client, server.url+"/whoami", boundTo(t, as, client))
	require.Equal(t, http.StatusUnauthorized, refused.status)
	require.Zero(t, server.stop(t))
	require.Contains(t, server.log.String(), "reason=certificate_missing")
}

func TestStartsWhileTheAuthorizationServerIsDown(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{})
	as.Handle(bindingtest.MetadataPaths, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	client := newParty(t, as, "client")
	server := start(t, as, withTLS(t, as)...)

	down := get(t, client.client, server.url+"/whoami", boundTo(t, as, client))
	require.Equal(t, http.StatusServiceUnavailable, down.status)
	require.NotEmpty(t, down.header.Get("Retry-After"))
	require.Empty(t, down.header.Get("WWW-Authenticate"))
	require.Equal(t, http.StatusServiceUnavailable, get(t, client.client, server.url+"/readyz", "").status)
	require.Equal(t, http.StatusOK, get(t, client.client, server.url+"/healthz", "").status)

	as.Handle(bindingtest.MetadataPaths, nil)
	require.Eventually(t, func() bool {
		return get(t, client.client, server.url+"/readyz", "").status == http.StatusOK
	}, 2*time.Minute, 20*time.Millisecond)
	require.Equal(t, http.StatusOK, get(t, client.client, server.url+"/whoami", boundTo(t, as, client)).status)
}

func TestStopsWithItsRequestsFinished(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no signal asks a process of Windows to stop")
	}
	as := newAuthorizationServer(t, bindingtest.Config{})
	client := newParty(t, as, "client")
	server := start(t, as, withTLS(t, as)...)
	require.Equal(t, http.StatusOK, get(t, client.client, server.url+"/whoami", boundTo(t, as, client)).status)

	// A new key is asked for by the request that needs it: when the question
	// comes, the request is under way.
	require.NoError(t, as.Rotate())
	asked, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	as.Handle(bindingtest.JWKSPath, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { close(asked) })
		select {
		case <-release:
			_, _ = w.Write(as.JWKS())
		case <-r.Context().Done():
		}
	}))
	waiting := make(chan answer, 1)
	authorization := boundTo(t, as, client)
	go func() {
		defer close(waiting) // also when get ends the goroutine
		waiting <- get(t, client.client, server.url+"/whoami", authorization)
	}()
	<-asked
	require.NoError(t, server.command.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool { return strings.Contains(server.log.String(), "stopping") }, time.Minute, 10*time.Millisecond)
	close(release)
	require.Equal(t, http.StatusOK, (<-waiting).status)
	_ = server.command.Wait()
	require.Zero(t, server.command.ProcessState.ExitCode(), server.log.String())
}

func TestEveryMistakeInTheFlagsIsNamed(t *testing.T) {
	t.Parallel()
	empty := writeFile(t, t.TempDir(), "empty.pem", nil)
	var stderr strings.Builder
	command := exec.Command(program,
		"-framework", "chi", "-listen", "8443", "-tls-cert", "cert.pem",
		"-jwks-url", "http://as.example/jwks", "-jwks-refresh", "10ms", "-typ", "logout+jwt",
		"-as-ca", empty, "-schemes", "Basic", "-policy", "none", "-scope", "", "-stop-delay", "soon",
		"-unheard-of", "value", "argument")
	command.Stderr = &stderr
	err := command.Run()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 2, exit.ExitCode())
	for _, flag := range []string{
		"-framework", "-listen", "-tls-key", "-issuer", "-audience", "-jwks-url", "-jwks-refresh",
		"-typ", "-as-ca", "-schemes", "-policy", "-scope", "-stop-delay", "-unheard-of",
	} {
		require.Contains(t, stderr.String(), flag)
	}
	require.NotContains(t, stderr.String(), "listening")
}

func TestAnEmptyOrMissingCAFileEndsTheServer(t *testing.T) { // attacks G/196
	t.Parallel()
	folder := t.TempDir()
	for name, file := range map[string]string{
		"missing":        folder + "/missing.pem",
		"empty":          writeFile(t, folder, "empty.pem", nil),
		"no certificate": writeFile(t, folder, "text.pem", []byte("not PEM")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			output, err := exec.Command(program, "-issuer", "https://as.example", "-audience", audience, "-as-ca", file).CombinedOutput()
			require.Error(t, err)
			require.Contains(t, string(output), "-as-ca")
		})
	}
}
