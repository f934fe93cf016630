package introspection_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/introspection"
	"github.com/certbound/certbound/jwks"
)

func TestByForm(t *testing.T) {
	t.Parallel()
	segment := base64.RawURLEncoding.EncodeToString
	header := segment([]byte(`{"alg":"ES256"}`))
	for name, test := range map[string]struct {
		token string
		jwt   bool
	}{
		"a JWT":                     {header + "." + segment([]byte("{}")) + ".c2ln", true},
		"a foreign JWT":             {header + "." + segment([]byte(`{"iss":"https://evil.example"}`)) + ".c2ln", true},
		"an unsigned JWT":           {header + "..", true},
		"M/413 a space in front":    {segment([]byte(` {"alg":"ES256"}`)) + ".e30.c2ln", true},
		"M/413 a space inside":      {segment([]byte(`{ "alg":"ES256"}`)) + ".e30.c2ln", true},
		"M/413 a line end inside":   {segment([]byte("{\n\"alg\":\"ES256\"}")) + ".e30.c2ln", true},
		"M/413 line ends in front":  {segment([]byte("\r\n\t \n{\"alg\":\"ES256\"}")) + ".e30.c2ln", true},
		"M/413 an empty object":     {segment([]byte("{}")) + ".e30.c2ln", true},
		"M/413 a brace alone":       {"ew.a.b", true},
		"M/413 an array":            {segment([]byte(`["alg"]`)) + ".e30.c2ln", false},
		"M/413 a string":            {segment([]byte(`"{}"`)) + ".e30.c2ln", false},
		"M/413 a BOM":               {segment([]byte("\ufeff{}")) + ".e30.c2ln", false},
		"M/413 space alone":         {segment([]byte("    ")) + ".e30.c2ln", false},
		"N/431 a JWE":               {header + ".a.b.c.d", false},
		"N/431 four parts":          {header + ".a.b.c", false},
		"N/431 seventeen parts":     {header + ".a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p", false},
		"one dot":                   {header + ".a", false},
		"no dot":                    {header, false},
		"dots, no header":           {"a.b.c", false},
		"eyJ in the second segment": {"a." + header + ".c", false},
		"opaque":                    {"2YotnFZFEjr1zCsicMWpAA", false},
		"dots in front":             {".." + header, false},
		"other letters in front":    {"+/+/" + header + ".e30.c2ln", false},
		"in other letters":          {"EYJhbGciOiJub25lIn0.e30.", false},
		"nothing":                   {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			jwts, opaque := &counting{}, &counting{}
			forms, err := introspection.ByForm(jwts, opaque)
			require.NoError(t, err)
			_, err = forms.VerifyToken(t.Context(), test.token)
			requireReason(t, err, binding.ReasonTokenSignature) // refused, and the other is not asked
			want := [2]int{0, 1}
			if test.jwt {
				want = [2]int{1, 0}
			}
			require.Equal(t, want, [2]int{jwts.calls, opaque.calls})
			require.NoError(t, forms.Ready())
		})
	}
}

type counting struct {
	calls int
	ready error
}

func (c *counting) VerifyToken(context.Context, string) (*binding.Token, error) {
	c.calls++
	return nil, &binding.Error{Reason: binding.ReasonTokenSignature}
}

func (c *counting) Ready() error { return c.ready }

// A stateless verifier is no pointer.
type stateless struct{}

func (stateless) VerifyToken(context.Context, string) (*binding.Token, error) {
	return nil, &binding.Error{Reason: binding.ReasonTokenSignature}
}

func TestByFormIsReadyWhenBothAre(t *testing.T) {
	t.Parallel()
	notYet := errors.New("no keys yet")
	for _, verifiers := range [][2]binding.TokenVerifier{
		{&counting{ready: notYet}, &counting{}}, {&counting{}, &counting{ready: notYet}},
	} {
		forms, err := introspection.ByForm(verifiers[0], verifiers[1])
		require.NoError(t, err)
		require.ErrorIs(t, forms.Ready(), notYet)
	}
}

func TestByFormNeedsBoth(t *testing.T) {
	t.Parallel()
	_, err := introspection.ByForm(nil, (*introspection.Verifier)(nil))
	require.Equal(t, []string{"JWTs", "Opaque"}, mistakes(err))
	require.ErrorContains(t, err, "JWTs: a TokenVerifier is required")
	_, err = introspection.ByForm(binding.TokenVerifierFunc(nil), &counting{})
	require.Equal(t, []string{"JWTs"}, mistakes(err))
	forms, err := introspection.ByForm(stateless{}, stateless{})
	require.NoError(t, err)
	require.NoError(t, forms.Ready(), "who does not say so is ready")
}

func TestBothKindsBehindOneGuard(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{Clients: []bindingtest.Client{secretClient}})
	foreign := newAuthorizationServer(t, bindingtest.Config{})
	jwts, err := jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{audience}, Transport: as.Transport(), FetchTimeout: time.Minute})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, jwts.Close()) })
	forms, err := introspection.ByForm(jwts, newVerifier(t, configFor(as)))
	require.NoError(t, err)
	guard := newGuard(t, binding.Config{Tokens: forms})
	owner, thief := selfSigned(t, "owner"), selfSigned(t, "thief")

	jwt, err := as.Token(bindingtest.TokenSpec{Certificate: owner.Leaf})
	require.NoError(t, err)
	_, err = guard.Check(from(bearer(jwt), owner.Leaf))
	require.NoError(t, err)
	_, err = guard.Check(from(bearer(jwt), thief.Leaf))
	refusal := requireReason(t, err, binding.ReasonThumbprintMismatch)
	require.Equal(t, "the access token is bound to another client certificate", refusal.Description(), "a JWT can be read by who has it")

	stranger, err := foreign.Token(bindingtest.TokenSpec{Certificate: owner.Leaf})
	require.NoError(t, err)
	forged, err := as.Token(bindingtest.TokenSpec{Certificate: owner.Leaf, ForgedSignature: true})
	require.NoError(t, err)
	for _, token := range []string{stranger, forged} {
		_, err = guard.Check(from(bearer(token), owner.Leaf))
		require.Equal(t, http.StatusUnauthorized, binding.AsError(err).StatusCode())
	}
	require.Zero(t, as.Requests(bindingtest.IntrospectionPath), "a JWT is sent to nobody")

	opaque := opaqueToken(t, as, bindingtest.TokenSpec{Certificate: owner.Leaf})
	_, err = guard.Check(from(bearer(opaque), owner.Leaf))
	require.NoError(t, err)
	require.Equal(t, 1, as.Requests(bindingtest.IntrospectionPath))
	require.NoError(t, forms.Ready()) // by now the endpoint is known
}

// N/432: a JWT that leaves its audience to introspection.
func TestJWTsWithoutAudience(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{Clients: []bindingtest.Client{secretClient}})
	foreign := newAuthorizationServer(t, bindingtest.Config{})
	owner, thief := selfSigned(t, "owner"), selfSigned(t, "thief")
	confirmed := members{"x5t#S256": bindingtest.Thumbprint(owner.Leaf)}
	jwts, err := jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{audience}, Transport: as.Transport(), FetchTimeout: time.Minute})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, jwts.Close()) })

	// jwt issues one, with changes; nil removes a claim, and null is null.
	jwt := func(from *bindingtest.AuthorizationServer, changes members) string {
		token, err := from.Token(bindingtest.TokenSpec{Claims: changes, Certificate: owner.Leaf})
		require.NoError(t, err)
		return token
	}
	null := json.RawMessage("null")
	lightweight := jwt(as, members{"aud": nil})
	for name, test := range map[string]struct {
		token   string
		without bool    // the option
		answer  members // changes of what the server answers
		policy  binding.Policy
		reason  binding.Reason // "": accepted
		asked   int
	}{
		"N/432 it is asked about":           {lightweight, false, nil, binding.RequireBound, "", 1},
		"N/432 without the option":          {lightweight, true, nil, binding.RequireBound, binding.ReasonTokenAudience, 0},
		"N/432 aud null":                    {jwt(as, members{"aud": null}), false, nil, binding.RequireBound, binding.ReasonTokenClaims, 0},
		"N/432 aud []":                      {jwt(as, members{"aud": []string{}}), false, nil, binding.RequireBound, binding.ReasonTokenClaims, 0},
		"N/432 another audience":            {jwt(as, members{"aud": "https://other.example"}), false, nil, binding.RequireBound, binding.ReasonTokenAudience, 0},
		"N/432 another issuer's":            {jwt(foreign, members{"aud": nil}), false, nil, binding.RequireBound, binding.ReasonTokenIssuer, 0},
		"N/432 expired":                     {jwt(as, members{"aud": nil, "exp": time.Now().Add(-time.Hour).Unix()}), false, nil, binding.RequireBound, binding.ReasonTokenAudience, 0},
		"N/432 an ID token":                 {jwt(as, members{"aud": nil, "typ": "ID"}), false, nil, binding.RequireBound, "", 1}, // at+jwt says what it is
		"N/432 the answer is for another":   {lightweight, false, members{"aud": "https://other.example"}, binding.RequireBound, binding.ReasonTokenAudience, 1},
		"N/432 the answer lost the binding": {lightweight, false, members{"cnf": nil}, binding.RequireBound, binding.ReasonConfirmationMalformed, 1},
		"N/432 and unbound are accepted":    {lightweight, false, members{"cnf": nil}, binding.DangerouslyAcceptUnbound, binding.ReasonConfirmationMalformed, 1},
		"N/432 and bound are refused":       {lightweight, false, members{"cnf": nil}, binding.DangerouslyBearerOnly, binding.ReasonConfirmationMalformed, 1},
		"N/432 the answer's is another":     {lightweight, false, members{"cnf": members{"x5t#S256": bindingtest.Thumbprint(thief.Leaf)}}, binding.RequireBound, binding.ReasonConfirmationMalformed, 1},
		"N/432 the answer's is also a key's": {lightweight, false, members{"cnf": members{"x5t#S256": bindingtest.Thumbprint(owner.Leaf), "jkt": thumbprint}}, binding.RequireBound,
			binding.ReasonConfirmationDPoP, 1},
		"N/432 the JWT has none": {jwtWithoutBinding(t, as), false, nil, binding.RequireBound, "", 1},
		"N/432 it is inactive":   {lightweight, false, members{"active": false}, binding.RequireBound, binding.ReasonTokenInactive, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changes := members{"iss": as.Issuer(), "cnf": confirmed}
			maps.Copy(changes, test.answer)
			s := &server{answer: always(http.StatusOK, text(good(changes)))}
			c := config(s)
			c.Issuer = as.Issuer()
			forms, err := introspection.NewForms(introspection.FormsConfig{
				JWTs: jwts, Opaque: newVerifier(t, c), IntrospectJWTsWithoutAudience: !test.without,
			})
			require.NoError(t, err)
			guard := newGuard(t, binding.Config{Tokens: forms, Policy: test.policy})
			token, err := guard.Check(from(bearer(test.token), owner.Leaf))
			require.Equal(t, test.asked, s.calls())
			if test.reason == "" {
				require.NoError(t, err, "%v", binding.AsError(err))
				require.Equal(t, []string{audience}, token.Audience(), "the answer's")
				return
			}
			refusal := requireReason(t, err, test.reason)
			require.Equal(t, http.StatusUnauthorized, refusal.StatusCode())
			if test.without {
				require.ErrorContains(t, refusal.Cause, "IntrospectJWTsWithoutAudience")
			}
		})
	}
	t.Run("N/432 the earlier exp holds", func(t *testing.T) {
		t.Parallel()
		for jwtEnds, answerEnds := range map[time.Duration]time.Duration{time.Minute: time.Hour, time.Hour: time.Minute} {
			now := time.Now()
			c := config(&server{answer: always(http.StatusOK, text(good(members{
				"iss": as.Issuer(), "cnf": confirmed, "exp": now.Add(answerEnds).Unix(),
			})))})
			c.Issuer = as.Issuer()
			forms, err := introspection.NewForms(introspection.FormsConfig{JWTs: jwts, Opaque: newVerifier(t, c), IntrospectJWTsWithoutAudience: true})
			require.NoError(t, err)
			token, err := forms.VerifyToken(t.Context(), jwt(as, members{"aud": nil, "exp": now.Add(jwtEnds).Unix()}))
			require.NoError(t, err)
			require.Equal(t, now.Add(time.Minute).Unix(), token.Expiry().Unix())
		}
	})
	t.Run("who cannot tell them", func(t *testing.T) {
		t.Parallel()
		_, err := introspection.NewForms(introspection.FormsConfig{JWTs: &counting{}, Opaque: &counting{}, IntrospectJWTsWithoutAudience: true})
		require.Equal(t, []string{"IntrospectJWTsWithoutAudience"}, mistakes(err))
	})
	t.Run("an Opaque of one's own", func(t *testing.T) {
		t.Parallel()
		c := config(&server{answer: always(http.StatusOK, text(good(members{"iss": as.Issuer(), "cnf": confirmed})))})
		c.Issuer = as.Issuer()
		answered, err := newVerifier(t, c).VerifyToken(t.Context(), canary)
		require.NoError(t, err)
		no := &binding.Error{Reason: binding.ReasonTokenInactive}
		for name, opaque := range map[string]func() (*binding.Token, error){
			"a token beside an error is none": func() (*binding.Token, error) { return answered, no },
			"no token is none":                func() (*binding.Token, error) { return nil, nil },
		} {
			forms, err := introspection.NewForms(introspection.FormsConfig{
				JWTs: jwts, IntrospectJWTsWithoutAudience: true,
				Opaque: binding.TokenVerifierFunc(func(context.Context, string) (*binding.Token, error) { return opaque() }),
			})
			require.NoError(t, err)
			_, err = newGuard(t, binding.Config{Tokens: forms}).Check(from(bearer(lightweight), owner.Leaf))
			require.Error(t, err, name)
			token, _ := forms.VerifyToken(t.Context(), lightweight)
			require.Nil(t, token, name)
		}
	})
}

func jwtWithoutBinding(t *testing.T, as *bindingtest.AuthorizationServer) string {
	t.Helper()
	token, err := as.Token(bindingtest.TokenSpec{Claims: members{"aud": nil}})
	require.NoError(t, err)
	return token
}
