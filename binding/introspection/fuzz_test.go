package introspection_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// FuzzAnswer has the server answer anything. What is accepted is compared with what encoding/json makes of it.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		text(good(nil)), `{"active":false}`, `{"active":"true"}`, `{"active":true}`, `{"Active":true}`, ``, `[]`, `{`, "\xff",
		`{"active":true,"active":false}`, `{"active":true,"aud":"https://api.example"}`,
		`{"active":true,"aud":["https://api.example"],"cnf":{"x5t#S256":"` + thumbprint + `","x5t#S256":"a"}}`,
		`{"active":true,"aud":["https://api.example"],"cnf":null}`,
		`{"active":true,"aud":"https://api.example","token_type":"refresh_token"}`,
		`{"\u0061ctive":true,"aud":"https://api.example","cnf":{"x5t#S256":"` + thumbprint + `"}}`,
	} {
		f.Add(http.StatusOK, []byte(seed))
	}
	f.Add(http.StatusUnauthorized, []byte(`{"error":"invalid_client"}`))
	f.Add(http.StatusBadRequest, []byte(`{"error":"invalid_request\r\n","error":1}`))
	f.Add(http.StatusCreated, []byte(text(good(nil))))
	s := &server{}
	c := config(s)
	c.ActiveFor, c.InactiveFor = -1, -1
	now := time.Now()
	c.Clock = func() time.Time { return now }
	f.Fuzz(func(t *testing.T, code int, body []byte) {
		if code < 200 || code > 599 {
			t.Skip()
		}
		s.set(func(s *server) { s.answer = always(code, string(body)) })
		token, err := newVerifier(t, c).VerifyToken(t.Context(), canary)
		if err != nil {
			require.Nil(t, token)
			status := binding.AsError(err).StatusCode()
			require.Contains(t, []int{http.StatusUnauthorized, http.StatusServiceUnavailable}, status)
			return
		}
		require.Equal(t, http.StatusOK, code)
		var claims map[string]any
		require.NoError(t, json.Unmarshal(body, &claims))
		require.Equal(t, true, claims["active"])
		require.Contains(t, token.Audience(), audience)
		if iss, present := claims["iss"]; present {
			require.Equal(t, issuer, iss)
		}
		bound, isBound := token.Thumbprint()
		confirmation, present := claims["cnf"]
		require.Equal(t, present, isBound, "no binding is lost, and none is made up")
		if present {
			require.Equal(t, confirmation.(map[string]any)["x5t#S256"], bound.String())
		}
	})
}
