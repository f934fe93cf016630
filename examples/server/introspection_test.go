package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// withIntrospection are the flags by which the server asks the authorization
// server, as a client that it knows by its certificate.
func withIntrospection(t *testing.T, as *bindingtest.AuthorizationServer, flags ...string) []string {
	t.Helper()
	require.NoError(t, as.AddClient(bindingtest.Client{ID: "api", AuthMethod: bindingtest.TLSClientAuth, SubjectDN: "CN=api"}))
	certificate, err := as.NewClientCertificate("api")
	require.NoError(t, err)
	folder := t.TempDir()
	return append(flags, "-introspection", "-client-id", "api",
		"-client-cert", writeFile(t, folder, "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})),
		"-client-key", writeFile(t, folder, "key.pem", keyPEM(t, certificate.PrivateKey)))
}

func keyPEM(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestIntrospectionBySecretAndAssertion(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	folder := t.TempDir()
	const secret = "a secret + of the API's"
	for name, row := range map[string]struct {
		client bindingtest.Client
		flags  []string
	}{
		"a secret": {
			bindingtest.Client{ID: "api", AuthMethod: bindingtest.ClientSecretBasic, Secret: secret},
			[]string{"-client-secret", writeFile(t, folder, "secret", []byte(secret+"\n"))},
		},
		"an assertion": {
			bindingtest.Client{ID: "api", AuthMethod: bindingtest.PrivateKeyJWT, PublicKey: key.Public()},
			[]string{"-client-signing-key", writeFile(t, folder, "signing.pem", keyPEM(t, key)), "-client-signing-kid", "one"},
		},
		"an assertion, the key as openssl ecparam writes it": {
			bindingtest.Client{ID: "api", AuthMethod: bindingtest.PrivateKeyJWT, PublicKey: key.Public()},
			[]string{"-client-signing-key", writeFile(t, folder, "ec.pem", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			as := newAuthorizationServer(t, bindingtest.Config{})
			require.NoError(t, as.AddClient(row.client))
			server := start(t, as, withTLS(t, as, append(row.flags, "-introspection", "-client-id", "api")...)...)
			client := newParty(t, as, "client")
			token, err := as.OpaqueToken(bindingtest.TokenSpec{ClientID: "client", Certificate: client.certificate.Leaf})
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, get(t, client.client, server.url+"/whoami", "Bearer "+token).status, server.log)
			require.Zero(t, server.stop(t))
			require.NotContains(t, server.log.String(), "secret", "it is in the log")
		})
	}
}

func TestOpaqueTokensInEveryFramework(t *testing.T) {
	t.Parallel()
	for _, framework := range []string{"nethttp", "echo", "gin"} {
		t.Run(framework, func(t *testing.T) {
			t.Parallel()
			as := newAuthorizationServer(t, bindingtest.Config{})
			server := start(t, as, withTLS(t, as, withIntrospection(t, as, "-framework", framework)...)...)
			client, thief := newParty(t, as, "client"), newParty(t, as, "thief")
			token, err := as.OpaqueToken(bindingtest.TokenSpec{
				ClientID: "client", Scopes: []string{"payments"}, Certificate: client.certificate.Leaf})
			require.NoError(t, err)

			who := get(t, client.client, server.url+"/whoami", "Bearer "+token)
			require.Equal(t, http.StatusOK, who.status, server.log)
			require.Equal(t, bindingtest.Thumbprint(client.certificate.Leaf), who.body["x5t#S256"])
			require.Equal(t, http.StatusOK, get(t, client.client, server.url+"/payments", "Bearer "+token).status)
			require.Equal(t, http.StatusOK, get(t, client.client, server.url+"/whoami", boundTo(t, as, client)).status, "a JWT")

			// What a thief learns of a stolen token is what anybody learns of one
			// that never was.
			stolen := get(t, thief.client, server.url+"/whoami", "Bearer "+token)
			unknown := get(t, thief.client, server.url+"/whoami", "Bearer "+strings.Repeat("x", len(token)))
			require.Equal(t, http.StatusUnauthorized, stolen.status)
			require.Equal(t, unknown.status, stolen.status)
			require.Equal(t, unknown.header.Get("WWW-Authenticate"), stolen.header.Get("WWW-Authenticate"))
			require.Equal(t, unknown.body, stolen.body)
			require.Equal(t, http.StatusOK, get(t, as.HTTPClient(), server.url+"/readyz", "").status)

			require.Zero(t, server.stop(t))
			require.Contains(t, server.log.String(), "reason=thumbprint_mismatch")
			require.Contains(t, server.log.String(), "reason=token_inactive")
			require.NotContains(t, server.log.String(), token, "a token is in the log")
		})
	}
}

func TestWithoutIntrospectionNothingIsAsked(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{})
	server := start(t, as, withTLS(t, as)...)
	client := newParty(t, as, "client")
	token, err := as.OpaqueToken(bindingtest.TokenSpec{Certificate: client.certificate.Leaf})
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, get(t, client.client, server.url+"/whoami", "Bearer "+token).status)
	require.Zero(t, as.Requests(bindingtest.IntrospectionPath))
}

func TestIntrospectionNeedsACertificateAndAName(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ flags, named []string }{
		"nothing else":          {[]string{"-introspection"}, []string{"-client-id", "-client-cert"}},
		"no such file":          {[]string{"-introspection", "-client-id", "api", "-client-cert", "missing", "-client-key", "missing"}, []string{"-client-cert"}},
		"a client and no asker": {[]string{"-client-id", "api"}, []string{"-introspection"}},
		"a secret and no asker": {[]string{"-client-secret", "file"}, []string{"-introspection"}},
		"about JWTs, no asker":  {[]string{"-introspect-jwts-without-audience"}, []string{"-introspection"}},
		"no secret there":       {[]string{"-introspection", "-client-id", "api", "-client-secret", "missing"}, []string{"-client-secret"}},
		"no key there":          {[]string{"-introspection", "-client-id", "api", "-client-signing-key", "main.go"}, []string{"-client-signing-key"}},
		"both":                  {[]string{"-introspection", "-client-id", "api", "-client-signing-key", "main.go", "-client-secret", "main.go"}, []string{"only one"}},
		"a kid and no key":      {[]string{"-introspection", "-client-id", "api", "-client-secret", "main.go", "-client-signing-kid", "one"}, []string{"SigningKeyID"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"-issuer", "https://as.example", "-audience", audience}, row.flags...)
			output, err := exec.Command(program, args...).CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, 2, exit.ExitCode())
			for _, flag := range row.named {
				require.Contains(t, string(output), flag)
			}
		})
	}
}

func TestResourceMetadataSaysWhatIsEnforced(t *testing.T) {
	t.Parallel()
	for policy, bound := range map[string]bool{"require": true, "if-bound": false} {
		for _, framework := range []string{"nethttp", "echo", "gin"} {
			t.Run(policy+" "+framework, func(t *testing.T) {
				t.Parallel()
				as := newAuthorizationServer(t, bindingtest.Config{})
				server := start(t, as, withTLS(t, as, "-policy", policy, "-framework", framework)...)
				said := get(t, as.HTTPClient(), server.url+"/.well-known/oauth-protected-resource", "")
				require.Equal(t, http.StatusOK, said.status)
				require.Equal(t, map[string]any{
					"resource":                                   audience,
					"authorization_servers":                      []any{as.Issuer()},
					"scopes_supported":                           []any{"payments"},
					"bearer_methods_supported":                   []any{"header"},
					"tls_client_certificate_bound_access_tokens": bound,
				}, said.body)
			})
		}
	}
}
