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
		err := binding.CheckScopes(r, test.scopes...)
		if test.want == "" {
			require.NoError(t, err, test.name)
			require.Empty(t, events, "the guard's pass was reported before: %s", test.name)
			continue
		}
		requireRefused(t, err, test.want, test.status)
		require.Len(t, events, 1, test.name)
		require.Equal(t, test.want, events[0].Reason)
		require.Equal(t, "client-1", events[0].ClientID)
		if test.status == 403 {
			require.Equal(t, test.scopes, refusalOf(t, err).Scopes)
			parameters := parseChallenge(t, refusalOf(t, err).Challenge())
			require.Equal(t, "r", parameters["realm"])
			require.Equal(t, "insufficient_scope", parameters["error"])
		}
	}
}

// Without a guard in front of it, it is no pass, and our mistake.
func TestCheckScopesWithoutAGuard(t *testing.T) {
	t.Parallel()
	for _, scopes := range [][]string{{"accounts"}, {}} {
		err := binding.CheckScopes(request(bearer(claims(t, nil))), scopes...)
		requireRefused(t, err, binding.ReasonMisconfigured, 500)
		w := httptest.NewRecorder()
		binding.AsError(err).Write(w, request(""))
		require.Equal(t, 500, w.Code)
	}
	// A guard that refused has admitted nothing.
	r := request(bearer(claims(t, nil)))
	_, err := newGuard(t, binding.Config{}).Admit(r)
	require.Error(t, err)
	requireRefused(t, binding.CheckScopes(r, "accounts"), binding.ReasonMisconfigured, 500)
}

// The scopes that a caller passes stay the caller's.
func TestCheckScopesCopiesTheScopes(t *testing.T) {
	t.Parallel()
	r, err := newGuard(t, binding.Config{Policy: binding.DangerouslyAcceptUnbound}).Admit(request(bearer(claims(t, nil))))
	require.NoError(t, err)
	scopes := []string{"admin"}
	refusal := refusalOf(t, binding.CheckScopes(r, scopes...))
	scopes[0] = "changed"
	require.Equal(t, []string{"admin"}, refusal.Scopes)
}
