package binding_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// K/276: what a handler does with what it gets changes the token for nobody else.
func TestTokenCannotBeChanged(t *testing.T) {
	t.Parallel()
	payload := claims(t, members{"aud": []string{audience, "b"}, "nested": members{"list": []string{"a"}}})
	text := string(payload)
	token := valid(t, payload)
	for i := range payload { // the caller's buffer may be used again
		payload[i] = 'x'
	}
	token.Audience()[0] = "changed"
	token.Scopes()[0] = "admin"
	_ = append(token.Scopes()[:0], "admin", "root")
	var first map[string]any
	require.NoError(t, token.Claims(&first))
	first["iss"] = "changed"
	first["nested"].(map[string]any)["list"].([]any)[0] = "changed"
	var raw json.RawMessage
	require.NoError(t, token.Claims(&raw))
	raw[1] = 'x'
	var members map[string]json.RawMessage
	require.NoError(t, token.Claims(&members))
	for _, value := range members {
		value[0] = 'x'
	}
	thumbprint, _ := token.Thumbprint()
	thumbprint[0] ^= 1

	require.Equal(t, []string{audience, "b"}, token.Audience())
	require.Equal(t, []string{"accounts", "payments"}, token.Scopes())
	require.False(t, token.HasScope("admin"))
	require.NoError(t, token.Claims(&raw))
	require.JSONEq(t, text, string(raw))
	require.Equal(t, issuer, token.Issuer())
	unchanged, _ := token.Thumbprint()
	require.Zero(t, unchanged)
}

func TestClaimsDecodesAfresh(t *testing.T) {
	t.Parallel()
	token := valid(t, claims(t, members{"tenant": "t1"}))
	var v struct {
		Tenant string `json:"tenant"`
		JTI    string `json:"jti"`
	}
	require.NoError(t, token.Claims(&v))
	require.Equal(t, "t1", v.Tenant)
	require.Equal(t, "1", v.JTI)
	require.Error(t, token.Claims(nil))
	require.Error(t, token.Claims(v), "no pointer")
	var wrong struct {
		Tenant int `json:"tenant"`
	}
	require.Error(t, token.Claims(&wrong))
	require.Error(t, new(binding.Token).Claims(&v), "the zero Token has no claims")
}

func TestTokenHasItsIDAndHowTheUserWasAuthenticated(t *testing.T) {
	t.Parallel()
	token := valid(t, claims(t, members{"jti": "id-1", "acr": "urn:example:mfa", "auth_time": now.Unix()}))
	require.Equal(t, "id-1", token.ID())
	require.Equal(t, "urn:example:mfa", token.ACR())
	require.True(t, now.Equal(token.AuthTime()))
	// They are no reason to refuse a token: one of another type is none, to a route that asks for it.
	for _, odd := range []any{1, true, []string{"urn:example:mfa"}, members{}, "18000000000000000"} {
		token := valid(t, claims(t, members{"acr": []any{odd}, "auth_time": []any{odd}}))
		require.Empty(t, token.ACR())
		require.True(t, token.AuthTime().IsZero())
	}
	require.True(t, valid(t, claims(t, members{"auth_time": "1800000000"})).AuthTime().IsZero())
}

func TestClaimDecodesOneByItsExactName(t *testing.T) {
	t.Parallel()
	token := valid(t, claims(t, members{"tenant": "t1", "Role": "reader", "none": null, "list": []string{"a"}}))
	var text string
	present, err := token.Claim("tenant", &text)
	require.NoError(t, err)
	require.True(t, present)
	require.Equal(t, "t1", text)
	for _, name := range []string{"Tenant", "role", "", "tenant "} {
		present, err = token.Claim(name, &text)
		require.NoError(t, err)
		require.False(t, present, name)
	}
	require.Equal(t, "t1", text)
	present, err = token.Claim("none", &text)
	require.NoError(t, err)
	require.True(t, present, "null is not absent")
	present, err = token.Claim("list", &text)
	require.True(t, present)
	require.Error(t, err)
	require.NotContains(t, err.Error(), `"a"`)
	_, err = token.Claim("tenant", text)
	require.Error(t, err, "no pointer")
	_, err = new(binding.Token).Claim("tenant", &text)
	require.Error(t, err, "the zero Token has no claims")
}

// A token or a certificate that somebody prints or logs shows none of what it says.
func TestPrintedTokensShowNoClaim(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "secret-name").Leaf
	payload := claims(t, members{"sub": "secret-subject", "cnf": boundTo(certificate)["cnf"]})
	token, parsed := valid(t, payload), mustParse(t, payload)
	source := binding.Certificate{Thumbprint: binding.ThumbprintOf(certificate), DER: certificate.Raw}
	for name, value := range map[string]any{
		"M/417 *Token": token, "M/417 Token": *token, "M/417 Claims": parsed, "M/417 *Claims": &parsed,
		"M/417 Certificate": source, "M/417 *Certificate": &source,
		"M/417 in a struct": struct {
			T *binding.Token
			V binding.Token
			C binding.Claims
			X binding.Certificate
		}{token, *token, parsed, source},
		"M/417 in a list": []any{token, parsed, source},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var printed strings.Builder
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				fmt.Fprintf(&printed, verb+"\n", value)
			}
			slog.New(slog.NewTextHandler(&printed, nil)).Info("m", "v", value)
			if !strings.Contains(name, "in a") { // encoding/json asks what is inside for no LogValue
				slog.New(slog.NewJSONHandler(&printed, nil)).Info("m", "v", value)
			}
			require.NotContains(t, printed.String(), "secret")
			require.NotContains(t, printed.String(), issuer)
			require.NotContains(t, printed.String(), base64Of(certificate)[:40])
			require.NotContains(t, printed.String(), hex.EncodeToString(certificate.Raw[:20]))
			require.NotContains(t, printed.String(), strings.Trim(fmt.Sprint(certificate.Raw[:20]), "[]"))
		})
	}
	require.Equal(t, "<nil>", fmt.Sprint((*binding.Token)(nil)))
	require.Equal(t, "no certificate", fmt.Sprint(binding.Certificate{}))
	require.Equal(t, "certificate "+source.Thumbprint.String(), fmt.Sprint(source))
}
