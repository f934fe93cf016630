package bindingtest_test

import (
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

func opaqueToken(t *testing.T, as *bindingtest.AuthorizationServer, spec bindingtest.TokenSpec) string {
	t.Helper()
	token, err := as.OpaqueToken(spec)
	require.NoError(t, err)
	return token
}

// introspect asks as "secret client".
func (w world) introspect(t *testing.T, form url.Values) answer {
	t.Helper()
	request := tokenRequest(t.Context(), t, w.as.MTLSURL(bindingtest.IntrospectionPath), form)
	request.SetBasicAuth(url.QueryEscape("secret client"), url.QueryEscape(secret))
	return do(t, w.as.HTTPClient(), request)
}

func TestIntrospectionTellsWhatATokenIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{Clock: fixedClock, Path: "/tenant1", ResponseTokenType: "DPoP"})
	token := opaqueToken(t, w.as, bindingtest.TokenSpec{
		ClientID: "app", Scopes: []string{"accounts"}, Certificate: w.own.Leaf,
		Claims: map[string]any{"username": "alice", "jti": nil},
	})
	got := w.introspect(t, url.Values{"token": {token}, "token_type_hint": {"access_token"}})
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	require.Equal(t, map[string]any{
		"active": true, "token_type": "DPoP", "iss": w.as.Issuer(), "sub": "app", "client_id": "app", "username": "alice",
		"aud": "https://api.example", "iat": at(0), "exp": at(5 * time.Minute), "scope": "accounts", "cnf": confirmation(w.own),
	}, got.members(t))
	require.NotContains(t, token, ".")
	require.NotEqual(t, token, opaqueToken(t, w.as, bindingtest.TokenSpec{}))
}

func TestIntrospectionOfTokensThatAreNotActive(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	w := newWorld(t, bindingtest.Config{Clock: func() time.Time { return time.Unix(1_700_000_000+now.Load(), 0) }})
	revoked, expires := opaqueToken(t, w.as, bindingtest.TokenSpec{}), opaqueToken(t, w.as, bindingtest.TokenSpec{})
	expired := opaqueToken(t, w.as, bindingtest.TokenSpec{ExpiresIn: -time.Minute})
	w.as.RevokeToken(revoked)
	w.as.RevokeToken("unknown")
	inactive := func(token string) {
		t.Helper()
		got := w.introspect(t, url.Values{"token": {token}})
		require.Equal(t, http.StatusOK, got.status)
		require.JSONEq(t, `{"active":false}`, string(got.body))
	}
	inactive(revoked)
	inactive(expired)
	inactive("unknown")
	now.Store(300)
	require.Equal(t, true, w.as.Introspection(expires)["active"])
	now.Store(301)
	inactive(expires)
}

func TestIntrospectionAsksWhoAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	token := opaqueToken(t, w.as, bindingtest.TokenSpec{})
	form := url.Values{"token": {token}}
	for name, test := range map[string]struct {
		endpoint string
		form     url.Values
		client   *http.Client
		status   int
	}{
		"nobody":                         {w.as.URL(bindingtest.IntrospectionPath), form, w.as.HTTPClient(), 401},
		"tls_client_auth":                {w.as.MTLSURL(bindingtest.IntrospectionPath), merge(clientForm("pki-client"), "token", token), w.as.HTTPClient(w.issued), 200},
		"tls_client_auth, plain socket":  {w.as.URL(bindingtest.IntrospectionPath), merge(clientForm("pki-client"), "token", token), w.as.HTTPClient(w.issued), 401},
		"self_signed_tls_client_auth":    {w.as.MTLSURL(bindingtest.IntrospectionPath), merge(clientForm("self-signed-client"), "token", token), w.as.HTTPClient(w.own), 200},
		"another certificate":            {w.as.MTLSURL(bindingtest.IntrospectionPath), merge(clientForm("self-signed-client"), "token", token), w.as.HTTPClient(w.issued), 401},
		"private_key_jwt":                {w.as.URL(bindingtest.IntrospectionPath), merge(assertionForm(w.assertion(t)), "token", token), w.as.HTTPClient(), 200},
		"private_key_jwt, mTLS socket":   {w.as.MTLSURL(bindingtest.IntrospectionPath), merge(assertionForm(w.assertion(t)), "token", token), w.as.HTTPClient(), 200},
		"authenticated, without a token": {w.as.URL(bindingtest.IntrospectionPath), assertionForm(w.assertion(t)), w.as.HTTPClient(), 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := do(t, test.client, tokenRequest(t.Context(), t, test.endpoint, test.form))
			require.Equal(t, test.status, got.status, "%s", got.body)
			if test.status == http.StatusOK {
				require.Equal(t, true, got.members(t)["active"])
			}
		})
	}
	t.Run("a wrong secret", func(t *testing.T) {
		t.Parallel()
		request := tokenRequest(t.Context(), t, w.as.URL(bindingtest.IntrospectionPath), form)
		request.SetBasicAuth("secret client", "wrong")
		got := do(t, w.as.HTTPClient(), request)
		requireRefused(t, got, http.StatusUnauthorized, "invalid_client")
		require.Equal(t, `Basic realm="introspection endpoint"`, got.header.Get("WWW-Authenticate"))
	})
}

func TestIntrospectionCanBeMadeToFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	w.as.Handle(bindingtest.IntrospectionPath, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	require.Equal(t, http.StatusBadGateway, w.introspect(t, nil).status)
	w.as.Handle(bindingtest.IntrospectionPath, nil)
	require.Equal(t, http.StatusBadRequest, w.introspect(t, nil).status)
	require.Equal(t, 2, w.as.Requests(bindingtest.IntrospectionPath))
}

func TestAnswersOfIntrospectionAreCopies(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	token := opaqueToken(t, as, bindingtest.TokenSpec{})
	as.Introspection(token)["active"] = false
	require.Equal(t, true, as.Introspection(token)["active"])
	_, err := as.OpaqueToken(bindingtest.TokenSpec{Claims: map[string]any{"a": make(chan int)}})
	require.Error(t, err)
}
