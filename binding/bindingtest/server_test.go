package bindingtest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/certbound/certbound/binding/bindingtest"
)

func TestMetadataIsServedByBothPathRules(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ path, issuer, oauth, openID string }{
		"issuer without a path":     {"", "", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"},
		"issuer that is a slash":    {"/", "/", "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"},
		"issuer with a path":        {"/tenant1", "/tenant1", "/.well-known/oauth-authorization-server/tenant1", "/tenant1/.well-known/openid-configuration"},
		"path of two segments":      {"/realms/bank", "/realms/bank", "/.well-known/oauth-authorization-server/realms/bank", "/realms/bank/.well-known/openid-configuration"},
		"path that ends in a slash": {"/tenant1/", "/tenant1/", "/.well-known/oauth-authorization-server/tenant1", "/tenant1/.well-known/openid-configuration"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			as := newServer(t, bindingtest.Config{Path: test.path})
			issuer, err := url.Parse(as.Issuer())
			require.NoError(t, err)
			require.Equal(t, "https", issuer.Scheme)
			require.Equal(t, "127.0.0.1", issuer.Hostname())
			base := "https://" + issuer.Host
			require.Equal(t, base+test.issuer, as.Issuer())
			require.Equal(t, base+test.oauth, as.URL(bindingtest.OAuthMetadataPath))
			require.Equal(t, base+test.openID, as.URL(bindingtest.OpenIDMetadataPath))

			for _, address := range []string{as.URL(bindingtest.OAuthMetadataPath), as.URL(bindingtest.OpenIDMetadataPath)} {
				answer := get(t, as.HTTPClient(), address)
				require.Equal(t, http.StatusOK, answer.status)
				require.Equal(t, "application/json", answer.header.Get("Content-Type"))
				metadata := answer.members(t)
				require.Equal(t, as.Issuer(), metadata["issuer"])
				require.Equal(t, as.URL(bindingtest.JWKSPath), metadata["jwks_uri"])
				require.Equal(t, as.URL(bindingtest.TokenPath), metadata["token_endpoint"])
				require.Equal(t, true, metadata["tls_client_certificate_bound_access_tokens"])
				require.Contains(t, metadata["dpop_signing_alg_values_supported"], "ES256")
				require.NotContains(t, metadata["dpop_signing_alg_values_supported"], "none")
				require.Equal(t, as.URL(bindingtest.IntrospectionPath), metadata["introspection_endpoint"])
				require.Equal(t, map[string]any{
					"token_endpoint":         as.MTLSURL(bindingtest.TokenPath),
					"introspection_endpoint": as.MTLSURL(bindingtest.IntrospectionPath),
				}, metadata["mtls_endpoint_aliases"])
				require.Equal(t, []any{"client_credentials"}, metadata["grant_types_supported"])
				require.Equal(t, []any{"public"}, metadata["subject_types_supported"])
				require.Equal(t, []any{"ES256"}, metadata["id_token_signing_alg_values_supported"])
				require.Contains(t, metadata, "response_types_supported")
				require.Equal(t, []any{
					"tls_client_auth", "self_signed_tls_client_auth", "client_secret_basic", "private_key_jwt",
				}, metadata["token_endpoint_auth_methods_supported"])
			}
			require.Equal(t, 2, as.Requests(bindingtest.MetadataPaths))
			alias, err := url.Parse(as.MTLSURL(bindingtest.TokenPath))
			require.NoError(t, err)
			require.NotEqual(t, issuer.Host, alias.Host, "the two are sockets of their own")
			require.Equal(t, "127.0.0.1", alias.Hostname())
		})
	}
}

func TestConfigMetadataAmendsWhatIsPublished(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{Metadata: map[string]any{
		"issuer": "https://another.example", "jwks_uri": nil, "scopes_supported": []string{"a"},
	}})
	metadata := get(t, as.HTTPClient(), as.URL(bindingtest.OAuthMetadataPath)).members(t)
	require.Equal(t, "https://another.example", metadata["issuer"])
	require.NotContains(t, metadata, "jwks_uri")
	require.Equal(t, []any{"a"}, metadata["scopes_supported"])
}

func TestHandlersReplaceAnswersAndGiveThemBack(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	client := as.HTTPClient()
	fault := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	hangUp := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })

	as.Handle(bindingtest.MetadataPaths, fault)
	require.Equal(t, http.StatusTeapot, get(t, client, as.URL(bindingtest.OAuthMetadataPath)).status)
	require.Equal(t, http.StatusTeapot, get(t, client, as.URL(bindingtest.OpenIDMetadataPath)).status)
	as.Handle(bindingtest.MetadataPaths, nil)
	require.Equal(t, http.StatusOK, get(t, client, as.URL(bindingtest.OAuthMetadataPath)).status)
	require.Equal(t, 3, as.Requests(bindingtest.MetadataPaths))

	as.Handle(bindingtest.JWKSPath, fault)
	require.Equal(t, http.StatusTeapot, get(t, client, as.URL(bindingtest.JWKSPath)).status)
	as.Handle(bindingtest.JWKSPath, hangUp)
	transport := as.Transport()
	transport.DisableKeepAlives = true // a connection that was used before is tried twice
	response, err := (&http.Client{Transport: transport}).Get(as.URL(bindingtest.JWKSPath))
	if err == nil {
		_ = response.Body.Close()
	}
	require.Error(t, err)
	as.Handle(bindingtest.JWKSPath, nil)
	require.Equal(t, http.StatusOK, get(t, client, as.URL(bindingtest.JWKSPath)).status)
	require.Equal(t, 3, as.Requests(bindingtest.JWKSPath))

	as.Handle("/elsewhere", fault)
	require.Equal(t, http.StatusTeapot, get(t, client, as.URL("/elsewhere")).status)
	as.Handle(bindingtest.OpenIDMetadataPath, hangUp)
	as.Handle(bindingtest.MetadataPaths, fault)
	as.Handle(bindingtest.OAuthMetadataPath, http.NotFoundHandler())
	require.Equal(t, http.StatusNotFound, get(t, client, as.URL(bindingtest.OAuthMetadataPath)).status, "the longest path holds")
}

func TestConfigMistakesAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{
		Path:      "tenant1",
		Algorithm: "HS256",
		Origin:    "https://api.example/",
		Port:      65535,
		Lifetime:  -time.Minute,
		Clients: []bindingtest.Client{
			{},
			{ID: "a", AuthMethod: bindingtest.TLSClientAuth},
			{ID: "b", AuthMethod: bindingtest.SelfSignedTLSClientAuth},
			{ID: "c", AuthMethod: bindingtest.ClientSecretBasic},
			{ID: "d", AuthMethod: bindingtest.PrivateKeyJWT, PublicKey: []byte("a symmetric key")},
			{ID: "a", AuthMethod: bindingtest.ClientSecretBasic, Secret: "do-not-print", Scopes: []string{"two words"}},
		},
	})
	require.Nil(t, as)
	for _, mistake := range []string{
		"Path:", "Algorithm:", "Origin:", "Port:", "Lifetime:", "Clients[0]: ID: required", "AuthMethod: must be", "Clients[1]: SubjectDN:",
		"Clients[2]: Certificate:", "Clients[3]: Secret:", "Clients[4]: PublicKey:", "Clients[5]: Scopes:",
		`Clients[5]: ID: "a" is registered twice`,
	} {
		require.ErrorContains(t, err, mistake)
	}
	require.NotContains(t, err.Error(), "do-not-print")
	require.NotContains(t, err.Error(), "a symmetric key")
}

func TestAChosenPortIsTheIssuers(t *testing.T) {
	t.Parallel()
	var as *bindingtest.AuthorizationServer
	var port int
	for range 20 { // another program may take what was free for a moment
		free, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		port = min(free.Addr().(*net.TCPAddr).Port, 65534)
		require.NoError(t, free.Close())
		if as, err = bindingtest.NewAuthorizationServer(bindingtest.Config{Port: port}); err == nil {
			break
		}
	}
	require.NotNil(t, as)
	defer as.Close()
	require.Equal(t, fmt.Sprintf("https://127.0.0.1:%d", port), as.Issuer())
	require.Equal(t, fmt.Sprintf("https://127.0.0.1:%d%s", port+1, bindingtest.TokenPath), as.MTLSURL(bindingtest.TokenPath))

	_, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Port: port})
	require.ErrorContains(t, err, "bindingtest:", "somebody else listens there")
}

func TestPathsThatAreNoIssuerPathAreRefused(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"tenant", "//", "/a//b", "/a?b", "/a#b", "/a b", "/%41", "/../a", "/a/.", "/{x}", "/a\n"} {
		_, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Path: path})
		require.ErrorContains(t, err, "Path:", "%q", path)
	}
}

func TestValuesWithoutAJSONFormAreRefused(t *testing.T) {
	t.Parallel()
	bad := map[string]any{"x": make(chan int)}
	for name, config := range map[string]bindingtest.Config{
		"metadata": {Metadata: bad}, "claims": {Claims: bad}, "header": {Header: bad},
	} {
		_, err := bindingtest.NewAuthorizationServer(config)
		require.Error(t, err, name)
	}
}

func TestAddClient(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	client := bindingtest.Client{ID: "a", AuthMethod: bindingtest.ClientSecretBasic, Secret: "s"}
	require.NoError(t, as.AddClient(client))
	require.ErrorContains(t, as.AddClient(client), "taken")
	require.ErrorContains(t, as.AddClient(bindingtest.Client{ID: "b"}), "AuthMethod")
}

func TestOtherPathsAndMethodsAreNotServed(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{Path: "/tenant1"})
	client := as.HTTPClient()
	base := strings.TrimSuffix(as.Issuer(), "/tenant1")
	require.Equal(t, http.StatusNotFound, get(t, client, base+"/.well-known/oauth-authorization-server").status)
	require.Equal(t, http.StatusNotFound, get(t, client, base+"/.well-known/openid-configuration/tenant1").status)
	require.Equal(t, http.StatusNotFound, get(t, client, base+"/jwks").status)
	require.Equal(t, http.StatusMethodNotAllowed, get(t, client, as.URL(bindingtest.TokenPath)).status)
	require.Equal(t, http.StatusMethodNotAllowed, get(t, client, as.MTLSURL(bindingtest.TokenPath)).status)
}

func TestServerIsTrustedThroughItsOwnRootOnly(t *testing.T) {
	t.Parallel()
	as, another := newServer(t, bindingtest.Config{}), newServer(t, bindingtest.Config{})
	response, err := another.HTTPClient().Get(as.URL(bindingtest.OAuthMetadataPath))
	if err == nil {
		_ = response.Body.Close()
	}
	var untrusted *tls.CertificateVerificationError
	require.ErrorAs(t, err, &untrusted)
	require.NotSame(t, as.Transport(), as.Transport())
}

func TestProtectedAPIUsesTheServerCertificate(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	api := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(bindingtest.Thumbprint(r.TLS.PeerCertificates[0])))
	}))
	// The API names a CA that issued neither certificate; HTTPClient presents
	// them all the same.
	api.TLS = &tls.Config{
		Certificates: []tls.Certificate{as.ServerCertificate()},
		ClientAuth:   tls.RequestClientCert,
		ClientCAs:    as.RootCAs(),
	}
	api.StartTLS()
	t.Cleanup(api.Close)
	for _, certificate := range []tls.Certificate{clientCertificate(t, as, "client-1"), selfSigned(t, "client-2")} {
		body := get(t, as.HTTPClient(certificate), api.URL).body
		require.Equal(t, bindingtest.Thumbprint(certificate.Leaf), string(body))
	}
	// localhost and ::1 are names of the certificate too.
	leaf := as.ServerCertificate().Leaf
	require.NoError(t, leaf.VerifyHostname("localhost"))
	require.NoError(t, leaf.VerifyHostname("[::1]"))
}

func TestHTTPClientPresentsTheCertificateThatTheServerTakes(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	api := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.TLS.PeerCertificates[0].Subject.CommonName))
	}))
	api.TLS = &tls.Config{
		Certificates: []tls.Certificate{as.ServerCertificate()},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    as.ClientCAs(),
	}
	api.StartTLS()
	t.Cleanup(api.Close)
	client := as.HTTPClient(selfSigned(t, "self-signed"), clientCertificate(t, as, "issued"))
	require.Equal(t, "issued", string(get(t, client, api.URL).body))
}

// Not parallel: it looks at every goroutine there is.
func TestCloseLeavesNoGoroutine(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Clients: []bindingtest.Client{
		{ID: "a", AuthMethod: bindingtest.PrivateKeyJWT, PublicKey: key.Public()},
	}})
	require.NoError(t, err)
	certificate := clientCertificate(t, as, "a")
	require.Equal(t, http.StatusOK, get(t, as.HTTPClient(), as.URL(bindingtest.OAuthMetadataPath)).status)
	require.Equal(t, http.StatusOK, get(t, as.HTTPClient(certificate), as.URL(bindingtest.JWKSPath)).status)
	assertion, err := as.ClientAssertion("a", key)
	require.NoError(t, err)
	form := assertionForm(assertion)
	require.Equal(t, http.StatusOK,
		do(t, as.HTTPClient(certificate), tokenRequest(t.Context(), t, as.MTLSURL(bindingtest.TokenPath), form)).status)

	// One request is still being answered when the server closes.
	entered, ended := make(chan struct{}), make(chan error)
	var returned atomic.Bool
	as.Handle(bindingtest.JWKSPath, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		returned.Store(true)
	}))
	client, address := as.HTTPClient(), as.URL(bindingtest.JWKSPath)
	go func() {
		response, err := client.Get(address)
		if err == nil {
			_ = response.Body.Close()
		}
		ended <- err
	}()
	<-entered
	as.Close()
	require.True(t, returned.Load(), "Close waits for its handlers")
	require.Error(t, <-ended)
	as.Close()
	goleak.VerifyNone(t, ignore)

	_, err = as.Token(bindingtest.TokenSpec{})
	require.NoError(t, err, "tokens can be signed while the authorization server is away")
	_, err = as.Transport().RoundTrip(httptest.NewRequest(http.MethodGet, as.URL(bindingtest.JWKSPath), nil))
	require.Error(t, err)
}

func TestCloseEndsIdleConnectionsToOtherServers(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	closed := make(chan struct{})
	api := httptest.NewUnstartedServer(http.NotFoundHandler())
	api.TLS = &tls.Config{Certificates: []tls.Certificate{as.ServerCertificate()}}
	api.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			close(closed)
		}
	}
	api.StartTLS()
	t.Cleanup(api.Close)
	require.Equal(t, http.StatusNotFound, get(t, as.HTTPClient(), api.URL).status)
	as.Close()
	<-closed
}
