package binding_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// What RFC 7662 §2.2 makes optional may be absent from an introspection response; what is there is checked all the same.
func TestValidateIntrospectionResponse(t *testing.T) {
	t.Parallel()
	const (
		ok      = binding.Reason("")
		iss     = binding.ReasonTokenIssuer
		aud     = binding.ReasonTokenAudience
		claim   = binding.ReasonTokenClaims
		expired = binding.ReasonTokenExpired
		kind    = binding.ReasonTokenType
	)
	missing := func(e *binding.Expect) { e.DangerouslyAcceptMissingAudience = true }
	for name, test := range map[string]struct {
		changes members
		expect  func(*binding.Expect)
		want    binding.Reason
	}{
		"all there":                          {nil, nil, ok},
		"no iss":                             {members{"iss": nil}, nil, ok},
		"another iss":                        {members{"iss": "https://evil.example"}, nil, iss},
		"no exp":                             {members{"exp": nil}, nil, ok},
		"no exp, where a lifetime is needed": {members{"exp": nil}, func(e *binding.Expect) { e.MaxLifetime = time.Hour }, binding.ReasonTokenLifetime},
		"exp past":                           {members{"exp": 1}, nil, expired},
		"no exp, nbf in the future":          {members{"exp": nil, "nbf": now.Add(time.Hour).Unix()}, nil, binding.ReasonTokenNotYetValid},
		"no aud":                             {members{"aud": nil, "token_type": "Bearer"}, nil, aud},
		"another aud":                        {members{"aud": "x", "token_type": "Bearer"}, missing, aud},
		"no aud, accepted":                   {members{"aud": nil, "token_type": "Bearer"}, missing, ok},
		"no aud, accepted, no token_type":    {members{"aud": nil}, missing, aud},
		"no aud, accepted, no Audiences":     {members{"aud": nil, "token_type": "Bearer"}, func(e *binding.Expect) { missing(e); e.Audiences = nil }, ok},
		"an aud, accepted, no Audiences":     {members{"token_type": "Bearer"}, func(e *binding.Expect) { missing(e); e.Audiences = nil }, aud},
		"no aud, accepted, another type":     {members{"aud": nil, "token_type": "refresh_token"}, missing, kind},
		"token_type bearer":                  {members{"token_type": "bearer"}, nil, ok},
		"token_type access_token":            {members{"token_type": "access_token"}, nil, ok},
		"token_type Access_Token":            {members{"token_type": "Access_Token"}, nil, kind},
		"token_type DPoP":                    {members{"token_type": "DPoP"}, nil, ok},
		"token_type refresh_token":           {members{"token_type": "refresh_token"}, nil, kind},
		"token_type empty":                   {members{"token_type": ""}, nil, kind},
		"token_type null":                    {members{"token_type": null}, nil, ok},
		"token_type array":                   {members{"token_type": []string{"Bearer"}}, nil, claim},
		"typ Refresh (Keycloak)":             {members{"typ": "Refresh"}, nil, kind},
		"token_use refresh_token (Hydra)":    {members{"token_use": "refresh_token"}, nil, kind},

		// Without Introspection nothing of this holds.
		"a JWT without iss":            {members{"iss": nil}, func(e *binding.Expect) { e.Introspection = false }, iss},
		"a JWT without exp":            {members{"exp": nil}, func(e *binding.Expect) { e.Introspection = false }, claim},
		"a JWT without aud, accepted":  {members{"aud": nil, "token_type": "Bearer"}, func(e *binding.Expect) { missing(e); e.Introspection = false }, aud},
		"a JWT of a token_type unread": {members{"token_type": 1}, func(e *binding.Expect) { e.Introspection = false }, ok},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expect := good
			expect.Introspection = true
			if test.expect != nil {
				test.expect(&expect)
			}
			_, err := mustParse(t, claims(t, test.changes)).Validate(expect)
			if test.want == ok {
				require.NoError(t, err)
				return
			}
			requireRefused(t, err, test.want, 401)
		})
	}
}

// introspected is a verifier of one introspection response.
func introspected(t *testing.T, changes members) binding.TokenVerifier {
	t.Helper()
	expect := good
	expect.Introspection = true
	token, err := mustParse(t, claims(t, changes)).Validate(expect)
	require.NoError(t, err)
	return verifierFunc(func(context.Context, string) (*binding.Token, error) { return token, nil })
}

// Who has stolen an opaque token must not learn that it lives: all 401 have one answer, to the byte.
func TestOpaqueTokenAnswersAlike(t *testing.T) {
	t.Parallel()
	owner, thief := newCertificate(t, "client-1").Leaf, newCertificate(t, "client-2").Leaf
	write := func(guard *binding.Guard) *httptest.ResponseRecorder {
		_, err := guard.Check(request("t", thief))
		w := httptest.NewRecorder()
		binding.AsError(err).Write(w, request("t"))
		return w
	}
	inactive := write(refusing(t, binding.Config{}, &binding.Error{Reason: binding.ReasonTokenInactive, Opaque: true}))
	require.Equal(t, 401, inactive.Code)
	bound := introspected(t, boundTo(owner))
	var events []binding.Event
	observe := func(_ context.Context, event binding.Event) { events = append(events, event) }
	for _, test := range []struct {
		want   binding.Reason
		config binding.Config
	}{
		{binding.ReasonThumbprintMismatch, binding.Config{Tokens: bound}},
		{binding.ReasonCertificateMissing, binding.Config{Tokens: bound, Certificates: certificateOf(binding.Certificate{})}},
		{binding.ReasonTokenBound, binding.Config{Tokens: bound, Policy: binding.DangerouslyBearerOnly}},
		{binding.ReasonTokenAudience, binding.Config{Tokens: bound, Audiences: []string{"x"}}},
		{binding.ReasonTokenUnbound, binding.Config{Tokens: introspected(t, nil)}},
		{binding.ReasonTokenType, binding.Config{Tokens: introspected(t, members{"token_type": "DPoP"})}},
		{binding.ReasonTokenRevoked, binding.Config{Tokens: introspected(t, boundTo(thief)),
			Authorize: func(context.Context, *binding.Token, binding.Certificate) error {
				return &binding.Error{Reason: binding.ReasonTokenRevoked}
			}}},
	} {
		events, test.config.Observe = nil, observe
		require.Equal(t, inactive.Result(), write(newGuard(t, test.config)).Result(), test.want)
		require.Equal(t, test.want, events[0].Reason(), "the log knows")
		require.True(t, events[0].Err.Opaque)
	}
	// What is no word on the token keeps its answer, and a JWT's refusals keep theirs.
	forbidden := write(newGuard(t, binding.Config{Tokens: introspected(t, boundTo(thief)), Scopes: []string{"admin"}}))
	require.Equal(t, 403, forbidden.Code)
	parsed := mustParse(t, claims(t, boundTo(owner)))
	plainly := write(newGuard(t, binding.Config{Tokens: verifierFunc(func(context.Context, string) (*binding.Token, error) {
		return parsed.Validate(good)
	})}))
	require.NotEqual(t, inactive.Body.String(), plainly.Body.String())
}

// The guard marks its own copy: a source may hand one Error to all requests, of JWTs as well.
func TestOpaqueTokenChangesNoSharedError(t *testing.T) {
	t.Parallel()
	shared := &binding.Error{Reason: binding.ReasonForwardedUntrusted}
	guard := newGuard(t, binding.Config{Tokens: introspected(t, boundTo(newCertificate(t, "client-1").Leaf)), Certificates: failing(shared)})
	_, err := guard.Check(request("t"))
	require.True(t, refusalOf(t, err).Opaque)
	require.False(t, shared.Opaque)
}

// A token that was issued for the DPoP scheme is no bearer token.
func TestOpaqueTokenOfTypeDPoP(t *testing.T) {
	t.Parallel()
	leaf := newCertificate(t, "client-1").Leaf
	dpop := boundTo(leaf)
	dpop["token_type"] = "dpop"
	for name, test := range map[string]struct {
		changes members
		config  binding.Config
		want    binding.Reason
	}{
		"bound, scheme accepted":                 {dpop, binding.Config{AcceptDPoPScheme: true}, ""},
		"L/369 bound, scheme not accepted":       {dpop, binding.Config{}, ""},
		"L/369 unbound, under a policy":          {members{"token_type": "DPoP"}, binding.Config{Policy: binding.DangerouslyAcceptUnbound}, binding.ReasonTokenType},
		"unbound, accepted, under a policy":      {members{"token_type": "DPoP"}, binding.Config{Policy: binding.DangerouslyAcceptUnbound, AcceptDPoPScheme: true}, binding.ReasonTokenType},
		"unbound, accepted, by bearer-only":      {members{"token_type": "DPoP"}, binding.Config{Policy: binding.DangerouslyBearerOnly, AcceptDPoPScheme: true}, binding.ReasonTokenType},
		"L/369 bound to a key, typed DPoP":       {members{"token_type": "DPoP", "cnf": members{"jkt": appendixA}}, binding.Config{}, binding.ReasonConfirmationDPoP},
		"L/369 bound to a key, typed Bearer":     {members{"token_type": "Bearer", "cnf": members{"jkt": appendixA}}, binding.Config{}, binding.ReasonConfirmationDPoP},
		"unbound Bearer, scheme and policy good": {members{"token_type": "Bearer"}, binding.Config{Policy: binding.DangerouslyAcceptUnbound, AcceptDPoPScheme: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.config.Tokens = introspected(t, test.changes)
			_, err := newGuard(t, test.config).Check(request("t", leaf))
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			requireRefused(t, err, test.want, 401)
			if test.want == binding.ReasonTokenType {
				require.ErrorContains(t, binding.AsError(err).Cause, "token_type is DPoP, and the token is bound to nothing")
			}
		})
	}
}

// Only an introspection response may be of a token without an end, and it stays one when a cache asks for its times.
func TestValidAtOfATokenWithoutAnEnd(t *testing.T) {
	t.Parallel()
	expect := good
	expect.Introspection = true
	parsed := mustParse(t, claims(t, members{"exp": nil}))
	token, err := parsed.Validate(expect)
	require.NoError(t, err)
	require.NoError(t, token.ValidAt(now, 0))
	_, err = parsed.Validate(good)
	requireRefused(t, err, binding.ReasonTokenClaims, 401)
}
