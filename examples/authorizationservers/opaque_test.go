package authorizationservers_test

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindecho"
	"github.com/certbound/certbound/adapters/bindgin"
	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/introspection"
)

// Opaque tokens, which the API asks the authorization server about by each of
// the methods that it may authenticate itself with. JWTs come to the same guard.
func testOpaqueBoundTokens(t *testing.T, w *world) {
	for _, method := range w.methods {
		verifier := newVerifier(t, w, w.clients[asAPI(method)])
		for _, framework := range frameworks {
			a := startGuarded(t, w, framework, verifier)
			t.Run("asked by "+method+"/"+framework, func(t *testing.T) {
				t.Parallel()
				for _, of := range w.methods {
					r := w.clients[opaque+"."+of]
					w.requireRevocable(t, a, r, w.requireBoundOpaque(t, a, r))
				}
				r := w.clients["ES256."+tlsClientAuth]
				w.requireBound(t, a, r, getToken(t, w, r, w.forResource(audience)))
			})
		}
	}
}

// The same by the program that an operator starts, which asks as a client that
// its certificate authenticates. It remembers for a while what was active.
func testOpaqueBoundTokensAtTheServer(t *testing.T, w *world) {
	for _, method := range []string{tlsClientAuth, selfSignedTLSClientAuth} {
		asking, has := w.clients[asAPI(method)]
		if !has {
			continue
		}
		certificate, key := writePair(t, t.TempDir(), asking.certificate)
		for _, framework := range frameworks {
			a := startAPI(t, w.pki, w.issuer, framework, w.asks(asking.id, certificate, key)...)
			t.Run("asked by "+method+"/"+framework, func(t *testing.T) {
				t.Parallel()
				for _, of := range w.methods {
					w.requireBoundOpaque(t, a, w.clients[opaque+"."+of])
				}
				r := w.clients["ES256."+tlsClientAuth]
				w.requireBound(t, a, r, getToken(t, w, r, w.forResource(audience)))
			})
		}
	}
}

// asks are examples/server's flags for a client that asks about tokens.
func (w *world) asks(id, certificate, key string) []string {
	flags := []string{"-introspection", "-client-id", id, "-client-cert", certificate, "-client-key", key}
	if w.name == "keycloak" {
		flags = append(flags, "-introspect-jwts-without-audience")
	}
	return flags
}

// requireBoundOpaque gets a token and shows whom the API accepts with it. It
// returns the token.
func (w *world) requireBoundOpaque(t *testing.T, a *api, r registration) string {
	t.Helper()
	token := getToken(t, w, r, w.forResource(audience))
	w.requireOpaque(t, token)
	client, thief := newClient(t, w.pki, r), newClient(t, w.pki, w.thief)

	accepted := a.whoami(t, client, token)
	require.Equal(t, http.StatusOK, accepted.status, "%v", accepted.body)
	w.requireWho(t, r, map[string]any{"scope": scope, "x5t#S256": bindingtest.Thumbprint(r.certificate.Leaf)}, accepted.body)

	stolen := a.whoami(t, thief, token)
	requireRefused(t, stolen)
	unknown := a.whoami(t, thief, rand.Text())
	requireRefused(t, unknown)
	require.Equal(t, unknown, stolen, "no oracle tells a thief that a stolen token lives")
	requireRefused(t, a.whoami(t, w.pki.HTTPClient(), token))

	foreign := getToken(t, w, r, w.forResource(another))
	requireRefused(t, a.whoami(t, client, foreign))
	return token
}

// requireOpaque: only the authorization server can read the token. A Keycloak's
// is one that does not say for whom it is.
func (w *world) requireOpaque(t *testing.T, token string) {
	t.Helper()
	if w.name != "keycloak" {
		require.NotContains(t, token, ".")
		return
	}
	require.NotContains(t, claimsOf(t, token), "aud")
}

func (w *world) requireRevocable(t *testing.T, a *api, r registration, token string) {
	t.Helper()
	client := newClient(t, w.pki, r)
	// RFC 7009: revoked by its client, found by discovery as well.
	status, body := post(t, client, r, w.issuer, discover(t, w.pki, w.issuer).MTLSEndpoint("revocation_endpoint"), url.Values{"token": {token}})
	require.Equal(t, http.StatusOK, status, string(body))
	requireRefused(t, a.whoami(t, client, token))
}

// newVerifier takes tokens of both forms. Nothing is remembered of opaque ones,
// so that a revocation shows at once.
func newVerifier(t *testing.T, w *world, r registration) binding.TokenVerifier {
	t.Helper()
	verifier, err := introspection.NewForms(introspection.FormsConfig{
		JWTs: newJWTs(t, w, nil), Opaque: newAsking(t, w, r), IntrospectJWTsWithoutAudience: w.name == "keycloak",
	})
	require.NoError(t, err)
	return verifier
}

// newAsking asks about every token, and remembers nothing.
func newAsking(t *testing.T, w *world, r registration) *introspection.Verifier {
	t.Helper()
	config := introspection.Config{
		Issuer: w.issuer, Audiences: []string{audience}, Transport: w.pki.Transport(),
		ClientID: r.id, AuthMethod: introspection.AuthMethod(r.method), ClientSecret: r.secret,
		ActiveFor: -1, InactiveFor: -1,
		Timeout: time.Minute,
	}
	switch r.method {
	case tlsClientAuth, selfSignedTLSClientAuth:
		config.ClientCertificate = r.certificate
	case privateKeyJWT:
		config.SigningKey = r.key
	}
	tokens, err := introspection.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tokens.Close() })
	return tokens
}

// startGuarded starts an API in this process.
func startGuarded(t *testing.T, w *world, framework string, tokens binding.TokenVerifier) *api {
	t.Helper()
	guard, err := binding.New(binding.Config{Tokens: tokens})
	require.NoError(t, err)
	var handler http.Handler
	switch framework {
	case "echo":
		e := echo.New()
		e.Use(bindecho.Protect(guard))
		e.GET("/whoami", echo.WrapHandler(http.HandlerFunc(whoami)))
		handler = e
	case "gin":
		r := gin.New()
		r.Use(bindgin.Protect(guard))
		r.GET("/whoami", gin.WrapF(whoami))
		handler = r
	default:
		handler = bindhttp.Protect(guard)(http.HandlerFunc(whoami))
	}
	listener := listen(t)
	serveTLS(t, w.pki, listener, tls.RequestClientCert, handler)
	return &api{url: "https://" + listener.Addr().String()}
}

// whoami answers as examples/server does.
func whoami(w http.ResponseWriter, r *http.Request) {
	token, _ := binding.TokenFromContext(r.Context())
	thumbprint, _ := token.Thumbprint()
	who := map[string]any{
		"iss": token.Issuer(), "client_id": token.ClientID(),
		"scope": strings.Join(token.Scopes(), " "), "x5t#S256": thumbprint.String(),
	}
	if token.Subject() != "" {
		who["sub"] = token.Subject()
	}
	_ = json.NewEncoder(w).Encode(who)
}
