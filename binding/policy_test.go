package binding_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// policies is what each policy makes of each kind of token in each state of the certificate: "" where the request is
// accepted. The table of rollout.md is made of it.
type policies struct {
	policies, tokens, certificates []string
	reasons                        map[string]map[string][]binding.Reason // by policy and token, in the order of certificates
}

func policyTable() policies {
	const (
		ok         = binding.Reason("")
		missing    = binding.ReasonCertificateMissing
		unreadable = binding.ReasonCertificateUnreadable
		mismatch   = binding.ReasonThumbprintMismatch
		bound      = binding.ReasonTokenBound
		unbound    = binding.ReasonTokenUnbound
		bad        = binding.ReasonConfirmationMalformed
		dpop       = binding.ReasonConfirmationDPoP
	)
	return policies{
		policies:     []string{"RequireBound", "DangerouslyAcceptUnbound", "DangerouslyBearerOnly"},
		tokens:       []string{"bound", "without `cnf`", "bound by `jkt`", "`cnf` not understood"},
		certificates: []string{"none", "right", "another", "unreadable", "unreadable, yet found"},
		reasons: map[string]map[string][]binding.Reason{
			"RequireBound": {
				"bound":                {missing, ok, mismatch, unreadable, unreadable},
				"without `cnf`":        {unbound, unbound, unbound, unbound, unbound},
				"bound by `jkt`":       {dpop, dpop, dpop, dpop, dpop},
				"`cnf` not understood": {bad, bad, bad, bad, bad},
			},
			"DangerouslyAcceptUnbound": {
				"bound":                {missing, ok, mismatch, unreadable, unreadable},
				"without `cnf`":        {ok, ok, ok, ok, ok},
				"bound by `jkt`":       {dpop, dpop, dpop, dpop, dpop},
				"`cnf` not understood": {bad, bad, bad, bad, bad},
			},
			"DangerouslyBearerOnly": {
				"bound":                {bound, bound, bound, bound, bound},
				"without `cnf`":        {ok, ok, ok, ok, ok},
				"bound by `jkt`":       {dpop, dpop, dpop, dpop, dpop},
				"`cnf` not understood": {bad, bad, bad, bad, bad},
			},
		},
	}
}

// Each policy, for each kind of token, for each state of the certificate.
func TestPolicies(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	good := binding.Certificate{Thumbprint: binding.ThumbprintOf(certificate), DER: certificate.Raw}
	certificates := map[string]*source{
		"none":       certificateOf(binding.Certificate{}),
		"right":      certificateOf(good),
		"another":    certificateOf(binding.Certificate{Thumbprint: binding.Thumbprint{1}}),
		"unreadable": failing(errors.New("broken")),
		"unreadable, yet found": {find: func(*http.Request) (binding.Certificate, error) {
			return good, errors.New("broken")
		}},
	}
	tokens := map[string][]byte{
		"bound":                claims(t, boundTo(certificate)),
		"without `cnf`":        claims(t, nil),
		"`cnf` not understood": claims(t, members{"cnf": null}),
		"bound by `jkt`":       claims(t, members{"cnf": members{"jkt": appendixA}}),
	}
	table := policyTable()
	for _, policy := range table.policies {
		for _, kind := range table.tokens {
			row := table.reasons[policy][kind]
			require.Len(t, row, len(table.certificates))
			for i, state := range table.certificates {
				t.Run(fmt.Sprintf("%s, token %s, certificate %s", policy, kind, state), func(t *testing.T) {
					t.Parallel()
					guard := newGuard(t, binding.Config{Policy: allPolicies[policy], Certificates: certificates[state]})
					require.Equal(t, allPolicies[policy], guard.Requirements().Policy)
					token, err := guard.Check(request(bearer(tokens[kind])))
					if row[i] == "" {
						require.NoError(t, err)
						require.Equal(t, "client-1", token.ClientID())
						return
					}
					require.Nil(t, token)
					requireRefused(t, err, row[i], 401)
					refusal := refusalOf(t, err)
					if row[i] == binding.ReasonThumbprintMismatch {
						require.Equal(t, good.Thumbprint, refusal.Expected)
						require.Equal(t, binding.Thumbprint{1}, refusal.Presented)
					} else {
						require.Zero(t, refusal.Expected)
						require.Zero(t, refusal.Presented)
					}
				})
			}
		}
	}
}

func TestPolicyOfAGuardThatNobodyMade(t *testing.T) {
	t.Parallel()
	require.Equal(t, binding.RequireBound, (*binding.Guard)(nil).Requirements().Policy)
	require.Equal(t, binding.RequireBound, new(binding.Guard).Requirements().Policy)
}

// A source may name its reason; the binding is refused whatever it is.
func TestCertificateSourceMayNameItsReason(t *testing.T) {
	t.Parallel()
	payload := claims(t, boundTo(newCertificate(t, "client-1").Leaf))
	for _, reason := range []binding.Reason{binding.ReasonForwardedUntrusted, binding.ReasonForwardedMalformed, "no such reason", ""} {
		guard := newGuard(t, binding.Config{Certificates: failing(fmt.Errorf("wrapped: %w", &binding.Error{Reason: reason}))})
		_, err := guard.Check(request(bearer(payload)))
		require.Equal(t, reason, refusalOf(t, err).Reason)
	}
	for _, unnamed := range []error{errors.New("mine"), (*binding.Error)(nil)} {
		_, err := newGuard(t, binding.Config{Certificates: failing(unnamed)}).Check(request(bearer(payload)))
		requireRefused(t, err, binding.ReasonCertificateUnreadable, 401)
	}
}

// failing is a source that finds nothing that it can read.
func failing(err error) *source {
	return &source{find: func(*http.Request) (binding.Certificate, error) { return binding.Certificate{}, err }}
}

// A policy prints and marshals as the word that the option -policy of examples/server takes.
func TestPolicyIsAWord(t *testing.T) {
	t.Parallel()
	for policy, word := range map[binding.Policy]string{
		binding.RequireBound: "require", binding.DangerouslyAcceptUnbound: "if-bound", binding.DangerouslyBearerOnly: "refuse-bound",
	} {
		require.Equal(t, word, fmt.Sprint(policy))
		text, err := json.Marshal(map[string]any{"policy": policy})
		require.NoError(t, err)
		require.JSONEq(t, `{"policy":"`+word+`"}`, string(text))
	}
	for _, unknown := range []binding.Policy{-1, 3} {
		require.Equal(t, fmt.Sprintf("Policy(%d)", int(unknown)), unknown.String())
		_, err := unknown.MarshalText()
		require.Error(t, err)
	}
}
