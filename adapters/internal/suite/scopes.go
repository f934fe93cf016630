package suite

import (
	"testing"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// scopes is RequireScopes, and the scopes of a guard.
func (s *suite) scopes(t *testing.T) {
	guard := Protect(s.Guard(t, binding.Config{Realm: "bank", ResourceMetadata: "https://api.example/metadata"}))
	ofBank := func(a Answer) Answer {
		a.Realm, a.Metadata = "bank", "https://api.example/metadata"
		return a
	}
	holder := s.Holder.Certificate.Leaf
	both := s.Good(t, "accounts", "payments")
	one := s.Good(t, "accounts")
	none := s.Token(t, bindingtest.TokenSpec{Certificate: holder, Claims: map[string]any{"scope": nil}})
	for _, row := range []struct {
		name  string
		steps []Step
		token string
		want  Answer
	}{
		{"one, there", []Step{guard, RequireScopes("payments")}, both, OK},
		{"one, missing", []Step{guard, RequireScopes("payments")}, one, ofBank(MissesScopes("payments"))},
		{"one, and the token has none", []Step{guard, RequireScopes("payments")}, none, ofBank(MissesScopes("payments"))},
		{"several, there", []Step{guard, RequireScopes("payments", "accounts")}, both, OK},
		{"several, one missing", []Step{guard, RequireScopes("payments", "accounts")}, one, ofBank(MissesScopes("payments accounts"))},
		{"several, all missing", []Step{guard, RequireScopes("payments", "accounts")}, none, ofBank(MissesScopes("payments accounts"))},
		{"one behind another", []Step{guard, RequireScopes("accounts"), RequireScopes("payments")}, one, ofBank(MissesScopes("payments"))},
		{"other case", []Step{guard, RequireScopes("Accounts")}, both, ofBank(MissesScopes("Accounts"))},
		{"a part of a scope", []Step{guard, RequireScopes("account")}, both, ofBank(MissesScopes("account"))},
		{"the guard's own", []Step{Protect(s.Guard(t, binding.Config{Scopes: []string{"accounts", "payments"}}))}, one, MissesScopes("accounts payments")},
		// Our mistakes, not the client's.
		{"none named", []Step{guard, RequireScopes()}, both, Misconfigured},
		{"an empty one", []Step{guard, RequireScopes("")}, both, Misconfigured},
		{"one that is two", []Step{guard, RequireScopes("accounts payments")}, both, Misconfigured},
		{"one that would break out of the challenge", []Step{guard, RequireScopes(`x", error="`)}, both, Misconfigured},
		{"without Protect", []Step{RequireScopes("accounts")}, both, Misconfigured},
		{"before Protect", []Step{RequireScopes("accounts"), guard}, both, Misconfigured},
		{"without Protect, none named", []Step{RequireScopes()}, both, Misconfigured},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			site := s.serve(t, row.steps...)
			site.Check(t, site.Probe, Bearer(s.Holder, row.token), row.want)
		})
	}

	t.Run("a thief learns nothing of the scopes", func(t *testing.T) {
		t.Parallel()
		site := s.serve(t, guard, RequireScopes("payments"))
		site.Check(t, site.Probe, Bearer(s.Other, one), ofBank(OtherCertificate))
		site.Check(t, site.Probe, Bearer(s.Nobody, one), ofBank(NoCertificate))
		site.Check(t, site.Probe, Request{}, ofBank(NoCredentials))
	})
}
