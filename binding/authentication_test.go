package binding_test

import (
	"context"
	"math"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// The user's authentication (RFC 9470): by the guard's Config and by CheckAuthentication alike.
func TestAuthentication(t *testing.T) {
	t.Parallel()
	ago := func(d time.Duration) int64 { return now.Add(-d).Unix() }
	strong := binding.Authentication{ACRValues: []string{"urn:example:gold", "urn:example:silver"}}
	fresh := binding.Authentication{MaxAge: 5*time.Minute + 999*time.Millisecond}
	both := binding.Authentication{ACRValues: []string{"urn:example:gold"}, MaxAge: 5 * time.Minute}
	const acr, age = `acr_values="urn:example:gold urn:example:silver"`, `max_age="300"`
	for name, test := range map[string]struct {
		required binding.Authentication
		claims   members
		want     string // of the challenge; "": accepted
	}{
		"acr, the first":             {strong, members{"acr": "urn:example:gold"}, ""},
		"acr, the second":            {strong, members{"acr": "urn:example:silver"}, ""},
		"acr missing":                {strong, nil, acr},
		"acr null":                   {strong, members{"acr": null}, acr},
		"acr empty":                  {strong, members{"acr": ""}, acr},
		"acr not in the list":        {strong, members{"acr": "urn:example:bronze"}, acr},
		"acr in another case":        {strong, members{"acr": "URN:example:gold"}, acr},
		"both values in one acr":     {strong, members{"acr": "urn:example:gold urn:example:silver"}, acr},
		"ACR is another claim":       {strong, members{"ACR": "urn:example:gold"}, acr},
		"auth_time recent":           {fresh, members{"auth_time": ago(5 * time.Minute)}, ""},
		"auth_time too old":          {fresh, members{"auth_time": ago(5*time.Minute + time.Second)}, age},
		"auth_time just recent":      {binding.Authentication{MaxAge: time.Minute}, members{"auth_time": ago(time.Minute)}, ""},
		"auth_time missing":          {fresh, nil, age},
		"auth_time missing, any age": {binding.Authentication{MaxAge: math.MaxInt64}, nil, `max_age="9223372036"`},
		"auth_time null":             {fresh, members{"auth_time": null}, age},
		"auth_time a little ahead":   {fresh, members{"auth_time": ago(-time.Minute)}, ""},
		"auth_time in the future":    {fresh, members{"auth_time": ago(-time.Minute - time.Second)}, age},
		"iat is no auth_time":        {fresh, members{"iat": ago(0)}, age},
		"both":                       {both, members{"acr": "urn:example:gold", "auth_time": ago(0)}, ""},
		"both, acr is another":       {both, members{"acr": "urn:example:silver", "auth_time": ago(0)}, `acr_values="urn:example:gold", max_age="300"`},
		"both, auth_time is too old": {both, members{"acr": "urn:example:gold", "auth_time": ago(time.Hour)}, `acr_values="urn:example:gold", max_age="300"`},
		"nothing required":           {binding.Authentication{}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var events []binding.Event
			config := binding.Config{
				Policy: binding.DangerouslyAcceptUnbound, Realm: "r", Clock: func() time.Time { return now },
				Observe: func(_ context.Context, event binding.Event) { events = append(events, event) },
			}
			r := request(bearer(claims(t, test.claims)))
			admitted, err := newGuard(t, config).Admit(r)
			require.NoError(t, err)
			events = nil
			later := binding.CheckAuthentication(admitted.Context(), test.required)

			config.Authentication = test.required
			_, atOnce := newGuard(t, config).Check(r)
			if test.want == "" {
				require.NoError(t, atOnce)
				if test.required.MaxAge != 0 || test.required.ACRValues != nil {
					require.NoError(t, later)
				}
				return
			}
			for i, err := range []error{later, atOnce} {
				requireRefused(t, err, binding.ReasonAuthenticationInsufficient, 401)
				w := httptest.NewRecorder()
				refusalOf(t, err).Write(w, r)
				require.Equal(t, []string{`Bearer realm="r", error="insufficient_user_authentication", ` +
					`error_description="the authentication of the user is too weak or too old for this request", ` + test.want}, w.Header()["Www-Authenticate"])
				require.Equal(t, binding.ReasonAuthenticationInsufficient, events[i].Reason())
				require.Equal(t, "client-1", events[i].ClientID)
				require.Error(t, refusalOf(t, err).Cause)
			}
			require.Len(t, events, 2)
		})
	}
}

// Without a clock of the Config's, the time is the system's.
func TestAuthenticationByTheSystemsClock(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, binding.Config{Policy: binding.DangerouslyAcceptUnbound, Authentication: binding.Authentication{MaxAge: time.Hour}})
	for _, test := range []struct {
		ago    time.Duration
		accept bool
	}{{time.Minute, true}, {2 * time.Hour, false}} {
		_, err := guard.Check(request(bearer(claims(t, members{"auth_time": time.Now().Add(-test.ago).Unix()}))))
		if test.accept {
			require.NoError(t, err)
		} else {
			requireRefused(t, err, binding.ReasonAuthenticationInsufficient, 401)
		}
	}
}

// What a caller does with a refusal changes nothing that the guard, or the next caller, requires.
func TestRefusalCopiesTheAuthentication(t *testing.T) {
	t.Parallel()
	required := binding.Authentication{ACRValues: []string{"gold"}}
	guard := newGuard(t, binding.Config{Policy: binding.DangerouslyAcceptUnbound, Authentication: required})
	for range 2 {
		_, err := guard.Check(request(bearer(claims(t, members{"acr": "none"}))))
		refusal := refusalOf(t, err)
		require.Equal(t, []string{"gold"}, refusal.Authentication.ACRValues)
		refusal.Authentication.ACRValues[0] = "none"
	}
}

// What is in the claims but of another type is no authentication, whether the token is refused for it or its user.
func TestAuthenticationOfAnotherType(t *testing.T) {
	t.Parallel()
	required := binding.Authentication{ACRValues: []string{"1"}, MaxAge: time.Hour}
	guard := newGuard(t, binding.Config{Policy: binding.DangerouslyAcceptUnbound, Authentication: required, Clock: func() time.Time { return now }})
	good := members{"acr": "1", "auth_time": now.Unix()}
	_, err := guard.Check(request(bearer(claims(t, good))))
	require.NoError(t, err)
	for name, changes := range map[string]members{
		"acr a number":                {"acr": 1, "auth_time": now.Unix()},
		"acr a list":                  {"acr": []string{"1"}, "auth_time": now.Unix()},
		"auth_time a string":          {"acr": "1", "auth_time": "1800000000"},
		"auth_time a negative number": {"acr": "1", "auth_time": -1},
		"auth_time in milliseconds":   {"acr": "1", "auth_time": now.UnixMilli()},
	} {
		_, err := guard.Check(request(bearer(claims(t, changes))))
		require.Error(t, err, name)
		require.Equal(t, 401, refusalOf(t, err).StatusCode(), name)
	}
}

// A requirement of nothing, or one that cannot be written in a challenge, is our mistake; so is one without a guard.
func TestCheckAuthenticationMisused(t *testing.T) {
	t.Parallel()
	r, err := newGuard(t, binding.Config{Policy: binding.DangerouslyAcceptUnbound}).Admit(request(bearer(claims(t, members{"acr": ""}))))
	require.NoError(t, err)
	for name, required := range map[string]binding.Authentication{
		"nothing": {}, "an empty list": {ACRValues: []string{}}, "an empty value": {ACRValues: []string{""}},
		"two values in one": {ACRValues: []string{"a b"}}, "A/32 a quote": {ACRValues: []string{`a"`}}, "a negative age": {MaxAge: -time.Second},
	} {
		err := binding.CheckAuthentication(r.Context(), required)
		require.Equal(t, binding.ReasonMisconfigured, refusalOf(t, err).Reason, name)
		require.Equal(t, 500, refusalOf(t, err).StatusCode(), name)
	}
	err = binding.CheckAuthentication(t.Context(), binding.Authentication{MaxAge: time.Hour})
	requireRefused(t, err, binding.ReasonMisconfigured, 500)
}

// The scope is looked at before the authentication, and both after the binding.
func TestAuthenticationComesAfterTheBinding(t *testing.T) {
	t.Parallel()
	leaf, another := newCertificate(t, "client-1").Leaf, newCertificate(t, "client-2").Leaf
	guard := newGuard(t, binding.Config{Scopes: []string{"admin"}, Authentication: binding.Authentication{MaxAge: time.Hour}})
	token := bearer(claims(t, boundTo(leaf)))
	_, err := guard.Check(request(token, another))
	requireRefused(t, err, binding.ReasonThumbprintMismatch, 401)
	_, err = guard.Check(request(token, leaf))
	requireRefused(t, err, binding.ReasonScopeMissing, 403)
}

// An Error that somebody made of a requirement which is none has a challenge without it.
func TestChallengeOfARequirementThatIsNone(t *testing.T) {
	t.Parallel()
	refusal := &binding.Error{Reason: binding.ReasonAuthenticationInsufficient, Authentication: binding.Authentication{ACRValues: []string{`a"`}, MaxAge: time.Minute}}
	parameters := parseChallenge(t, challengeOf(t, refusal))
	require.NotContains(t, parameters, "acr_values")
	require.NotContains(t, parameters, "max_age")
}
