package dpop_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks/dpop"
)

// M/417: printed or logged as text, in any verb, nothing shows a key of nonces.
func TestPrinted(t *testing.T) {
	t.Parallel()
	secret := []byte("a secret key of thirty-two bytes")
	config := dpop.Config{Origins: []string{origin}, RequireNonce: true, NonceKeys: [][]byte{secret}}
	v, err := dpop.New(config)
	require.NoError(t, err)
	for _, value := range []any{config, &config, v, struct{ Proofs any }{v}, (*dpop.Verifier)(nil)} {
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "value", value)
		for _, text := range []string{fmt.Sprintf("%v", value), fmt.Sprintf("%+v", value), fmt.Sprintf("%#v", value), fmt.Sprintf("%s", value), fmt.Sprintf("%x", value), log.String()} {
			require.NotContains(t, text, string(secret))
			require.NotContains(t, text, fmt.Sprint(secret))
			require.NotContains(t, text, fmt.Sprintf("%x", secret))
			require.NotContains(t, text, "0x61, 0x20, 0x73")
		}
	}
	require.Equal(t, "dpop.Verifier of "+origin, fmt.Sprint(v))
	require.Equal(t, "dpop.Config of "+origin, fmt.Sprintf("%+v", config))
}
