package introspection_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/introspection"
)

// What is printed or logged says whose it is and shows no secret.
func TestPrintedShowsNoSecret(t *testing.T) {
	t.Parallel()
	const secret = "hush-hush-hush-hush-hush-hush-hush"
	as := newAuthorizationServer(t, bindingtest.Config{Clients: []bindingtest.Client{secretClient}})
	config := configFor(as)
	config.ClientSecret = secret
	verifier := newVerifier(t, config)
	require.Equal(t, "<nil>", fmt.Sprint((*introspection.Verifier)(nil)))
	for _, value := range []any{config, &config, verifier} {
		var printed strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&printed, verb+"\n", value)
		}
		slog.New(slog.NewTextHandler(&printed, nil)).Info("m", "v", value)
		if value != any(verifier) { // JSON shows no unexported field
			slog.New(slog.NewJSONHandler(&printed, nil)).Info("m", "v", value)
		}
		require.Contains(t, printed.String(), as.Issuer())
		for _, form := range []string{
			secret, hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret)), strings.Trim(fmt.Sprint([]byte(secret)), "[]"),
		} {
			require.NotContains(t, printed.String(), form)
		}
	}
}
