package binding_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// steps records who was asked, in order.
type steps struct{ asked []string }

func (s *steps) config(t *testing.T, certificate binding.Certificate, authorize error) binding.Config {
	return binding.Config{
		Tokens: verifierFunc(func(ctx context.Context, token string) (*binding.Token, error) {
			s.asked = append(s.asked, "token")
			return plain{}.VerifyToken(ctx, token)
		}),
		Certificates: &source{find: func(*http.Request) (binding.Certificate, error) {
			s.asked = append(s.asked, "certificate")
			return certificate, nil
		}},
		Authorize: func(_ context.Context, token *binding.Token, got binding.Certificate) error {
			s.asked = append(s.asked, "authorize")
			require.Equal(t, "client-1", token.ClientID())
			if _, bound := token.Thumbprint(); bound {
				require.Equal(t, certificate, got)
			} else {
				require.Zero(t, got)
			}
			return authorize
		},
		Observe: func(context.Context, binding.Event) { s.asked = append(s.asked, "observe") },
	}
}

// Each step needs the one before it, and nothing is looked at before its turn.
func TestDecisionIsMadeInOrder(t *testing.T) {
	t.Parallel()
	leaf := newCertificate(t, "client-1").Leaf
	right := binding.Certificate{Thumbprint: binding.ThumbprintOf(leaf), DER: leaf.Raw}
	another := binding.Certificate{Thumbprint: binding.Thumbprint{1}}
	for name, test := range map[string]struct {
		token       string // "": no credentials
		certificate binding.Certificate
		change      func(*binding.Config)
		authorize   error
		want        binding.Reason
		asked       []string
	}{
		"accepted": {bearer(claims(t, boundTo(leaf))), right, nil, nil, "", []string{"token", "certificate", "authorize", "observe"}},
		"no credentials, so nobody is asked": {"", right, nil, nil, binding.ReasonCredentialsMissing,
			[]string{"observe"}},
		"bad token, so no certificate": {bearer([]byte(`{}`)), right, nil, nil, binding.ReasonTokenIssuer,
			[]string{"token", "observe"}},
		"token of another audience of the guard's": {bearer(claims(t, boundTo(leaf))), right,
			func(c *binding.Config) { c.Audiences = []string{"https://other.example"} }, nil, binding.ReasonTokenAudience,
			[]string{"token", "observe"}},
		"unbound token, so no certificate": {bearer(claims(t, nil)), right, nil, nil, binding.ReasonTokenUnbound,
			[]string{"token", "observe"}},
		"unbound token accepted, so no certificate": {bearer(claims(t, nil)), right,
			func(c *binding.Config) { c.Policy = binding.DangerouslyAcceptUnbound }, nil, "",
			[]string{"token", "authorize", "observe"}},
		"bearer only, so no certificate": {bearer(claims(t, boundTo(leaf))), right,
			func(c *binding.Config) { c.Policy = binding.DangerouslyBearerOnly }, nil, binding.ReasonTokenBound,
			[]string{"token", "observe"}},
		"A/33 a thief learns of no scope and no rule": {bearer(claims(t, boundTo(leaf))), another,
			func(c *binding.Config) { c.Scopes = []string{"admin"} }, errors.New("no"), binding.ReasonThumbprintMismatch,
			[]string{"token", "certificate", "observe"}},
		"A/33 the scope, before the rule": {bearer(claims(t, boundTo(leaf))), right,
			func(c *binding.Config) { c.Scopes = []string{"accounts", "admin"} }, errors.New("no"), binding.ReasonScopeMissing,
			[]string{"token", "certificate", "observe"}},
		"the rule is last": {bearer(claims(t, boundTo(leaf))), right, nil, errors.New("no"), binding.ReasonForbidden,
			[]string{"token", "certificate", "authorize", "observe"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s steps
			config := s.config(t, test.certificate, test.authorize)
			if test.change != nil {
				test.change(&config)
			}
			r := request(test.token)
			if test.token == "" {
				r = withFields(nil)
			}
			_, err := newGuard(t, config).Check(r)
			require.Equal(t, test.asked, s.asked)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, test.want, refusalOf(t, err).Reason)
		})
	}
}

// The guard's Audiences and Scopes are required besides the verifier's.
func TestGuardNarrowsAudiencesAndScopes(t *testing.T) {
	t.Parallel()
	check := func(config binding.Config, changes members) error {
		config.Policy = binding.DangerouslyAcceptUnbound
		_, err := newGuard(t, config).Check(request(bearer(claims(t, changes))))
		return err
	}
	two := members{"aud": []string{audience, "https://api.bank.example/payments"}}
	require.NoError(t, check(binding.Config{Audiences: []string{"x", "https://api.bank.example/payments"}}, two))
	requireRefused(t, check(binding.Config{Audiences: []string{"https://api.bank.example/payments"}}, nil), binding.ReasonTokenAudience, 401)
	requireRefused(t, check(binding.Config{Audiences: []string{"x"}}, two), binding.ReasonTokenAudience, 401)
	require.ErrorContains(t, refusalOf(t, check(binding.Config{Audiences: []string{"x"}}, two)).Cause, `Config.Audiences expects one of ["x"]`)

	require.NoError(t, check(binding.Config{Scopes: []string{"payments", "accounts"}}, nil))
	err := check(binding.Config{Scopes: []string{"accounts", "admin"}}, nil)
	requireRefused(t, err, binding.ReasonScopeMissing, 403)
	require.Equal(t, []string{"accounts", "admin"}, refusalOf(t, err).Scopes, "all that the request needs")
	requireRefused(t, check(binding.Config{Scopes: []string{"Accounts"}}, nil), binding.ReasonScopeMissing, 403)
	requireRefused(t, check(binding.Config{Scopes: []string{"accounts"}}, members{"scope": nil}), binding.ReasonScopeMissing, 403)
}

// Check and a refusal leave the request as it was, header fields included.
func TestCheckChangesNothing(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	forwarded := &headerSource{names: []string{"X-Client-Cert"}}
	guard := newGuard(t, binding.Config{Certificates: forwarded})
	for name, token := range map[string]string{
		"accepted": bearer(claims(t, boundTo(certificate))),
		"refused":  bearer(claims(t, nil)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := forward(request(token), certificate)
			before, ctx := r.Header.Clone(), r.Context()
			_, _ = guard.Check(r)
			_, _ = guard.Admit(r)
			require.Equal(t, before, r.Header)
			require.Equal(t, ctx, r.Context())
			_, ok := binding.TokenFromContext(r.Context())
			require.False(t, ok)
		})
	}
}

// forward puts the certificate into the field that a headerSource of "X-Client-Cert" reads.
func forward(r *http.Request, certificate *x509.Certificate) *http.Request {
	r.Header.Set("X-Client-Cert", base64Of(certificate))
	return r
}

// A refusal is an *Error, and what comes beside it is nothing that could be used.
func TestRefusalReturnsNothingElse(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, binding.Config{})
	token, err := guard.Check(withFields(nil))
	require.Nil(t, token)
	require.IsType(t, &binding.Error{}, err)
	admitted, err := guard.Admit(withFields(nil))
	require.Nil(t, admitted)
	require.IsType(t, &binding.Error{}, err)
}

func TestGuardThatNewDidNotMakeRefuses(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	for name, guard := range map[string]*binding.Guard{"zero": {}, "nil": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, r := range []*http.Request{withFields(nil), request(bearer(claims(t, boundTo(certificate))), certificate)} {
				_, err := guard.Check(r)
				requireRefused(t, err, binding.ReasonMisconfigured, 500)
				_, err = guard.Admit(r)
				requireRefused(t, err, binding.ReasonMisconfigured, 500)
				w := httptest.NewRecorder()
				binding.AsError(err).Write(w, r)
				require.Equal(t, 500, w.Code)
				require.Empty(t, w.Header().Get("WWW-Authenticate"))
			}
		})
	}
	_, err := newGuard(t, binding.Config{}).Check(nil)
	requireRefused(t, err, binding.ReasonPanicked, 500)
}
