package binding_test

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

func TestCheckScopes(t *testing.T) {
	t.Parallel()
	var events []binding.Event
	guard := newGuard(t, binding.Config{
		Policy: binding.DangerouslyAcceptUnbound, Realm: "r",
		Observe: func(_ context.Context, event binding.Event) { events = append(events, event) },
	})
	r, err := guard.Admit(request(bearer(claims(t, nil))))
	require.NoError(t, err)
	require.Len(t, events, 1)
	for _, test := range []struct {
		name   string
		scopes []string
		want   binding.Reason
		status int
	}{
		{"one", []string{"accounts"}, "", 0},
		{"both, in another order", []string{"payments", "accounts"}, "", 0},
		{"A/33 one is missing", []string{"accounts", "admin"}, binding.ReasonScopeMissing, 403},
		{"A/33 another case", []string{"Accounts"}, binding.ReasonScopeMissing, 403},
		{"A/33 a part of one", []string{"account"}, binding.ReasonScopeMissing, 403},
		{"none", nil, binding.ReasonMisconfigured, 500},
		{"none, but not nil", []string{}, binding.ReasonMisconfigured, 500},
		{"an empty one", []string{""}, binding.ReasonMisconfigured, 500},
		{"A/32 two in one", []string{"accounts payments"}, binding.ReasonMisconfigured, 500},
		{"A/32 one with a quote", []string{"accounts", `a"`}, binding.ReasonMisconfigured, 500},
	} {
		events = nil
		err := binding.CheckScopes(r.Context(), test.scopes...)
		if test.want == "" {
			require.NoError(t, err, test.name)
			require.Empty(t, events, "the guard's pass was reported before: %s", test.name)
			continue
		}
		requireRefused(t, err, test.want, test.status)
		require.Len(t, events, 1, test.name)
		require.Equal(t, test.want, events[0].Reason())
		require.Equal(t, "client-1", events[0].ClientID)
		require.Zero(t, events[0].Duration, "nobody has measured it")
		if test.status == 403 {
			require.Equal(t, test.scopes, refusalOf(t, err).Scopes)
			parameters := parseChallenge(t, challengeOf(t, refusalOf(t, err)))
			require.Equal(t, "r", parameters["realm"])
			require.Equal(t, "insufficient_scope", parameters["error"])
		}
	}
}

// Without a guard in front of it, it is no pass, and our mistake.
func TestCheckScopesWithoutAGuard(t *testing.T) {
	t.Parallel()
	for _, scopes := range [][]string{{"accounts"}, {}} {
		err := binding.CheckScopes(request(bearer(claims(t, nil))).Context(), scopes...)
		requireRefused(t, err, binding.ReasonMisconfigured, 500)
		w := httptest.NewRecorder()
		binding.AsError(err).Write(w, request(""))
		require.Equal(t, 500, w.Code)
	}
	// A guard that refused has admitted nothing.
	r := request(bearer(claims(t, nil)))
	_, err := newGuard(t, binding.Config{}).Admit(r)
	require.Error(t, err)
	requireRefused(t, binding.CheckScopes(r.Context(), "accounts"), binding.ReasonMisconfigured, 500)
}

// The scopes that a caller passes stay the caller's.
func TestCheckScopesCopiesTheScopes(t *testing.T) {
	t.Parallel()
	r, err := newGuard(t, binding.Config{Policy: binding.DangerouslyAcceptUnbound}).Admit(request(bearer(claims(t, nil))))
	require.NoError(t, err)
	scopes := []string{"admin"}
	refusal := refusalOf(t, binding.CheckScopes(r.Context(), scopes...))
	scopes[0] = "changed"
	require.Equal(t, []string{"admin"}, refusal.Scopes)
}

// Any one of the scopes will do, by the guard's Config and by CheckAnyScope alike.
func TestAnyScope(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		scopes []string
		want   binding.Reason
		status int
	}{
		{"the only one", []string{"accounts"}, "", 0},
		{"the first", []string{"accounts", "admin"}, "", 0},
		{"the last", []string{"admin", "payments"}, "", 0},
		{"A/33 none of them", []string{"admin", "Accounts"}, binding.ReasonScopeMissing, 403},
		{"no scope", nil, binding.ReasonMisconfigured, 500},
		{"A/32 two in one", []string{"accounts payments", "accounts"}, binding.ReasonMisconfigured, 500},
	} {
		var events []binding.Event
		config := binding.Config{
			Policy:  binding.DangerouslyAcceptUnbound,
			Observe: func(_ context.Context, event binding.Event) { events = append(events, event) },
		}
		admitted, err := newGuard(t, config).Admit(request(bearer(claims(t, nil))))
		require.NoError(t, err)
		events = nil
		refusals := []error{binding.CheckAnyScope(admitted.Context(), test.scopes...)}
		if test.status != 500 {
			config.AnyScope = test.scopes
			_, err = newGuard(t, config).Check(request(bearer(claims(t, nil))))
			refusals = append(refusals, err)
		}
		for i, err := range refusals {
			if test.want == "" {
				require.NoError(t, err, test.name)
				continue
			}
			requireRefused(t, err, test.want, test.status)
			require.Equal(t, test.want, events[i].Reason(), test.name)
			if test.status == 403 {
				require.Equal(t, "admin Accounts", parseChallenge(t, challengeOf(t, refusalOf(t, err)))["scope"])
				require.ErrorContains(t, refusalOf(t, err).Cause, `one of ["admin" "Accounts"]`)
			}
		}
	}
	requireRefused(t, binding.CheckAnyScope(t.Context(), "accounts"), binding.ReasonMisconfigured, 500)
}
