package jwks_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks"
)

// withSecret is a Transport of the application's.
type withSecret struct {
	roundTrip
	Password string
}

// M/417: printed or logged, in any verb, nothing shows a secret or a claim.
func TestPrinted(t *testing.T) {
	t.Parallel()
	key := newFaultKey("1")
	const iss = "https://issuer.example"
	config := jwks.Config{
		Issuer: iss, Audiences: []string{faultAudience}, Keys: []byte(jwkSetOf(key)),
		Clock: func() time.Time { return faultNoon },
	}
	v, err := jwks.New(config)
	require.NoError(t, err)
	token := key.token(iss, "sub", "c2VjcmV0-claim")
	requireAccepted(t, v, token)
	several, err := jwks.ByIssuer(v)
	require.NoError(t, err)
	requireAccepted(t, several, token)
	dynamic, err := jwks.ByIssuerFunc(jwks.IssuersConfig{Config: newTown().config})
	require.NoError(t, err)
	defer func() { require.NoError(t, dynamic.Close()) }()
	config.Transport = withSecret{Password: "c2VjcmV0"}
	for _, value := range []any{v, several, dynamic, config, &config, (*jwks.Verifier)(nil)} {
		var text, json bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("it", "value", value)
		slog.New(slog.NewJSONHandler(&json, nil)).Info("it", "value", value)
		printed := text.String() + json.String()
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			printed += fmt.Sprintf("M/417 "+verb, value)
		}
		require.NotContains(t, printed, "c2VjcmV0")
		require.NotContains(t, printed, "client")
	}
	require.Equal(t, "jwks.Verifier of "+iss, fmt.Sprint(v))
	require.Equal(t, "<nil>", fmt.Sprint((*jwks.Verifier)(nil)))
}
