package suite

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/introspection"
)

// Indistinct is the one answer to an opaque token that is refused, whatever the
// reason: nobody learns from it that a stolen token lives.
var Indistinct = invalidToken("the access token is not active, or not for this client and this resource server")

// opaque is tokens that are no JWTs, asked of the authorization server (RFC
// 7662), beside JWTs, behind one guard.
func (s *suite) opaque(t *testing.T) {
	forms := s.forms(t, s.Fixture, introspection.Config{})
	site := s.guarded(t, binding.Config{Tokens: forms})
	withDPoP := s.guarded(t, binding.Config{Tokens: forms, AcceptDPoPScheme: true})
	unbound := s.guarded(t, binding.Config{Tokens: forms, Policy: binding.DangerouslyAcceptUnbound})

	good := s.opaqueToken(t, nil)
	for _, row := range []struct {
		name    string
		request Request
		want    Answer
	}{
		{"its holder", Bearer(s.Holder, good), OK},
		{"a JWT", Bearer(s.Holder, s.Good(t)), OK},
		{"another certificate", Bearer(s.Other, good), Indistinct},
		{"no certificate", Bearer(s.Nobody, good), Indistinct},
		{"one that never was", Bearer(s.Holder, "never-was"), Indistinct},
		{"a JWT of a stranger's is not asked about", Bearer(s.Holder, "eyJ4.e30.c2ln"), Malformed},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			site.Check(t, site.Probe, row.request, row.want)
		})
	}

	for _, row := range []struct {
		name   string
		answer map[string]any // amends that of a good token
		want   Answer
	}{
		{"active is a string", claims{"active": "true"}, Unavailable("any")},
		{"active is a number", claims{"active": 1}, Unavailable("any")},
		{"active is null", claims{"active": json.RawMessage("null")}, Unavailable("any")},
		{"no active", claims{"active": nil}, Unavailable("any")},
		{"not active", claims{"active": false}, Indistinct},
		{"another issuer", claims{"iss": "https://other.example"}, Indistinct},
		{"no issuer", claims{"iss": nil}, OK},
		{"another audience", claims{"aud": "https://other.example"}, Indistinct},
		{"no audience", claims{"aud": nil}, Indistinct},
		{"no expiry", claims{"exp": nil}, OK},
		{"expired", claims{"exp": 1}, Indistinct},
		{"exp of another type", claims{"exp": "tomorrow"}, Indistinct},
		{"not valid yet", claims{"nbf": int64(9999999999)}, Indistinct},
		{"a refresh token, by token_type", claims{"token_type": "refresh_token"}, Indistinct},
		{"a refresh token, by Keycloak's typ", claims{"typ": "Refresh"}, Indistinct},
		{"an ID token, by Keycloak's typ", claims{"typ": "ID"}, Indistinct},
		{"a refresh token, by Hydra's token_use", claims{"token_use": "refresh_token"}, Indistinct},
		{"access_token as its type", claims{"token_type": "access_token"}, OK},
		{"no type", claims{"token_type": nil}, OK},
		{"for the DPoP scheme, and bound to a certificate alone", claims{"token_type": "DPoP"}, OK},
		{"cnf is null", claims{"cnf": json.RawMessage("null")}, Indistinct},
		{"cnf is empty", claims{"cnf": claims{}}, Indistinct},
		{"cnf is hexadecimal", claims{"cnf": claims{"x5t#S256": strings.Repeat("ab", 32)}}, Indistinct},
		{"cnf for DPoP", claims{"cnf": claims{"jkt": strings.Repeat("A", 43)}}, Indistinct},
		{"no cnf", claims{"cnf": nil}, Indistinct},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			site.Check(t, site.Probe, Bearer(s.Holder, s.opaqueToken(t, row.answer)), row.want)
		})
	}

	t.Run("the DPoP scheme", func(t *testing.T) {
		t.Parallel()
		dpop := s.opaqueToken(t, claims{"token_type": "DPoP"})
		request := Request{Client: s.Holder, Authorization: []string{"DPoP " + dpop}}
		withDPoP.Check(t, withDPoP.Probe, request, OK)
		site.Check(t, site.Probe, request, NoCredentials)
	})

	t.Run("no cnf is a policy's matter, a broken one is not", func(t *testing.T) {
		t.Parallel()
		unbound.Check(t, unbound.Probe, Bearer(s.Nobody, s.opaqueToken(t, claims{"cnf": nil})), OK)
		unbound.Check(t, unbound.Probe, Bearer(s.Nobody, s.opaqueToken(t, claims{"cnf": claims{}})), Indistinct)
		unbound.Check(t, unbound.Probe, Bearer(s.Other, good), Indistinct)
	})

	t.Run("the scope comes after the binding", func(t *testing.T) {
		t.Parallel()
		scoped := s.guarded(t, binding.Config{Tokens: forms, Scopes: []string{"admin"}})
		scoped.Check(t, scoped.Probe, Bearer(s.Holder, good), MissesScopes("admin"))
		scoped.Check(t, scoped.Probe, Bearer(s.Other, good), Indistinct)
	})

	s.opaqueFaults(t)
}

// opaqueFaults are those of the authorization server and our own: 503, and
// never a token that gets through.
func (s *suite) opaqueFaults(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"not JSON":                answers(http.StatusOK, "application/json", "active"),
		"trailing bytes":          answers(http.StatusOK, "application/json", `{"active":true}{}`),
		"an array":                answers(http.StatusOK, "application/json", `[{"active":true}]`),
		"active twice":            answers(http.StatusOK, "application/json", `{"active":false,"active":true}`),
		"ACTIVE":                  answers(http.StatusOK, "application/json", `{"ACTIVE":true}`),
		"too large":               answers(http.StatusOK, "application/json", `{"active":true,"x":"`+strings.Repeat("x", 512<<10)+`"}`),
		"a signed answer":         answers(http.StatusOK, "application/jwt", "eyJ4.e30.c2ln"),
		"a server error":          answers(http.StatusInternalServerError, "application/json", `{"active":true}`),
		"our credentials refused": answers(http.StatusUnauthorized, "application/json", `{"error":"invalid_client"}`),
		"a bad request":           answers(http.StatusBadRequest, "application/json", `{"error":"invalid_request"}`),
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
		"a connection that breaks": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := NewFixture(t)
			forms := s.forms(t, f, introspection.Config{})
			site := s.serveIn(t, f, Protect(f.Guard(t, binding.Config{Tokens: forms})))
			good := f.opaqueToken(t, nil)
			f.AS.Handle(bindingtest.IntrospectionPath, answer)
			site.Check(t, site.Probe, Bearer(f.Holder, good), Unavailable("any"))
			f.AS.Handle(bindingtest.IntrospectionPath, nil)
			site.Check(t, site.Probe, Bearer(f.Holder, good), OK)
		})
	}
}

type claims = map[string]any

func answers(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// forms makes a verifier of JWTs and opaque tokens, which authenticates itself
// with a certificate.
func (s *suite) forms(t *testing.T, f *Fixture, config introspection.Config) *introspection.Forms {
	t.Helper()
	certificate, err := f.AS.NewClientCertificate("api")
	require.NoError(t, err)
	require.NoError(t, f.AS.AddClient(bindingtest.Client{ID: "api", AuthMethod: bindingtest.TLSClientAuth, SubjectDN: "CN=api"}))
	config.Issuer, config.Audiences, config.Clock = f.AS.Issuer(), []string{Audience}, f.now
	config.ClientID, config.AuthMethod, config.ClientCertificate = "api", introspection.TLSClientAuth, certificate
	config.Transport = f.AS.Transport()
	asked, err := introspection.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, asked.Close()) })
	forms, err := introspection.ByForm(f.Tokens, asked)
	require.NoError(t, err)
	return forms
}

// opaqueToken issues a token that is bound to the Holder, whose answer is
// amended.
func (f *Fixture) opaqueToken(t *testing.T, amend map[string]any) string {
	t.Helper()
	token, err := f.AS.OpaqueToken(bindingtest.TokenSpec{
		Subject: Subject, ClientID: ClientID, Scopes: []string{"accounts", "payments"},
		Certificate: f.Holder.Certificate.Leaf, Claims: amend,
	})
	require.NoError(t, err)
	f.Log.secret(token)
	return token
}
