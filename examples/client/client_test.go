package main_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

func TestEachAuthenticationGetsATokenBoundToTheCertificate(t *testing.T) {
	t.Parallel()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ed25519Public, ed25519Key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	selfSigned, err := bindingtest.NewSelfSignedCertificate(clientID)
	require.NoError(t, err)
	sec1, err := x509.MarshalECPrivateKey(p256)
	require.NoError(t, err)
	file := func(name string, content []byte) string {
		path := filepath.Join(t.TempDir(), name)
		writeFile(t, path, content)
		return path
	}
	assertion := func(public crypto.PublicKey) bindingtest.Client {
		return bindingtest.Client{AuthMethod: bindingtest.PrivateKeyJWT, PublicKey: public}
	}
	for name, c := range map[string]struct {
		client bindingtest.Client
		flags  []string
	}{
		"tls_client_auth": {
			bindingtest.Client{AuthMethod: bindingtest.TLSClientAuth, SubjectDN: "CN=" + clientID},
			nil, // the default
		},
		"self_signed_tls_client_auth": {
			bindingtest.Client{AuthMethod: bindingtest.SelfSignedTLSClientAuth, Certificate: selfSigned.Leaf},
			[]string{"-auth", "self_signed_tls_client_auth"},
		},
		"private_key_jwt, P-256": {
			assertion(p256.Public()), []string{"-auth", "private_key_jwt", "-assertion-key", file("p256.pem", keyPEM(t, p256))},
		},
		"private_key_jwt, P-256 in SEC 1": {
			assertion(p256.Public()), []string{
				"-auth", "private_key_jwt", "-assertion-kid", "key-1",
				"-assertion-key", file("sec1.pem", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})),
			},
		},
		"private_key_jwt, RSA": {
			assertion(rsaKey.Public()), []string{"-auth", "private_key_jwt", "-assertion-key", file("rsa.pem", keyPEM(t, rsaKey))},
		},
		"private_key_jwt, RSA in PKCS #1": {
			assertion(rsaKey.Public()), []string{
				"-auth", "private_key_jwt",
				"-assertion-key", file("pkcs1.pem", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)})),
			},
		},
		"private_key_jwt, Ed25519": {
			assertion(ed25519Public), []string{"-auth", "private_key_jwt", "-assertion-key", file("ed25519.pem", keyPEM(t, ed25519Key))},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.client.ID, c.client.Scopes = clientID, []string{"accounts", "payments"}
			as := newAuthorizationServer(t, bindingtest.Config{Clients: []bindingtest.Client{c.client}})
			certificate := newCertificate(t, as)
			if c.client.Certificate != nil {
				certificate = selfSigned
			}
			a := newAPI(t, as, binding.Config{Scopes: []string{"accounts"}})
			done := runClient(t, newFiles(t, as, certificate).flags(as, a, append(c.flags, "-scope", "accounts")...)...)
			require.Zero(t, done.status, done.stderr)
			require.Empty(t, done.stderr)
			require.Contains(t, done.stdout, "-> 200 OK\nthe accounts of "+clientID)
			require.Contains(t, done.stdout, "certificate "+bindingtest.Thumbprint(certificate.Leaf))
			require.Len(t, a.accepted(), 1)
			require.Equal(t, bindingtest.Thumbprint(certificate.Leaf), a.accepted()[0].thumbprint)
		})
	}
}

// RFC 8705 §5: an alias where there is one, the endpoint itself where not.
func TestEndpointsWithAndWithoutAnAlias(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(as *bindingtest.AuthorizationServer, document map[string]any)
		want   func(as *bindingtest.AuthorizationServer) []string
	}{
		"the token endpoint has one, PAR has none": {
			func(as *bindingtest.AuthorizationServer, document map[string]any) {
				document["pushed_authorization_request_endpoint"] = as.Issuer() + "/par"
			},
			func(as *bindingtest.AuthorizationServer) []string {
				return []string{
					"token_endpoint " + as.MTLSURL(bindingtest.TokenPath) + " (its mTLS alias)",
					"pushed_authorization_request_endpoint " + as.Issuer() + "/par (itself: it has no mTLS alias)",
				}
			},
		},
		"no endpoint has one": {
			func(as *bindingtest.AuthorizationServer, document map[string]any) {
				delete(document, "mtls_endpoint_aliases")
				document["token_endpoint"] = as.MTLSURL(bindingtest.TokenPath)
			},
			func(as *bindingtest.AuthorizationServer) []string {
				return []string{"token_endpoint " + as.MTLSURL(bindingtest.TokenPath) + " (itself: it has no mTLS alias)"}
			},
		},
		"PAR alone has one": {
			func(as *bindingtest.AuthorizationServer, document map[string]any) {
				document["token_endpoint"] = as.MTLSURL(bindingtest.TokenPath)
				document["pushed_authorization_request_endpoint"] = as.Issuer() + "/par"
				document["mtls_endpoint_aliases"] = map[string]any{
					"pushed_authorization_request_endpoint": as.Issuer() + "/mtls/par",
				}
			},
			func(as *bindingtest.AuthorizationServer) []string {
				return []string{
					"token_endpoint " + as.MTLSURL(bindingtest.TokenPath) + " (itself: it has no mTLS alias)",
					"pushed_authorization_request_endpoint " + as.Issuer() + "/mtls/par (its mTLS alias)",
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			as := newAuthorizationServer(t, bindingtest.Config{Clients: byItsSubject()})
			document := as.Metadata()
			c.change(as, document)
			as.Handle(bindingtest.MetadataPaths, respondJSON(t, document))
			a := newAPI(t, as, binding.Config{})
			done := runClient(t, newFiles(t, as, newCertificate(t, as)).flags(as, a)...)
			require.Zero(t, done.status, done.stderr)
			for _, line := range c.want(as) {
				require.Contains(t, done.stdout, line+"\n")
			}
		})
	}
}

func TestMetadataThatPromisesLessIsSaidLoudly(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{Clients: byItsSubject(), Metadata: map[string]any{
		"tls_client_certificate_bound_access_tokens": nil,
		"token_endpoint_auth_methods_supported":      []string{"client_secret_basic"},
	}})
	a := newAPI(t, as, binding.Config{})
	done := runClient(t, newFiles(t, as, newCertificate(t, as)).flags(as, a)...)
	require.Zero(t, done.status, done.stderr)
	require.Contains(t, done.stderr, "does not say that it binds tokens")
	require.Contains(t, done.stderr, "does not say that it knows tls_client_auth")
}

func TestAnIssuerThatAnswersDPoP(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flags  []string
		accept bool // the API's AcceptDPoPScheme
		scheme string
		status int
	}{
		"Bearer, to any API":                          {nil, false, "Bearer ", 0},
		"Bearer, to an API that takes either":         {nil, true, "Bearer ", 0},
		"what token_type said, to such an API":        {[]string{"-scheme", "DPoP"}, true, "DPoP ", 0},
		"what token_type said, to an API as it comes": {[]string{"-scheme", "DPoP"}, false, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			as := newAuthorizationServer(t, bindingtest.Config{Clients: byItsSubject(), ResponseTokenType: "DPoP"})
			a := newAPI(t, as, binding.Config{AcceptDPoPScheme: c.accept})
			done := runClient(t, newFiles(t, as, newCertificate(t, as)).flags(as, a, c.flags...)...)
			require.Equal(t, c.status, done.status, done.stderr)
			if c.status != 0 {
				require.Contains(t, done.stderr, "the API answered 401 Unauthorized Bearer")
				require.Empty(t, a.accepted())
				return
			}
			require.Len(t, a.accepted(), 1)
			require.Contains(t, a.accepted()[0].token, c.scheme)
		})
	}
}

// The kit's authorization server takes an assertion once.
func TestEachTokenRequestHasAnAssertionOfItsOwn(t *testing.T) {
	t.Parallel()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	as := newAuthorizationServer(t, bindingtest.Config{
		Lifetime: time.Second, // x/oauth2 takes such a token for expired at once
		Clients:  []bindingtest.Client{{ID: clientID, AuthMethod: bindingtest.PrivateKeyJWT, PublicKey: key.Public()}},
	})
	a := newAPI(t, as, binding.Config{})
	file := filepath.Join(t.TempDir(), "assertion.pem")
	writeFile(t, file, keyPEM(t, key))
	p := startClient(t, newFiles(t, as, newCertificate(t, as)).flags(as, a,
		"-auth", "private_key_jwt", "-assertion-key", file, "-every", "1ms")...)
	require.Eventually(t, func() bool { return len(a.accepted()) >= 3 }, time.Minute, time.Millisecond, p.stderr.String())
	done := p.stop(t)
	require.Zero(t, done.status, done.stderr)
	require.Empty(t, done.stderr)
	calls := a.accepted()
	require.NotEqual(t, calls[0].token, calls[1].token)
	require.NotEqual(t, calls[1].token, calls[2].token)
}

func TestParametersReachTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{Clients: byItsSubject()})
	asked := make(chan []string, 1)
	endpoint := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		asked <- r.PostForm["resource"]
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_target"}`))
	}))
	endpoint.TLS = binding.TLSConfig(nil)
	endpoint.TLS.Certificates = append(endpoint.TLS.Certificates, as.ServerCertificate())
	endpoint.StartTLS()
	t.Cleanup(endpoint.Close)
	document := as.Metadata()
	document["mtls_endpoint_aliases"] = map[string]any{"token_endpoint": endpoint.URL}
	as.Handle(bindingtest.MetadataPaths, respondJSON(t, document))
	a := newAPI(t, as, binding.Config{})
	done := runClient(t, newFiles(t, as, newCertificate(t, as)).flags(as, a,
		"-param", "resource=https://one.example", "-param", "resource=https://two.example?a=b")...)
	require.Equal(t, 1, done.status)
	require.Contains(t, done.stderr, "invalid_target")
	require.Equal(t, []string{"https://one.example", "https://two.example?a=b"}, <-asked)
}

// x/oauth2 adds the token to whatever request it is given: a redirect would
// carry it to another server.
func TestATokenGoesNowhereElse(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{Clients: byItsSubject()})
	var asked atomic.Int64
	newServer := func(handler http.HandlerFunc) *httptest.Server {
		server := httptest.NewUnstartedServer(handler)
		server.TLS = binding.TLSConfig(nil)
		server.TLS.Certificates = append(server.TLS.Certificates, as.ServerCertificate())
		server.StartTLS()
		t.Cleanup(server.Close)
		return server
	}
	elsewhere := newServer(func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	redirecting := newServer(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	done := runClient(t, newFiles(t, as, newCertificate(t, as)).flags(as, &api{url: redirecting.URL})...)
	require.Equal(t, 1, done.status)
	require.Contains(t, done.stderr, "answered 307")
	require.Zero(t, asked.Load())
}

func TestAnIssuerThatIsDown(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{Clients: byItsSubject()})
	f := newFiles(t, as, newCertificate(t, as))
	as.Close()
	done := runClient(t, f.flags(as, &api{url: "https://127.0.0.1:1"})...)
	require.Equal(t, 1, done.status)
	require.Contains(t, done.stderr, "/.well-known/oauth-authorization-server")
}

func TestEveryMistakeInTheFlagsIsNamed(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	writeFile(t, empty, nil)
	for name, c := range map[string]struct{ flags, named []string }{
		"nothing": {nil, []string{"-issuer", "-client-id", "-cert and -key", "-url"}},
		"everything": {
			[]string{
				"-auth", "client_secret_basic", "-cert", empty, "-key", empty, "-url", "http://api.example",
				"-scheme", "Basic", "-every", "-1s", "-ca", empty, "-assertion-key", empty,
				"-param", "nothing", "-param", "client_secret=hidden", "-unheard-of", "value", "argument",
			},
			[]string{
				"-issuer", "-client-id", "-auth", "-cert, -key", "-url", "-scheme", "-every", "-ca", "-assertion-key",
				"-param", "-unheard-of",
			},
		},
		"an assertion without a key":     {[]string{"-auth", "private_key_jwt"}, []string{"-assertion-key: required"}},
		"an assertion key without a key": {[]string{"-auth", "private_key_jwt", "-assertion-key", empty}, []string{"-assertion-key", "no PEM block"}},
		"a duration that is none":        {[]string{"-every", "often"}, []string{"-every", "-issuer"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			done := runClient(t, c.flags...)
			require.Equal(t, 2, done.status)
			for _, flag := range c.named {
				require.Contains(t, done.stderr, flag)
			}
			require.NotContains(t, done.stderr, "hidden")
			require.Empty(t, done.stdout)
		})
	}
}
