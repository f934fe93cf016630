package binding_test

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
)

// nest runs a request through guards, the outermost first, and returns what came out and the request that the handler got.
func nest(r *http.Request, guards ...*binding.Guard) (*httptest.ResponseRecorder, *http.Request) {
	var got *http.Request
	var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.WriteHeader(http.StatusNoContent)
	})
	for i := len(guards) - 1; i >= 0; i-- {
		handler = bindhttp.Protect(guards[i])(handler)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w, got
}

func TestAdmitPutsTheTokenIntoTheContext(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	guard := newGuard(t, binding.Config{})
	admitted, err := guard.Admit(request(bearer(claims(t, boundTo(certificate))), certificate))
	require.NoError(t, err)
	token, ok := binding.TokenFromContext(admitted.Context())
	require.True(t, ok)
	require.Equal(t, "client-1", token.ClientID())

	token, ok = binding.TokenFromContext(context.Background())
	require.False(t, ok)
	require.Nil(t, token)
}

// Names that a careless reader further in takes for the certificate's go as well, and nothing else does.
func TestAdmitRemovesTheCertificateFields(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	guard := newGuard(t, binding.Config{Certificates: &headerSource{names: []string{"X-Client-Cert", "Client_Cert-chain"}}})
	r := forward(request(bearer(claims(t, boundTo(certificate)))), certificate)
	for _, name := range []string{
		"X_Client_Cert", "X-Client_Cert", "x-client-cert", "X.CLIENT.CERT", "x client\tcert",
		"Client-Cert-Chain", "CLIENT_CERT_CHAIN",
	} {
		r.Header[name] = []string{"canary"}
	}
	kept := map[string][]string{"X-Client-Cert-2": {"1"}, "Client-Cert": {"2"}, "Xclientcert": {"3"}, "Accept": {"a", "b"},
		"Access-Control-Request-Headers": {"x-client-cert"}}
	for name, values := range kept {
		r.Header[name] = values
	}
	before := r.Header.Clone()
	kept["Authorization"] = r.Header["Authorization"]

	admitted, err := guard.Admit(r)
	require.NoError(t, err)
	require.Equal(t, http.Header(kept), admitted.Header)
	require.Equal(t, before, r.Header)
	require.Equal(t, r.URL, admitted.URL)
	require.Equal(t, r.TLS, admitted.TLS)
}

// They are removed as well where nobody looked at them: the handler must not read what nobody verified.
func TestAdmitRemovesTheCertificateFieldsOfUnboundTokens(t *testing.T) {
	t.Parallel()
	for name, policy := range allPolicies {
		if policy == binding.RequireBound {
			continue
		}
		forwarded := &headerSource{names: []string{"X-Client-Cert"}}
		guard := newGuard(t, binding.Config{Certificates: forwarded, Policy: policy})
		_, got := nest(forward(request(bearer(claims(t, nil))), newCertificate(t, "any").Leaf), guard)
		require.NotNil(t, got, name)
		require.Empty(t, got.Header.Get("X-Client-Cert"), name)
		require.Zero(t, forwarded.asked.Load(), name)
	}
}

// Without header fields there is nothing to remove.
func TestAdmitLeavesTheFieldsAloneForASourceThatReadsNone(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	r := forward(request(bearer(claims(t, boundTo(certificate))), certificate), certificate)
	for _, config := range []binding.Config{{}, {Certificates: &headerSourceWithout{}}} {
		_, got := nest(r, newGuard(t, config))
		require.NotNil(t, got)
		require.NotEmpty(t, got.Header.Get("X-Client-Cert"))
	}
}

// M/418: a source around another hides nothing of what the other reads.
func TestAdmitRemovesTheFieldsOfADecoratedSource(t *testing.T) {
	t.Parallel()
	type counted struct {
		binding.CertificateSource
		_ byte
	}
	certificate := newCertificate(t, "client-1").Leaf
	guard := newGuard(t, binding.Config{Certificates: &counted{CertificateSource: &headerSource{names: []string{"X-Client-Cert"}}}})
	_, got := nest(forward(request(bearer(claims(t, boundTo(certificate)))), certificate), guard)
	require.NotNil(t, got)
	require.NotContains(t, got.Header, "X-Client-Cert")
}

// headerSourceWithout reads the connection, and says that it reads no field.
type headerSourceWithout struct{ _ byte }

func (*headerSourceWithout) Headers() []string { return nil }

func (*headerSourceWithout) ClientCertificate(r *http.Request) (binding.Certificate, error) {
	return binding.Certificate{Thumbprint: binding.ThumbprintOf(r.TLS.PeerCertificates[0])}, nil
}

// M/420: a group's guard and a stricter one on a route, with the same source or with one of the same configuration each.
func TestNestedGuardsReadTheFieldsAsTheyCame(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	forwarded, alike := &headerSource{names: []string{"X-Client-Cert"}}, &headerSource{names: []string{"X-Client-Cert"}}
	var got binding.Certificate
	outer := newGuard(t, binding.Config{Certificates: forwarded})
	middle := newGuard(t, binding.Config{}) // another source: the connection
	strict := binding.Config{Certificates: forwarded, Scopes: []string{"payments"},
		Authorize: func(_ context.Context, _ *binding.Token, c binding.Certificate) error { got = c; return nil }}
	inner := newGuard(t, strict)
	strict.Certificates = alike
	another := newGuard(t, strict)
	token := bearer(claims(t, boundTo(certificate)))

	for name, guards := range map[string][]*binding.Guard{
		"two": {outer, inner}, "one between them": {outer, middle, inner}, "three": {outer, outer, inner},
		"M/420 another source": {outer, another}, "M/420 another source, one between": {outer, middle, outer, another},
	} {
		got = binding.Certificate{}
		w, r := nest(forward(request(token, certificate), certificate), guards...)
		require.Equal(t, http.StatusNoContent, w.Code, name)
		require.Equal(t, certificate.Raw, got.DER, name)
		require.Empty(t, r.Header.Get("X-Client-Cert"), name)
		proven, ok := binding.CertificateFromContext(r.Context())
		require.True(t, ok, name)
		require.Equal(t, certificate.Raw, proven.DER, name)
	}
	w, _ := nest(forward(request(bearer(claims(t, boundTo(newCertificate(t, "client-2").Leaf)))), certificate), outer, inner)
	require.Equal(t, 401, w.Code)
}

// pairSource reads a certificate from one field, and from another whether the proxy has verified it.
type pairSource struct{ headerSource }

func (s *pairSource) ClientCertificate(r *http.Request) (binding.Certificate, error) {
	if r.Header.Get(s.names[1]) != "SUCCESS" {
		return binding.Certificate{}, nil
	}
	return s.headerSource.ClientCertificate(r)
}

// M/420: of several fields none is lost.
func TestNestedGuardsReadAllFieldsAsTheyCame(t *testing.T) {
	t.Parallel()
	leaf := newCertificate(t, "client-1").Leaf
	guard := newGuard(t, binding.Config{Certificates: &pairSource{headerSource{names: []string{"X-Client-Cert", "X-Client-Verify"}}}})
	r := forward(request(bearer(claims(t, boundTo(leaf)))), leaf)
	r.Header.Set("X-Client-Verify", "SUCCESS")
	w, got := nest(r, guard, guard)
	require.Equal(t, http.StatusNoContent, w.Code)
	require.NotContains(t, got.Header, "X-Client-Cert")
	require.NotContains(t, got.Header, "X-Client-Verify")
}

// What a guard reads from the connection is nothing to one that reads header fields, nor the other way round.
func TestNestedGuardsWithOtherSourcesShareNothing(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	token := bearer(claims(t, boundTo(certificate)))
	forwarded := newGuard(t, binding.Config{Certificates: &headerSource{names: []string{"X-Client-Cert"}}})
	connection := newGuard(t, binding.Config{})
	admitted, err := forwarded.Admit(forward(request(token), certificate))
	require.NoError(t, err)
	_, err = connection.Check(admitted)
	requireRefused(t, err, binding.ReasonCertificateMissing, 401)

	admitted, err = connection.Admit(request(token, certificate))
	require.NoError(t, err)
	_, err = forwarded.Check(admitted)
	requireRefused(t, err, binding.ReasonCertificateMissing, 401)
}

// A field that something between two guards has written counts, and that which came does not make up for it.
func TestNestedGuardReadsWhatWasWrittenSince(t *testing.T) {
	t.Parallel()
	right, wrong := newCertificate(t, "client-1").Leaf, newCertificate(t, "client-2").Leaf
	guard := newGuard(t, binding.Config{Certificates: &headerSource{names: []string{"X-Client-Cert"}}})
	admitted, err := guard.Admit(forward(request(bearer(claims(t, boundTo(right)))), right))
	require.NoError(t, err)
	_, err = guard.Check(forward(admitted.Clone(admitted.Context()), wrong))
	requireRefused(t, err, binding.ReasonThumbprintMismatch, 401)
	_, err = guard.Check(admitted)
	require.NoError(t, err, "what was written on one request is nothing to another of the same context")
}

// What a source has said is not kept: an inner guard asks it once more, of the request that it has.
func TestNestedGuardsAskASourceAgainThatReadsNoFields(t *testing.T) {
	t.Parallel()
	leaf := newCertificate(t, "client-1").Leaf
	found := certificateOf(binding.Certificate{Thumbprint: binding.ThumbprintOf(leaf)})
	guard := newGuard(t, binding.Config{Certificates: found})
	w, _ := nest(request(bearer(claims(t, boundTo(leaf)))), guard, guard)
	require.Equal(t, http.StatusNoContent, w.Code)
	require.EqualValues(t, 2, found.asked.Load())
}

// An outer guard that did not look has removed the fields, and the inner one reads them.
func TestNestedGuardBehindOneThatDidNotLook(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	forwarded := &headerSource{names: []string{"X-Client-Cert"}}
	outer := newGuard(t, binding.Config{Certificates: forwarded, Policy: binding.DangerouslyAcceptUnbound})
	bound := newGuard(t, binding.Config{Certificates: forwarded,
		Tokens: verifierFunc(func(context.Context, string) (*binding.Token, error) {
			return valid(t, claims(t, boundTo(certificate))), nil // another verifier's word on the same token
		})})
	w, r := nest(forward(request(bearer(claims(t, nil))), certificate), outer, bound)
	require.Equal(t, http.StatusNoContent, w.Code)
	require.NotContains(t, r.Header, "X-Client-Cert")
	w, _ = nest(forward(request(bearer(claims(t, nil))), newCertificate(t, "client-2").Leaf), outer, bound)
	require.Equal(t, 401, w.Code)
}

// K/273: what was read for one request is nothing to the next, though its token be the same.
func TestAReadingEndsWithItsRequest(t *testing.T) {
	t.Parallel()
	right, wrong := newCertificate(t, "client-1").Leaf, newCertificate(t, "client-2").Leaf
	token := bearer(claims(t, boundTo(right)))
	forwarded := &headerSource{names: []string{"X-Client-Cert"}}
	guard := newGuard(t, binding.Config{Certificates: forwarded})
	onTLS := newGuard(t, binding.Config{})
	for _, test := range []struct {
		certificate *x509.Certificate
		status      int
	}{{right, 204}, {wrong, 401}, {right, 204}, {nil, 401}} {
		r, overTLS := request(token), request(token)
		if test.certificate != nil {
			r, overTLS = forward(r, test.certificate), request(token, test.certificate)
		}
		w, _ := nest(r, guard, guard)
		require.Equal(t, test.status, w.Code)
		w, _ = nest(overTLS, onTLS, onTLS)
		require.Equal(t, test.status, w.Code)
	}
}

// The inner guard's token and settings hold further in.
func TestInnerGuardHasTheLastWord(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	outer := newGuard(t, binding.Config{Realm: "outer"})
	inner := newGuard(t, binding.Config{Realm: "inner", Scopes: []string{"admin"}})
	r := request(bearer(claims(t, boundTo(certificate))), certificate)
	w, got := nest(r, outer, inner)
	require.Nil(t, got)
	require.Equal(t, 403, w.Code)
	require.Contains(t, w.Header().Get("WWW-Authenticate"), `realm="inner"`)
	w, _ = nest(request("x"), outer, inner)
	require.Contains(t, w.Header().Get("WWW-Authenticate"), `realm="outer"`)
}

// urlSource reads a header field only on a path of its own: it needs the request, and not its header alone.
type urlSource struct{ headerSource }

func (s *urlSource) ClientCertificate(r *http.Request) (binding.Certificate, error) {
	if r.URL == nil || r.URL.Path != "/accounts" {
		return binding.Certificate{}, nil
	}
	return s.headerSource.ClientCertificate(r)
}

func TestInnerSourceGetsTheWholeRequest(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	source := &urlSource{headerSource{names: []string{"X-Client-Cert"}}}
	r := forward(request(bearer(claims(t, boundTo(certificate)))), certificate)
	_, got := nest(r, newGuard(t, binding.Config{Certificates: source}), newGuard(t, binding.Config{Certificates: source}))
	require.NotNil(t, got)
}
