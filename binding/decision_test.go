package binding_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// What a verifier that asks an authorization server may know of the client: M/409.
func TestVerifierKnowsWhatTheClientPresented(t *testing.T) {
	t.Parallel()
	leaf := newCertificate(t, "client-1").Leaf
	found := func(c binding.Certificate, err error) *source {
		return &source{find: func(*http.Request) (binding.Certificate, error) { return c, err }}
	}
	right := binding.Certificate{Thumbprint: binding.ThumbprintOf(leaf)}
	for name, test := range map[string]struct {
		source    *source
		policy    binding.Policy
		presented bool
		worth     bool
	}{
		"a certificate":                      {found(right, nil), binding.RequireBound, true, true},
		"M/409 none":                         {found(binding.Certificate{}, nil), binding.RequireBound, false, false},
		"M/409 one that cannot be read":      {found(right, errors.New("unreadable")), binding.RequireBound, false, false},
		"M/409 one that is not trusted":      {found(binding.Certificate{}, &binding.Error{Reason: binding.ReasonForwardedUntrusted}), binding.RequireBound, false, false},
		"none, where tokens may be unbound":  {found(binding.Certificate{}, nil), binding.DangerouslyAcceptUnbound, false, true},
		"none, where tokens must be unbound": {found(binding.Certificate{}, nil), binding.DangerouslyBearerOnly, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			guard := newGuard(t, binding.Config{Policy: test.policy, Certificates: test.source,
				Tokens: verifierFunc(func(ctx context.Context, token string) (*binding.Token, error) {
					asked++
					ctx, cancel := context.WithCancel(ctx) // what a verifier around another may do
					defer cancel()
					require.Equal(t, test.worth, binding.RefusedUnasked(ctx) == nil)
					certificate, presented := binding.PresentedCertificate(ctx)
					require.Equal(t, test.presented, presented)
					require.Equal(t, test.presented, certificate.Thumbprint == right.Thumbprint)
					_, admitted := binding.TokenFromContext(ctx)
					require.False(t, admitted)
					return plain{}.VerifyToken(ctx, token)
				})})
			_, err := guard.Check(request(bearer(claims(t, boundTo(leaf)))))
			require.Equal(t, 1, asked)
			require.Equal(t, test.presented && test.policy != binding.DangerouslyBearerOnly, err == nil)
			require.EqualValues(t, 1, test.source.asked.Load(), "the source is asked once")
		})
	}
	_, presented := binding.PresentedCertificate(t.Context())
	require.False(t, presented)
	require.Nil(t, binding.RefusedUnasked(t.Context()))
	binding.AnswerUnprovenWith(t.Context(), &binding.Error{}) // does nothing
}

// M/412: while others cannot be asked about, the answer to a thief does not tell an opaque token that lives; its holder is
// served.
func TestUnprovenOpaqueTokenWhileNobodyCanBeAsked(t *testing.T) {
	t.Parallel()
	owner, thief := newCertificate(t, "client-1").Leaf, newCertificate(t, "client-2").Leaf
	busy := &binding.Error{Reason: binding.ReasonUnavailable, RetryAfter: 7 * time.Second, Cause: errors.New("busy")}
	remembered := func(opaque bool, changes members) binding.TokenVerifier {
		of := introspected(t, changes)
		if !opaque {
			of = verifierFunc(func(context.Context, string) (*binding.Token, error) { return valid(t, claims(t, changes)), nil })
		}
		return verifierFunc(func(ctx context.Context, token string) (*binding.Token, error) {
			binding.AnswerUnprovenWith(ctx, busy)
			return of.VerifyToken(ctx, token)
		})
	}
	answer := func(config binding.Config, r *http.Request) (*httptest.ResponseRecorder, binding.Event) {
		var event binding.Event
		config.Observe = func(_ context.Context, e binding.Event) { event = e }
		w, _ := nest(r, newGuard(t, config))
		return w, event
	}
	unknown, _ := answer(binding.Config{Tokens: verifierFunc(func(context.Context, string) (*binding.Token, error) { return nil, busy })}, request("t", thief))
	require.Equal(t, 503, unknown.Code)
	for name, test := range map[string]struct {
		config binding.Config
		want   binding.Reason
	}{
		"M/412 of another certificate": {binding.Config{Tokens: remembered(true, boundTo(owner))}, binding.ReasonThumbprintMismatch},
		"M/412 without a binding":      {binding.Config{Tokens: remembered(true, nil)}, binding.ReasonTokenUnbound},
		"M/412 of another audience":    {binding.Config{Tokens: remembered(true, boundTo(thief)), Audiences: []string{"x"}}, binding.ReasonTokenAudience},
	} {
		got, event := answer(test.config, request("t", thief))
		require.Equal(t, unknown.Result(), got.Result(), name)
		require.ErrorContains(t, event.Err.Cause, string(test.want), name)
		require.ErrorContains(t, event.Err.Cause, "unavailable", name)
	}
	served, _ := answer(binding.Config{Tokens: remembered(true, boundTo(owner))}, request("t", owner))
	require.Equal(t, 204, served.Code)
	scope, _ := answer(binding.Config{Tokens: remembered(true, boundTo(owner)), Scopes: []string{"admin"}}, request("t", owner))
	require.Equal(t, 403, scope.Code, "the client has proven that the token is its own")
	jwt, _ := answer(binding.Config{Tokens: remembered(false, boundTo(owner))}, request("t", thief))
	require.Equal(t, 401, jwt.Code)
	require.Equal(t, &binding.Error{Reason: binding.ReasonUnavailable, RetryAfter: 7 * time.Second, Cause: busy.Cause}, busy, "shared, and unchanged")
}
