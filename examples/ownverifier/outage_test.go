package ownverifier

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// An issuer is an authorization server whose keys may go away, with an API that
// has one of the verifiers.
type issuer struct {
	*bindingtest.AuthorizationServer

	api         *httptest.Server
	certificate tls.Certificate
}

// newIssuer makes both; fault, if it is not nil, answers for the key set from the
// beginning.
func newIssuer(t *testing.T, make setup, fault http.Handler) *issuer {
	t.Helper()
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	require.NoError(t, err)
	t.Cleanup(as.Close)
	if fault != nil {
		as.Handle(bindingtest.JWKSPath, fault)
	}
	handler, err := make(t.Context(), as)
	require.NoError(t, err)
	i := &issuer{AuthorizationServer: as, api: as.Serve(handler)}
	t.Cleanup(i.api.Close)
	i.certificate, err = as.NewClientCertificate("client")
	require.NoError(t, err)
	return i
}

// requireAnswer sends a token, bound to the client's certificate, and looks at
// the status. An outage says when to try again.
func (i *issuer) requireAnswer(t *testing.T, spec bindingtest.TokenSpec, status int) {
	t.Helper()
	spec.Certificate = i.certificate.Leaf
	response, err := i.ClientFor(spec, i.certificate).Get(i.api.URL)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, status, response.StatusCode, "%s", body)
	require.Equal(t, status == http.StatusServiceUnavailable, response.Header.Get("Retry-After") != "")
}

func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// outages are what answers for the key set; nil closes the issuer's sockets.
var outages = map[string]http.Handler{
	"500":     http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }),
	"hang-up": http.HandlerFunc(hangUp),
	"no JSON": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<html>Under maintenance</html>")
	}),
	"not reachable": nil,
}

// begin lets the key set fail.
func (i *issuer) begin(fault http.Handler) {
	if fault == nil {
		i.Close()
		return
	}
	i.Handle(bindingtest.JWKSPath, fault)
}

var (
	good       = bindingtest.TokenSpec{}
	expired    = bindingtest.TokenSpec{ExpiresIn: -time.Hour}
	unknownKid = bindingtest.TokenSpec{Header: map[string]any{"kid": "another"}}
)

// A good token is not called a bad one because the issuer's keys cannot be had:
// clients would throw it away.
func TestAnOutageOfTheKeysIs503(t *testing.T) {
	for name, make := range setups {
		for outage, fault := range outages {
			t.Run(name+"/from the start/"+outage, func(t *testing.T) {
				first := fault
				if first == nil {
					first = http.HandlerFunc(hangUp) // discovery needs a socket
				}
				i := newIssuer(t, make, first)
				i.begin(fault)
				i.requireAnswer(t, good, http.StatusServiceUnavailable)
				i.requireAnswer(t, good, http.StatusServiceUnavailable) // also where fetches are limited
			})
			t.Run(name+"/later/"+outage, func(t *testing.T) {
				i := newIssuer(t, make, nil)
				i.requireAnswer(t, good, http.StatusOK)
				i.begin(fault)
				i.requireAnswer(t, good, http.StatusOK) // of a key that was fetched
				i.requireAnswer(t, expired, http.StatusUnauthorized)
				status := http.StatusServiceUnavailable
				if name == "jwx" {
					status = http.StatusUnauthorized // a jwk.Cache does not ask for a key that it lacks
				}
				i.requireAnswer(t, unknownKid, status)
			})
		}
	}
}

// Nothing that stands in a token is answered 503 while the keys can be had, nor
// what sounds like an outage.
func TestABadTokenIs401(t *testing.T) {
	const text = "failed to verify signature: fetching keys "
	words := []string{text, errNoKeys.Error(), "oidc: get keys failed"}
	for name, make := range setups {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t, make, nil)
			i.requireAnswer(t, good, http.StatusOK)
			for bad, spec := range map[string]bindingtest.TokenSpec{
				"expired":                   expired,
				"bad signature":             {ForgedSignature: true},
				"unknown kid":               unknownKid,
				"another unknown kid":       {Header: map[string]any{"kid": "a third"}}, // where fetches are limited
				"bad signature without kid": {ForgedSignature: true, Header: map[string]any{"kid": nil}},
				"kid a number":              {ForgedSignature: true, Header: map[string]any{"kid": 1}},
			} {
				t.Run(bad, func(t *testing.T) { i.requireAnswer(t, spec, http.StatusUnauthorized) })
			}
			for _, word := range words {
				for place, spec := range map[string]bindingtest.TokenSpec{
					"alg": {ForgedSignature: true, Header: map[string]any{"alg": word}},
					"kid": {ForgedSignature: true, Header: map[string]any{"kid": word}},
					"iss": {Claims: map[string]any{"iss": word}},
					"aud": {Audience: []string{word}},
				} {
					t.Run(word+" in "+place, func(t *testing.T) { i.requireAnswer(t, spec, http.StatusUnauthorized) })
				}
			}
		})
	}
}

// When the keys are back, what they refuse is bad again.
func TestAfterAnOutage(t *testing.T) {
	for name, make := range setups {
		if name == "jwx" {
			continue // a jwk.Cache repeats a fetch that failed after 15 minutes at the earliest
		}
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t, make, http.HandlerFunc(hangUp))
			i.Handle(bindingtest.JWKSPath, nil)
			i.requireAnswer(t, good, http.StatusOK)
			i.requireAnswer(t, unknownKid, http.StatusUnauthorized)
		})
	}
}
