package suite

import (
	"fmt"
	"testing"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// policies is every policy with every state of a binding, under both schemes.
func (s *suite) policies(t *testing.T) {
	const require, accept, bearer = binding.RequireBound, binding.DangerouslyAcceptUnbound, binding.DangerouslyBearerOnly
	bound := s.Good(t)
	unbound := s.Token(t, bindingtest.TokenSpec{})
	dpop := s.Confirmed(t, `{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`)
	for _, policy := range []struct {
		name   string
		policy binding.Policy
	}{
		{"require", require}, {"if-bound", accept}, {"refuse-bound", bearer},
	} {
		for _, withDPoP := range []bool{false, true} {
			site := s.guarded(t, binding.Config{Policy: policy.policy, AcceptDPoPScheme: withDPoP})
			for _, state := range []struct {
				name   string
				client *Client
				token  string
				want   [3]Answer // by policy, under Bearer
				under  [3]Answer // by policy, under DPoP where it is accepted
			}{
				{"bound, the right certificate", s.Holder, bound, [3]Answer{OK, OK, Bound}, [3]Answer{OK, OK, Bound}},
				{
					"bound, another certificate", s.Other, bound,
					[3]Answer{OtherCertificate, OtherCertificate, Bound},
					[3]Answer{OtherCertificate, OtherCertificate, Bound},
				},
				{
					"bound, no certificate", s.Nobody, bound,
					[3]Answer{NoCertificate, NoCertificate, Bound},
					[3]Answer{NoCertificate, NoCertificate, Bound},
				},
				// RFC 9449 §7.1: the scheme stands for proof, and there is
				// none.
				{"unbound", s.Holder, unbound, [3]Answer{Unbound, OK, OK}, [3]Answer{Unbound, Unbound, Unbound}},
				{"unbound, no certificate", s.Nobody, unbound, [3]Answer{Unbound, OK, OK}, [3]Answer{Unbound, Unbound, Unbound}},
				{
					"bound by jkt", s.Holder, dpop,
					[3]Answer{BadConfirmation, BadConfirmation, BadConfirmation},
					[3]Answer{BadConfirmation, BadConfirmation, BadConfirmation},
				},
			} {
				for _, scheme := range []string{"Bearer", "DPoP", "dpop"} {
					want := state.want[policy.policy]
					switch {
					case scheme != "Bearer" && !withDPoP:
						want = NoCredentials
					case scheme != "Bearer":
						want = state.under[policy.policy]
					}
					t.Run(fmt.Sprintf("%s/%s/%s, DPoP accepted %v", policy.name, state.name, scheme, withDPoP), func(t *testing.T) {
						t.Parallel()
						request := Request{Client: state.client, Authorization: []string{scheme + " " + state.token}}
						site.Check(t, site.Probe, request, want)
					})
				}
			}
		}
	}
}
