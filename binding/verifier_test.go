package binding_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// Whatever a verifier does wrong is a refusal, and never the client's fault.
func TestVerifierFaults(t *testing.T) {
	t.Parallel()
	mine := errors.New("mine")
	token := valid(t, claims(t, nil))
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	for name, test := range map[string]struct {
		ctx    context.Context
		token  *binding.Token
		err    error
		reason binding.Reason
		status int
		cause  error // in the chain of the refusal
	}{
		"neither token nor error":        {t.Context(), nil, nil, binding.ReasonUnavailable, 503, nil},
		"the zero Token":                 {t.Context(), &binding.Token{}, nil, binding.ReasonUnavailable, 503, nil},
		"M/422 a plain error":            {t.Context(), nil, mine, binding.ReasonUnavailable, 503, mine},
		"M/422 the token is invalid":     {t.Context(), nil, &binding.Error{Reason: binding.ReasonTokenInvalid, Cause: mine}, binding.ReasonTokenInvalid, 401, mine},
		"an Error in words of its own":   {t.Context(), nil, fmt.Errorf("%w: %w", mine, &binding.Error{Reason: binding.ReasonTokenInvalid}), binding.ReasonTokenInvalid, 401, mine},
		"an error and a good token":      {t.Context(), token, mine, binding.ReasonUnavailable, 503, mine},
		"an Error and a good token":      {t.Context(), token, &binding.Error{Reason: binding.ReasonTokenExpired, Cause: mine}, binding.ReasonTokenExpired, 401, mine},
		"an Error that is wrapped":       {t.Context(), nil, fmt.Errorf("wrapped: %w", &binding.Error{Reason: binding.ReasonTokenSignature, Cause: mine}), binding.ReasonTokenSignature, 401, mine},
		"a nil *Error and a good token":  {t.Context(), token, (*binding.Error)(nil), binding.ReasonUnavailable, 503, nil},
		"a zero Error":                   {t.Context(), token, &binding.Error{}, "", 500, nil},
		"an Error of an unknown reason":  {t.Context(), token, &binding.Error{Reason: "accepted", Cause: mine}, "accepted", 500, mine},
		"canceled":                       {canceled, nil, context.Canceled, binding.ReasonCanceled, 503, context.Canceled},
		"canceled, an error of its own":  {canceled, nil, mine, binding.ReasonCanceled, 503, mine},
		"canceled, an Error":             {canceled, nil, &binding.Error{Reason: binding.ReasonTokenIssuer}, binding.ReasonTokenIssuer, 401, nil},
		"past its deadline":              {late, nil, fmt.Errorf("fetch: %w", context.DeadlineExceeded), binding.ReasonCanceled, 503, context.DeadlineExceeded},
		"a deadline that is its own":     {t.Context(), nil, context.DeadlineExceeded, binding.ReasonUnavailable, 503, context.DeadlineExceeded},
		"canceled, and yet a good token": {canceled, token, nil, "", 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			guard := newGuard(t, binding.Config{
				Policy: binding.DangerouslyAcceptUnbound,
				Tokens: verifierFunc(func(context.Context, string) (*binding.Token, error) { return test.token, test.err }),
			})
			got, err := guard.Check(request("t").WithContext(test.ctx))
			if test.status == 0 {
				require.NoError(t, err)
				require.Same(t, token, got)
				return
			}
			require.Nil(t, got)
			requireRefused(t, err, test.reason, test.status)
			if test.cause != nil {
				require.ErrorIs(t, err, test.cause)
			}
			if _, is := test.err.(*binding.Error); is && test.cause == nil && test.reason != binding.ReasonUnavailable {
				require.NoError(t, refusalOf(t, err).Cause, "an Error is not its own cause")
			}
			require.NotErrorIs(t, err, http.ErrAbortHandler) // and looking for a cause does not panic
		})
	}
}

func TestVerifierGetsTheTokenAndTheContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	guard := newGuard(t, binding.Config{
		Policy: binding.DangerouslyAcceptUnbound,
		Tokens: verifierFunc(func(ctx context.Context, token string) (*binding.Token, error) {
			require.Equal(t, "the-token", token)
			require.Equal(t, "value", ctx.Value(key{}))
			return valid(t, claims(t, nil)), nil
		}),
	})
	r := request("the-token")
	_, err := guard.Check(r.WithContext(context.WithValue(t.Context(), key{}, "value")))
	require.NoError(t, err)
}

// A verifier may hand one Error to all requests. What two guards, and what their observers and callers do with it, changes
// it for nobody.
func TestErrorThatAVerifierSharesIsNotChanged(t *testing.T) {
	t.Parallel()
	shared := &binding.Error{Reason: binding.ReasonScopeMissing, Scopes: []string{"a", "b"}}
	config := binding.Config{
		Tokens:  verifierFunc(func(context.Context, string) (*binding.Token, error) { return nil, shared }),
		Realm:   "one",
		Observe: func(_ context.Context, event binding.Event) { spoil(event.Err) },
	}
	one := newGuard(t, config)
	config.Realm = "two"
	two := newGuard(t, config)
	for range 2 {
		for realm, guard := range map[string]*binding.Guard{"one": one, "two": two} {
			_, err := guard.Check(request("t"))
			refusal := refusalOf(t, err)
			require.NotSame(t, shared, refusal)
			require.Equal(t, `Bearer realm="`+realm+`", error="insufficient_scope", `+
				`error_description="the access token lacks a scope that this request needs", scope="a b"`, challengeOf(t, refusal))
			spoil(refusal)
		}
	}
	require.Equal(t, &binding.Error{Reason: binding.ReasonScopeMissing, Scopes: []string{"a", "b"}}, shared)
}

// spoil changes all that can be changed of an Error.
func spoil(refusal *binding.Error) {
	refusal.Scopes[0] = "spoiled"
	scopes := refusal.Scopes
	*refusal = binding.Error{Reason: binding.ReasonForbidden, Cause: errors.New("spoiled"), Scopes: scopes}
}

// A nil *Error in an error is answered and told like any other error, by whoever it is returned.
func TestANilErrorIsToldByTheLog(t *testing.T) {
	t.Parallel()
	leaf := newCertificate(t, "client-1").Leaf
	var nothing error = (*binding.Error)(nil)
	for name, test := range map[string]struct {
		config binding.Config
		reason binding.Reason
		status int
	}{
		"verifier": {binding.Config{Tokens: verifierFunc(func(context.Context, string) (*binding.Token, error) {
			return nil, nothing
		})}, binding.ReasonUnavailable, 503},
		"certificate source": {binding.Config{Certificates: &source{find: func(*http.Request) (binding.Certificate, error) {
			return binding.Certificate{}, nothing
		}}}, binding.ReasonCertificateUnreadable, 401},
		"authorize": {binding.Config{Authorize: func(context.Context, *binding.Token, binding.Certificate) error {
			return nothing
		}}, binding.ReasonForbidden, 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log strings.Builder
			test.config.Observe = binding.LogEvents(slog.New(slog.NewTextHandler(&log, nil)))
			_, err := newGuard(t, test.config).Check(request(bearer(claims(t, boundTo(leaf))), leaf))
			requireRefused(t, err, test.reason, test.status)
			require.Contains(t, log.String(), "a nil *Error was returned as an error")
		})
	}
}
