package binding_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// secretContext is a context that does not show what it holds.
type secretContext struct {
	context.Context

	secret string
}

// The context of an admitted request is the request's, and holds the token besides.
func TestContextOfAnAdmittedRequest(t *testing.T) {
	t.Parallel()
	type key struct{}
	leaf := newCertificate(t, "client-1").Leaf
	ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
	r := request(bearer(claims(t, boundTo(leaf))), leaf).WithContext(ctx)
	admitted, err := newGuard(t, binding.Config{}).Admit(r)
	require.NoError(t, err)

	token, ok := binding.TokenFromContext(admitted.Context())
	require.True(t, ok)
	require.Equal(t, "alice", token.Subject())
	_, ok = binding.TokenFromContext(r.Context())
	require.False(t, ok, "Admit changed the request that it was given")
	require.Equal(t, "value", admitted.Context().Value(key{}))
	require.Nil(t, admitted.Context().Value("unknown"))

	derived, stop := context.WithCancel(admitted.Context())
	defer stop()
	token, ok = binding.TokenFromContext(derived)
	require.True(t, ok)
	require.Equal(t, "alice", token.Subject())
	require.NoError(t, derived.Err())
	cancel(fmt.Errorf("the client is gone"))
	<-derived.Done()
	require.ErrorIs(t, admitted.Context().Err(), context.Canceled)
	require.EqualError(t, context.Cause(derived), "the client is gone")

	plain, err := newGuard(t, binding.Config{}).Admit(r.WithContext(context.Background()))
	require.NoError(t, err)
	require.Equal(t, "context.Background.admitted", fmt.Sprint(plain.Context()))

	// A context that shows nothing of itself is not looked into.
	secret := r.WithContext(secretContext{t.Context(), "secret"})
	admitted, err = newGuard(t, binding.Config{}).Admit(secret)
	require.NoError(t, err)
	require.Equal(t, "binding_test.secretContext.admitted", fmt.Sprint(admitted.Context()))

	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		require.NotContains(t, fmt.Sprintf(format, admitted.Context()), "alice")
		require.NotContains(t, fmt.Sprintf(format, admitted), "alice")
	}
}

// The certificate that was proven is in the context, over TLS and behind a proxy, and none that was merely presented.
func TestCertificateFromContext(t *testing.T) {
	t.Parallel()
	leaf := newCertificate(t, "client-1").Leaf
	bound, unbound := bearer(claims(t, boundTo(leaf))), bearer(claims(t, nil))
	accepting := binding.Config{Policy: binding.DangerouslyAcceptUnbound}
	for name, test := range map[string]struct {
		config binding.Config
		r      *http.Request
		want   []byte
	}{
		"over TLS":                         {binding.Config{}, request(bound, leaf), leaf.Raw},
		"behind a proxy":                   {binding.Config{Certificates: &headerSource{names: []string{"X-Client-Cert"}}}, forward(request(bound), leaf), leaf.Raw},
		"a bound token, unbound are taken": {accepting, request(bound, leaf), leaf.Raw},
		"a token without one":              {accepting, request(unbound, leaf), nil},
		"bearer only":                      {binding.Config{Policy: binding.DangerouslyBearerOnly}, request(unbound, leaf), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			guard := newGuard(t, test.config)
			for _, guards := range [][]*binding.Guard{{guard}, {guard, guard}} {
				_, r := nest(test.r, guards...)
				require.NotNil(t, r)
				certificate, ok := binding.CertificateFromContext(r.Context())
				require.Equal(t, test.want != nil, ok)
				require.Equal(t, test.want, certificate.DER)
				if ok {
					require.Equal(t, binding.ThumbprintOf(leaf), certificate.Thumbprint)
				}
			}
		})
	}
	// The digest alone is enough, and a context without a guard has none.
	digest := newGuard(t, binding.Config{Certificates: certificateOf(binding.Certificate{Thumbprint: binding.ThumbprintOf(leaf)})})
	admitted, err := digest.Admit(request(bound))
	require.NoError(t, err)
	certificate, ok := binding.CertificateFromContext(admitted.Context())
	require.True(t, ok)
	require.Equal(t, binding.ThumbprintOf(leaf), certificate.Thumbprint)
	_, ok = binding.CertificateFromContext(t.Context())
	require.False(t, ok)
}
