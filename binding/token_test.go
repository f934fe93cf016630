package binding_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// K/276: what a handler does with what it gets changes the token for nobody else.
func TestTokenCannotBeChanged(t *testing.T) {
	t.Parallel()
	payload := claims(t, members{"aud": []string{audience, "b"}, "nested": members{"list": []string{"a"}}})
	text := string(payload)
	token := mustParse(t, payload)
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
	validated, err := token.Validate(good)
	require.NoError(t, err)
	require.Equal(t, issuer, validated.Issuer())
	unchanged, _ := token.Thumbprint()
	require.Zero(t, unchanged)
}

func TestClaimsDecodesAfresh(t *testing.T) {
	t.Parallel()
	token := mustParse(t, claims(t, members{"tenant": "t1"}))
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
