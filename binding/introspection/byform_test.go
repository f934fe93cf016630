package introspection_test

import (
	"context"
	"encoding/base64"
	"errors"
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
		"a JWE":                     {header + ".a.b.c.d", true},
		"seventeen parts":           {header + ".a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p", true},
		"one dot":                   {header + ".a", false},
		"no dot":                    {header, false},
		"dots, no header":           {"a.b.c", false},
		"eyJ in the second segment": {"a." + header + ".c", false},
		"opaque":                    {"2YotnFZFEjr1zCsicMWpAA", false},
		"dots in front":             {".." + header, false},
		"in other letters":          {"EYJhbGciOiJub25lIn0.e30.", false},
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
	require.Equal(t, []string{"jwts", "opaque"}, mistakes(err))
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

	jwt, err := as.BoundToken(owner.Leaf)
	require.NoError(t, err)
	_, err = guard.Check(from(bearer(jwt), owner.Leaf))
	require.NoError(t, err)
	_, err = guard.Check(from(bearer(jwt), thief.Leaf))
	refusal := requireReason(t, err, binding.ReasonThumbprintMismatch)
	require.Equal(t, "the access token is bound to another client certificate", refusal.Description(), "a JWT can be read by who has it")

	stranger, err := foreign.BoundToken(owner.Leaf)
	require.NoError(t, err)
	forged, err := as.ForgedToken(owner.Leaf)
	require.NoError(t, err)
	for _, token := range []string{stranger, forged} {
		_, err = guard.Check(from(bearer(token), owner.Leaf))
		require.Equal(t, http.StatusUnauthorized, binding.AsError(err).Status())
	}
	require.Zero(t, as.IntrospectionRequests(), "a JWT is sent to nobody")

	opaque := opaqueToken(t, as, bindingtest.TokenSpec{Certificate: owner.Leaf})
	_, err = guard.Check(from(bearer(opaque), owner.Leaf))
	require.NoError(t, err)
	require.Equal(t, 1, as.IntrospectionRequests())
	require.NoError(t, forms.Ready()) // by now the endpoint is known
}
