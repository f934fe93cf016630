package binding_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// A rule that says yes today may say no tomorrow: it is asked for every request, though the token is the same.
func TestAuthorizeIsAskedForEveryRequest(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	revoked, asked := false, 0
	guard := newGuard(t, binding.Config{Authorize: func(context.Context, *binding.Token, binding.Certificate) error {
		asked++
		if revoked {
			return fmt.Errorf("list: %w", &binding.Error{Reason: binding.ReasonTokenRevoked})
		}
		return nil
	}})
	token := bearer(claims(t, boundTo(certificate)))
	for range 3 {
		_, err := guard.Check(request(token, certificate))
		require.NoError(t, err)
	}
	revoked = true
	_, err := guard.Check(request(token, certificate))
	requireRefused(t, err, binding.ReasonTokenRevoked, 401)
	require.Equal(t, 4, asked)
}

func TestAuthorizeErrors(t *testing.T) {
	t.Parallel()
	mine := errors.New("mine")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx    context.Context
		err    error
		reason binding.Reason
		status int
	}{
		"its own":                     {t.Context(), mine, binding.ReasonForbidden, 403},
		"revoked":                     {t.Context(), fmt.Errorf("%w: %w", mine, &binding.Error{Reason: binding.ReasonTokenRevoked}), binding.ReasonTokenRevoked, 401},
		"unavailable":                 {t.Context(), &binding.Error{Reason: binding.ReasonUnavailable, Cause: mine}, binding.ReasonUnavailable, 503},
		"two, the first counts":       {t.Context(), errors.Join(mine, &binding.Error{Reason: binding.ReasonUnavailable}, &binding.Error{Reason: binding.ReasonTokenRevoked}), binding.ReasonUnavailable, 503},
		"request canceled":            {canceled, fmt.Errorf("%w: %w", mine, context.Canceled), binding.ReasonCanceled, 503},
		"its own of a canceled one":   {canceled, mine, binding.ReasonForbidden, 403},
		"a context of its own":        {t.Context(), fmt.Errorf("%w: %w", mine, context.Canceled), binding.ReasonForbidden, 403},
		"scope missing":               {t.Context(), &binding.Error{Reason: binding.ReasonScopeMissing, Scopes: []string{"a"}, Cause: mine}, binding.ReasonScopeMissing, 403},
		"a reason that there is not":  {t.Context(), &binding.Error{Reason: "granted", Cause: mine}, "granted", 500},
		"a nil *Error is no pass":     {t.Context(), (*binding.Error)(nil), binding.ReasonForbidden, 403},
		"a zero *Error is no pass":    {t.Context(), errors.Join(mine, &binding.Error{}), "", 500},
		"revoked of a canceled one":   {canceled, errors.Join(mine, &binding.Error{Reason: binding.ReasonTokenRevoked}), binding.ReasonTokenRevoked, 401},
		"http.ErrAbortHandler as one": {t.Context(), errors.Join(mine, http.ErrAbortHandler), binding.ReasonForbidden, 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			guard := newGuard(t, binding.Config{
				Policy:    binding.DangerouslyAcceptUnbound,
				Authorize: func(context.Context, *binding.Token, binding.Certificate) error { return test.err },
			})
			_, err := guard.Check(request(bearer(claims(t, nil))).WithContext(test.ctx))
			requireRefused(t, err, test.reason, test.status)
			if test.err != error((*binding.Error)(nil)) {
				require.ErrorIs(t, err, mine)
			}
		})
	}
}

// What Authorize gets of the certificate is the connection's own.
func TestAuthorizeGetsTheCertificate(t *testing.T) {
	t.Parallel()
	leaf := newCertificate(t, "client-1").Leaf
	var got binding.Certificate
	guard := newGuard(t, binding.Config{Authorize: func(_ context.Context, _ *binding.Token, c binding.Certificate) error {
		got = c
		return nil
	}})
	_, err := guard.Check(request(bearer(claims(t, boundTo(leaf))), leaf))
	require.NoError(t, err)
	require.Equal(t, leaf.Raw, got.DER)
	require.Equal(t, binding.Thumbprint(sha256.Sum256(leaf.Raw)), got.Thumbprint)
	parsed, err := got.X509()
	require.NoError(t, err)
	require.Same(t, leaf, parsed)
}

// The words around an Error are for the log, and take no cause's place.
func TestCauseOfAHooksError(t *testing.T) {
	t.Parallel()
	cause := errors.New("the cause")
	for name, row := range map[string]struct {
		refusal *binding.Error
		want    string
	}{
		"without a cause": {&binding.Error{Reason: binding.ReasonTokenRevoked}, "the list says so: binding: request refused: token_revoked"},
		"with a cause":    {&binding.Error{Reason: binding.ReasonTokenRevoked, Cause: cause}, "the cause"},
	} {
		guard := newGuard(t, binding.Config{Policy: binding.DangerouslyAcceptUnbound, Authorize: func(context.Context, *binding.Token, binding.Certificate) error {
			return fmt.Errorf("the list says so: %w", row.refusal)
		}})
		_, err := guard.Check(request(bearer(claims(t, nil))))
		require.Equal(t, binding.ReasonTokenRevoked, refusalOf(t, err).Reason, name)
		require.EqualError(t, refusalOf(t, err).Cause, row.want, name)
	}
}
