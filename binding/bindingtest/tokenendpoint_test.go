package bindingtest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// world is an authorization server with a client for each authentication
// method.
type world struct {
	as     *bindingtest.AuthorizationServer
	issued tls.Certificate // of pki-client
	own    tls.Certificate // of self-signed-client
	key    *ecdsa.PrivateKey
}

const secret = "s3cr3t: 100%+"

func newWorld(t *testing.T, config bindingtest.Config) world {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	own := selfSigned(t, "self-signed-client")
	scopes := []string{"accounts", "payments"}
	config.Clients = []bindingtest.Client{
		{ID: "pki-client", AuthMethod: bindingtest.TLSClientAuth, SubjectDN: "CN=pki-client", Scopes: scopes},
		{ID: "self-signed-client", AuthMethod: bindingtest.SelfSignedTLSClientAuth, Certificate: own.Leaf, Scopes: scopes},
		{ID: "secret client", AuthMethod: bindingtest.ClientSecretBasic, Secret: secret, Scopes: scopes},
		{ID: "jwt-client", AuthMethod: bindingtest.PrivateKeyJWT, PublicKey: key.Public(), Scopes: scopes},
	}
	as := newServer(t, config)
	return world{as: as, issued: clientCertificate(t, as, "pki-client"), own: own, key: key}
}

// ask sends a client_credentials request to the mTLS endpoint, with the
// certificate if there is one.
func (w world) ask(t *testing.T, form url.Values, certificates ...tls.Certificate) answer {
	t.Helper()
	return do(t, w.as.HTTPClient(certificates...), tokenRequest(t.Context(), t, w.as.MTLSURL(bindingtest.TokenPath), form))
}

func (w world) askBasic(t *testing.T, id, password string, form url.Values, certificates ...tls.Certificate) answer {
	t.Helper()
	request := tokenRequest(t.Context(), t, w.as.MTLSURL(bindingtest.TokenPath), form)
	request.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(password))
	return do(t, w.as.HTTPClient(certificates...), request)
}

func (w world) assertion(t *testing.T) string {
	t.Helper()
	assertion, err := w.as.ClientAssertion("jwt-client", w.key)
	require.NoError(t, err)
	return assertion
}

func clientForm(id string) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {id}}
}

func assertionForm(assertion string) url.Values {
	return url.Values{
		"grant_type":            {"client_credentials"},
		"client_assertion_type": {bindingtest.ClientAssertionType},
		"client_assertion":      {assertion},
	}
}

func plainForm() url.Values { return url.Values{"grant_type": {"client_credentials"}} }

func requireRefused(t *testing.T, got answer, status int, code string) {
	t.Helper()
	require.Equal(t, status, got.status)
	require.Equal(t, code, got.members(t)["error"])
	require.NotContains(t, got.members(t), "access_token")
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	require.NotContains(t, string(got.body), secret)
}

func TestEveryMethodGetsATokenBoundToTheCertificateOfTheConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{Clock: fixedClock})
	unrelated := selfSigned(t, "unrelated")
	for name, test := range map[string]struct {
		client      string
		certificate tls.Certificate
		ask         func(*testing.T, tls.Certificate) answer
	}{
		"tls_client_auth": {"pki-client", w.issued, func(t *testing.T, c tls.Certificate) answer {
			return w.ask(t, clientForm("pki-client"), c)
		}},
		"self_signed_tls_client_auth": {"self-signed-client", w.own, func(t *testing.T, c tls.Certificate) answer {
			return w.ask(t, clientForm("self-signed-client"), c)
		}},
		"client_secret_basic": {"secret client", unrelated, func(t *testing.T, c tls.Certificate) answer {
			return w.askBasic(t, "secret client", secret, plainForm(), c)
		}},
		"client_secret_basic with client_id": {"secret client", w.issued, func(t *testing.T, c tls.Certificate) answer {
			return w.askBasic(t, "secret client", secret, clientForm("secret client"), c)
		}},
		"private_key_jwt": {"jwt-client", unrelated, func(t *testing.T, c tls.Certificate) answer {
			return w.ask(t, assertionForm(w.assertion(t)), c)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := test.ask(t, test.certificate)
			require.Equal(t, http.StatusOK, got.status, "%s", got.body)
			require.Equal(t, "no-store", got.header.Get("Cache-Control"))
			require.Equal(t, "no-cache", got.header.Get("Pragma"))
			members := got.members(t)
			token := members["access_token"].(string)
			delete(members, "access_token")
			require.Equal(t, map[string]any{
				"token_type": "Bearer", "expires_in": 300.0, "scope": "accounts payments",
			}, members)
			claims := verify(t, w.as, token)
			require.NotEmpty(t, claims["jti"])
			delete(claims, "jti")
			require.Equal(t, map[string]any{
				"iss": w.as.Issuer(), "sub": test.client, "client_id": test.client, "aud": "https://api.example",
				"iat": at(0), "exp": at(5 * time.Minute), "scope": "accounts payments",
				"cnf": confirmation(test.certificate),
			}, claims)
		})
	}
}

func TestRenewedCertificateStillAuthenticatesAPKIClientOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	renewed, err := w.as.RenewClientCertificate(w.issued)
	require.NoError(t, err)
	got := w.ask(t, clientForm("pki-client"), renewed)
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, confirmation(renewed), verify(t, w.as, got.members(t)["access_token"].(string))["cnf"])

	renewed, err = bindingtest.RenewSelfSignedCertificate(w.own)
	require.NoError(t, err)
	requireRefused(t, w.ask(t, clientForm("self-signed-client"), renewed), http.StatusUnauthorized, "invalid_client")
}

func TestClientsThatDoNotAuthenticateAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	foreign := newServer(t, bindingtest.Config{})
	for name, test := range map[string]struct {
		form         url.Values
		certificates []tls.Certificate
	}{
		"no client at all":                            {plainForm(), []tls.Certificate{w.issued}},
		"unknown client":                              {clientForm("nobody"), []tls.Certificate{w.issued}},
		"tls_client_auth without a certificate":       {clientForm("pki-client"), nil},
		"tls_client_auth, another subject":            {clientForm("pki-client"), []tls.Certificate{clientCertificate(t, w.as, "other")}},
		"tls_client_auth, self-signed, right subject": {clientForm("pki-client"), []tls.Certificate{selfSigned(t, "pki-client")}},
		"tls_client_auth, another CA, right subject":  {clientForm("pki-client"), []tls.Certificate{clientCertificate(t, foreign, "pki-client")}},
		"tls_client_auth, the server's certificate":   {clientForm("pki-client"), []tls.Certificate{w.as.ServerCertificate()}},
		"self-signed without a certificate":           {clientForm("self-signed-client"), nil},
		"self-signed, another certificate":            {clientForm("self-signed-client"), []tls.Certificate{selfSigned(t, "self-signed-client")}},
		"client of another method: secret":            {clientForm("secret client"), []tls.Certificate{w.issued}},
		"client of another method: private_key_jwt":   {clientForm("jwt-client"), []tls.Certificate{w.issued}},
		"client_secret_post": {
			url.Values{"grant_type": {"client_credentials"}, "client_id": {"secret client"}, "client_secret": {secret}},
			[]tls.Certificate{w.issued},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, w.ask(t, test.form, test.certificates...), http.StatusUnauthorized, "invalid_client")
		})
	}
}

func TestSecretsThatAreWrongAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	for name, credentials := range map[string][2]string{
		"wrong secret":                  {"secret client", "wrong"},
		"empty secret":                  {"secret client", ""},
		"unknown client":                {"nobody", secret},
		"unknown client, empty secret":  {"nobody", ""},
		"client without a secret":       {"pki-client", ""},
		"client of another method, key": {"jwt-client", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := w.askBasic(t, credentials[0], credentials[1], plainForm(), w.issued)
			requireRefused(t, got, http.StatusUnauthorized, "invalid_client")
			require.Equal(t, `Basic realm="token endpoint"`, got.header.Get("WWW-Authenticate"))
		})
	}
	for name, values := range map[string][]string{
		"not form-encoded":    {"Basic c2VjcmV0IGNsaWVudDolenp6"}, // "secret client:%zzz"
		"another scheme":      {"Bearer abc"},
		"two Authorizations":  {"Basic YTpi", "Basic YTpi"},
		"empty Authorization": {""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := tokenRequest(t.Context(), t, w.as.MTLSURL(bindingtest.TokenPath), clientForm("pki-client"))
			request.Header["Authorization"] = values
			requireRefused(t, do(t, w.as.HTTPClient(w.issued), request), http.StatusUnauthorized, "invalid_client")
		})
	}
}

func TestNoTokenWithoutAClientCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	requireRefused(t, w.askBasic(t, "secret client", secret, plainForm()), http.StatusBadRequest, "invalid_request")
	requireRefused(t, w.ask(t, assertionForm(w.assertion(t))), http.StatusBadRequest, "invalid_request")

	// The plain endpoint asks for no certificate, so a client that has one gets
	// nothing there either.
	plain := tokenRequest(t.Context(), t, w.as.URL(bindingtest.TokenPath), clientForm("pki-client"))
	requireRefused(t, do(t, w.as.HTTPClient(w.issued), plain), http.StatusUnauthorized, "invalid_client")
	plain = tokenRequest(t.Context(), t, w.as.URL(bindingtest.TokenPath), plainForm())
	plain.SetBasicAuth(url.QueryEscape("secret client"), url.QueryEscape(secret))
	requireRefused(t, do(t, w.as.HTTPClient(w.issued), plain), http.StatusBadRequest, "invalid_request")
}

func TestRequestsThatAreWrongAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	with := func(name string, values ...string) url.Values {
		form := clientForm("pki-client")
		form[name] = values
		return form
	}
	for name, test := range map[string]struct {
		form url.Values
		code string
	}{
		"no grant_type":                   {url.Values{"client_id": {"pki-client"}}, "invalid_request"},
		"another grant_type":              {with("grant_type", "authorization_code"), "unsupported_grant_type"},
		"a parameter twice":               {with("scope", "accounts", "accounts"), "invalid_request"},
		"a scope that is not theirs":      {with("scope", "accounts admin"), "invalid_scope"},
		"a scope that is malformed":       {with("scope", "accounts  payments"), "invalid_scope"},
		"two methods":                     {url.Values{"client_secret": {"a"}, "client_assertion": {"b"}}, "invalid_request"},
		"another client_assertion_type":   {url.Values{"client_assertion_type": {"saml"}, "client_assertion": {"b"}}, "invalid_request"},
		"client_assertion of no type":     {url.Values{"client_assertion": {"b"}}, "invalid_request"},
		"a body over the limit":           {with("padding", strings.Repeat("a", 64<<10)), "invalid_request"},
		"client_id unlike the assertion":  {merge(assertionForm(w.assertion(t)), "client_id", "pki-client"), "invalid_request"},
		"client_secret and the assertion": {merge(assertionForm(w.assertion(t)), "client_secret", "x"), "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, w.ask(t, test.form, w.issued), http.StatusBadRequest, test.code)
		})
	}
	t.Run("client_id unlike the Authorization", func(t *testing.T) {
		t.Parallel()
		got := w.askBasic(t, "secret client", secret, clientForm("pki-client"), w.issued)
		requireRefused(t, got, http.StatusBadRequest, "invalid_request")
	})
	t.Run("parameters in the query", func(t *testing.T) {
		t.Parallel()
		request := tokenRequest(t.Context(), t, w.as.MTLSURL(bindingtest.TokenPath)+"?"+clientForm("pki-client").Encode(), nil)
		requireRefused(t, do(t, w.as.HTTPClient(w.issued), request), http.StatusUnauthorized, "invalid_client")
	})
	t.Run("a JSON body", func(t *testing.T) {
		t.Parallel()
		request := tokenRequest(t.Context(), t, w.as.MTLSURL(bindingtest.TokenPath), clientForm("pki-client"))
		request.Header.Set("Content-Type", "application/json")
		requireRefused(t, do(t, w.as.HTTPClient(w.issued), request), http.StatusBadRequest, "invalid_request")
	})
}

func merge(form url.Values, name, value string) url.Values {
	form.Set(name, value)
	return form
}

func TestScopesAreThoseAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	form := clientForm("pki-client")
	form.Set("scope", "payments payments")
	members := w.ask(t, form, w.issued).members(t)
	require.Equal(t, "payments", members["scope"])
	require.Equal(t, "payments", verify(t, w.as, members["access_token"].(string))["scope"])
}

func TestResponseTokenTypeIsWhatTheConfigSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{ResponseTokenType: "DPoP", Path: "/tenant1", Lifetime: time.Minute})
	members := w.ask(t, clientForm("pki-client"), w.issued).members(t)
	require.Equal(t, "DPoP", members["token_type"])
	require.InDelta(t, 60, members["expires_in"], 0)
	claims := verify(t, w.as, members["access_token"].(string))
	require.Equal(t, confirmation(w.issued), claims["cnf"], "the token is bound to the certificate all the same")
}
