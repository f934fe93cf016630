package introspection_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/introspection"
)

func bearer(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://api.example/accounts", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// from has the request come over a connection with the certificate.
func from(r *http.Request, certificate *x509.Certificate) *http.Request {
	r.TLS = &tls.ConnectionState{HandshakeComplete: true}
	if certificate != nil {
		r.TLS.PeerCertificates = []*x509.Certificate{certificate}
	}
	return r
}

func newGuard(t *testing.T, config binding.Config) *binding.Guard {
	t.Helper()
	guard, err := binding.New(config)
	require.NoError(t, err)
	return guard
}

// answer is what a client sees, in full.
func answer(t *testing.T, guard *binding.Guard, r *http.Request) (binding.Reason, *httptest.ResponseRecorder) {
	t.Helper()
	_, err := guard.Admit(r)
	require.Error(t, err)
	w := httptest.NewRecorder()
	binding.AsError(err).Write(w, r)
	return binding.AsError(err).Reason, w
}

func TestNoAnswerTellsAThiefThatAStolenTokenLives(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{Clients: []bindingtest.Client{secretClient}})
	v := newVerifier(t, configFor(as))
	owner, thief := selfSigned(t, "owner"), selfSigned(t, "thief")
	guards := map[string]*binding.Guard{
		"require":      newGuard(t, binding.Config{Tokens: v, Realm: "bank", ResourceMetadata: "https://api.example/.well-known/oauth-protected-resource"}),
		"if-bound":     newGuard(t, binding.Config{Tokens: v, Policy: binding.DangerouslyAcceptUnbound}),
		"refuse-bound": newGuard(t, binding.Config{Tokens: v, Policy: binding.DangerouslyBearerOnly}),
		"narrowed":     newGuard(t, binding.Config{Tokens: v, Audiences: []string{"https://other.example"}}),
		"untrusted":    newGuard(t, binding.Config{Tokens: v, Certificates: &forwardedFrom{binding.ReasonForwardedUntrusted}}),
	}
	bound := func(claims map[string]any) string {
		return opaqueToken(t, as, bindingtest.TokenSpec{Certificate: owner.Leaf, Claims: claims})
	}
	revoked := bound(nil)
	as.RevokeToken(revoked)
	expired := opaqueToken(t, as, bindingtest.TokenSpec{Certificate: owner.Leaf, ExpiresIn: -time.Hour})

	for name, test := range map[string]struct {
		guard       string
		token       string
		certificate *x509.Certificate
		reason      binding.Reason
	}{
		"never issued":                {"require", "never-issued", thief.Leaf, binding.ReasonTokenInactive},
		"revoked":                     {"require", revoked, thief.Leaf, binding.ReasonTokenInactive},
		"expired":                     {"require", expired, thief.Leaf, binding.ReasonTokenInactive},
		"alive, another certificate":  {"require", bound(nil), thief.Leaf, binding.ReasonThumbprintMismatch},
		"alive, no certificate":       {"require", bound(nil), nil, binding.ReasonCertificateMissing},
		"alive, another audience":     {"require", bound(map[string]any{"aud": "https://other.example"}), thief.Leaf, binding.ReasonTokenAudience},
		"alive, a refresh token":      {"require", bound(map[string]any{"token_use": "refresh_token"}), thief.Leaf, binding.ReasonTokenType},
		"alive, a broken binding":     {"require", bound(map[string]any{"cnf": "x"}), thief.Leaf, binding.ReasonConfirmationMalformed},
		"alive, unbound":              {"require", opaqueToken(t, as, bindingtest.TokenSpec{}), thief.Leaf, binding.ReasonTokenUnbound},
		"alive, DPoP":                 {"require", bound(map[string]any{"token_type": "DPoP"}), thief.Leaf, binding.ReasonThumbprintMismatch},
		"if-bound: never issued":      {"if-bound", "never-issued-2", thief.Leaf, binding.ReasonTokenInactive},
		"if-bound: another":           {"if-bound", bound(nil), thief.Leaf, binding.ReasonThumbprintMismatch},
		"refuse-bound: never issued":  {"refuse-bound", "never-issued-3", thief.Leaf, binding.ReasonTokenInactive},
		"refuse-bound: alive":         {"refuse-bound", bound(nil), thief.Leaf, binding.ReasonTokenBound},
		"narrowed: never issued":      {"narrowed", "never-issued-4", thief.Leaf, binding.ReasonTokenInactive},
		"narrowed: alive":             {"narrowed", bound(nil), thief.Leaf, binding.ReasonTokenAudience},
		"untrusted proxy: not issued": {"untrusted", "never-issued-5", thief.Leaf, binding.ReasonForwardedUntrusted},
		"untrusted proxy: alive":      {"untrusted", bound(nil), thief.Leaf, binding.ReasonForwardedUntrusted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			guard := guards[test.guard]
			reason, got := answer(t, guard, from(bearer(test.token), test.certificate))
			require.Equal(t, test.reason, reason, "our log knows")
			_, want := answer(t, guard, from(bearer("another-that-was-never-issued"), thief.Leaf))
			require.Equal(t, http.StatusUnauthorized, got.Code)
			require.Equal(t, want.Code, got.Code)
			require.Equal(t, want.Header(), got.Header())
			require.Equal(t, want.Body.String(), got.Body.String())
			require.Contains(t, got.Header().Get("WWW-Authenticate"), `error="invalid_token"`)
			require.NotContains(t, got.Header().Get("WWW-Authenticate"), test.token)
		})
	}

	// From memory it is the same.
	token := bound(nil)
	_, err := guards["require"].Admit(from(bearer(token), owner.Leaf))
	require.NoError(t, err)
	asked := as.Requests(bindingtest.IntrospectionPath)
	_, got := answer(t, guards["require"], from(bearer(token), thief.Leaf))
	_, want := answer(t, guards["require"], from(bearer("another-that-was-never-issued"), thief.Leaf))
	require.Equal(t, want.Body.String(), got.Body.String())
	require.Equal(t, want.Header(), got.Header())
	require.LessOrEqual(t, as.Requests(bindingtest.IntrospectionPath), asked+1, "the token itself was not asked about again")
}

type forwardedFrom struct{ reason binding.Reason }

func (f *forwardedFrom) Headers() []string { return nil }

func (f *forwardedFrom) ClientCertificate(*http.Request) (binding.Certificate, error) {
	return binding.Certificate{}, &binding.Error{Reason: f.reason}
}

func TestTheObserverSeesWhy(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{Clients: []bindingtest.Client{secretClient}})
	owner, thief := selfSigned(t, "owner"), selfSigned(t, "thief")
	var seen []binding.Event
	guard := newGuard(t, binding.Config{
		Tokens:  newVerifier(t, configFor(as)),
		Observe: observe(&seen),
	})
	token := opaqueToken(t, as, bindingtest.TokenSpec{ClientID: "app", Certificate: owner.Leaf})
	_, err := guard.Check(from(bearer(token), thief.Leaf))
	requireReason(t, err, binding.ReasonThumbprintMismatch)
	require.Len(t, seen, 1)
	require.Equal(t, binding.ReasonThumbprintMismatch, seen[0].Reason())
	require.Equal(t, bindingtest.Thumbprint(owner.Leaf), seen[0].Err.Expected.String())
	require.Equal(t, bindingtest.Thumbprint(thief.Leaf), seen[0].Err.Presented.String())
	require.Equal(t, "app", seen[0].ClientID)
	require.Equal(t, "certificate", seen[0].Binding)
	require.True(t, seen[0].Err.Opaque)
}

func TestTheBindingIsCheckedOnEveryHit(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{Clients: []bindingtest.Client{secretClient}})
	owner, thief := selfSigned(t, "owner"), selfSigned(t, "thief")
	guard := newGuard(t, binding.Config{Tokens: newVerifier(t, configFor(as)), Scopes: []string{"accounts"}})
	token := opaqueToken(t, as, bindingtest.TokenSpec{Certificate: owner.Leaf, Scopes: []string{"accounts"}})
	for range 3 {
		admitted, err := guard.Admit(from(bearer(token), owner.Leaf))
		require.NoError(t, err)
		got, ok := binding.TokenFromContext(admitted.Context())
		require.True(t, ok)
		require.True(t, got.HasScope("accounts"))
		_, err = guard.Admit(from(bearer(token), thief.Leaf))
		requireReason(t, err, binding.ReasonThumbprintMismatch)
	}
	require.Equal(t, 1, as.Requests(bindingtest.IntrospectionPath))
}

func TestScopeIsMissedOnlyAfterTheBinding(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{Clients: []bindingtest.Client{secretClient}})
	owner, thief := selfSigned(t, "owner"), selfSigned(t, "thief")
	guard := newGuard(t, binding.Config{Tokens: newVerifier(t, configFor(as)), Scopes: []string{"payments"}})
	token := opaqueToken(t, as, bindingtest.TokenSpec{Certificate: owner.Leaf, Scopes: []string{"accounts"}})
	_, err := guard.Check(from(bearer(token), thief.Leaf))
	requireReason(t, err, binding.ReasonThumbprintMismatch)
	_, err = guard.Check(from(bearer(token), owner.Leaf))
	requireReason(t, err, binding.ReasonScopeMissing)
	_, answered := answer(t, guard, from(bearer(token), owner.Leaf))
	require.Equal(t, http.StatusForbidden, answered.Code)
}

func TestTokenTypeDPoPIsForGuardsThatAcceptTheScheme(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{ResponseTokenType: "DPoP", Clients: []bindingtest.Client{secretClient}})
	v := newVerifier(t, configFor(as))
	owner := selfSigned(t, "owner")
	bound := opaqueToken(t, as, bindingtest.TokenSpec{Certificate: owner.Leaf})
	unbound := opaqueToken(t, as, bindingtest.TokenSpec{})
	byKey := opaqueToken(t, as, bindingtest.TokenSpec{Claims: map[string]any{"cnf": map[string]any{"jkt": strings.Repeat("A", 43)}}})
	for name, test := range map[string]struct {
		config binding.Config
		scheme string
		token  string
		reason binding.Reason // "": accepted
	}{
		"L/369 bound, scheme unread":    {binding.Config{}, "Bearer", bound, ""},
		"accepted":                      {binding.Config{AcceptDPoPScheme: true}, "DPoP", bound, ""},
		"accepted, as Bearer":           {binding.Config{AcceptDPoPScheme: true}, "Bearer", bound, ""},
		"unbound":                       {binding.Config{AcceptDPoPScheme: true, Policy: binding.DangerouslyAcceptUnbound}, "DPoP", unbound, binding.ReasonTokenUnbound},
		"unbound, as Bearer":            {binding.Config{AcceptDPoPScheme: true, Policy: binding.DangerouslyAcceptUnbound}, "Bearer", unbound, binding.ReasonTokenType},
		"unbound, on a route for these": {binding.Config{AcceptDPoPScheme: true, Policy: binding.DangerouslyBearerOnly}, "Bearer", unbound, binding.ReasonTokenType},
		"unbound, scheme not accepted":  {binding.Config{Policy: binding.DangerouslyAcceptUnbound}, "Bearer", unbound, binding.ReasonTokenType},
		"bound to a key":                {binding.Config{AcceptDPoPScheme: true, Policy: binding.DangerouslyAcceptUnbound}, "DPoP", byKey, binding.ReasonConfirmationDPoP},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.config.Tokens = v
			r := from(bearer(test.token), owner.Leaf)
			r.Header.Set("Authorization", test.scheme+" "+test.token)
			_, err := newGuard(t, test.config).Check(r)
			if test.reason == "" {
				require.NoError(t, err)
				return
			}
			requireReason(t, err, test.reason)
		})
	}
}

func TestOverRealMutualTLS(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{})
	ours, err := as.NewClientCertificate("api")
	require.NoError(t, err)
	require.NoError(t, as.AddClient(bindingtest.Client{ID: "api", AuthMethod: bindingtest.TLSClientAuth, SubjectDN: "CN=api"}))
	config := introspection.Config{
		Issuer: as.Issuer(), Audiences: []string{audience}, ClientID: "api", AuthMethod: introspection.TLSClientAuth,
		ClientCertificate: ours, Transport: as.Transport(), Timeout: time.Minute, ActiveFor: 5 * time.Minute,
	}
	guard := newGuard(t, binding.Config{Tokens: newVerifier(t, config)})
	api := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		admitted, err := guard.Admit(r)
		if err != nil {
			binding.AsError(err).Write(w, r)
			return
		}
		token, _ := binding.TokenFromContext(admitted.Context())
		_, _ = w.Write([]byte(token.ClientID()))
	}))
	api.TLS = binding.TLSConfig(&tls.Config{Certificates: []tls.Certificate{as.ServerCertificate()}, MinVersion: tls.VersionTLS12})
	api.StartTLS()
	t.Cleanup(api.Close)

	client, thief := selfSigned(t, "app"), selfSigned(t, "thief")
	token := opaqueToken(t, as, bindingtest.TokenSpec{ClientID: "app", Certificate: client.Leaf})
	call := func(certificates ...tls.Certificate) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api.URL, nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := as.HTTPClient(certificates...).Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	require.Equal(t, http.StatusOK, call(client))
	require.Equal(t, http.StatusUnauthorized, call(thief))
	require.Equal(t, http.StatusUnauthorized, call())
	require.Equal(t, http.StatusOK, call(client))
	as.RevokeToken(token)
	require.Equal(t, http.StatusOK, call(client), "for ActiveFor more, RFC 7662 §4")
}

func observe(seen *[]binding.Event) func(context.Context, binding.Event) {
	return func(_ context.Context, event binding.Event) { *seen = append(*seen, event) }
}
