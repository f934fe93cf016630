package main_test

import (
	"crypto/tls"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

func TestFAPI2(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{})
	strict := start(t, as, withTLS(t, as, "-fapi2", "-dpop-origins", audience)...)
	client, owner := newParty(t, as, "client"), newProver(t)
	for name, test := range map[string]struct {
		spec   bindingtest.TokenSpec
		status int
	}{
		"a bound token":             {bindingtest.TokenSpec{}, http.StatusOK},
		"issued in 8 seconds":       {bindingtest.TokenSpec{Claims: map[string]any{"iat": time.Now().Add(8 * time.Second).Unix()}}, http.StatusOK},
		"issued in half a minute":   {bindingtest.TokenSpec{Claims: map[string]any{"iat": time.Now().Add(30 * time.Second).Unix()}}, http.StatusUnauthorized},
		"expired half a minute ago": {bindingtest.TokenSpec{ExpiresIn: -30 * time.Second}, http.StatusUnauthorized},
		"good for two hours":        {bindingtest.TokenSpec{ExpiresIn: 2 * time.Hour}, http.StatusUnauthorized},
	} {
		test.spec.Certificate = client.certificate.Leaf
		token, err := as.Token(test.spec)
		require.NoError(t, err)
		require.Equal(t, test.status, get(t, client.client, strict.url+"/whoami", "Bearer "+token).status, name)
	}
	token := owner.token(t, as, nil)
	who := withProof(t, as.HTTPClient(), strict.url+"/whoami", token, owner.proof(t, "/whoami", token, nil))
	require.Equal(t, http.StatusOK, who.status, strict.log.String())
	nobody := withProof(t, as.HTTPClient(), strict.url+"/whoami", token, "")
	require.Contains(t, nobody.header.Get("WWW-Authenticate"), `algs="PS256 ES256 EdDSA Ed25519"`)
	_, err := tls.Dial("tcp", strict.url[len("https://"):], &tls.Config{
		RootCAs: as.RootCAs(), MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
	})
	require.Error(t, err)

	rsa := newAuthorizationServer(t, bindingtest.Config{Algorithm: "RS256"})
	server := start(t, rsa, withTLS(t, rsa, "-fapi2")...)
	client = newParty(t, rsa, "client")
	require.Equal(t, http.StatusUnauthorized, get(t, client.client, server.url+"/whoami", boundTo(t, rsa, client)).status)
	server = start(t, rsa, withTLS(t, rsa)...)
	require.Equal(t, http.StatusOK, get(t, client.client, server.url+"/whoami", boundTo(t, rsa, client)).status)
}

func TestFAPI2NamesWhatIsAgainstIt(t *testing.T) {
	t.Parallel()
	output, err := exec.Command(program, "-issuer", "https://127.0.0.1:1", "-audience", audience, "-fapi2", "-policy", "if-bound", "-schemes", "Bearer,DPoP", "-dpop-origins", audience, "-dpop-algorithms", "RS256,ES256").CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 2, exit.ExitCode())
	said := string(output)
	require.Contains(t, said, "-policy: with -fapi2")
	require.Contains(t, said, "-schemes: with -fapi2")
	require.Contains(t, said, `-dpop-algorithms: "RS256"`)
	require.NotContains(t, said, `"ES256"`)
}

// What -fapi2 says of a token's life holds for opaque ones too.
func TestFAPI2OfOpaqueTokens(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{})
	server := start(t, as, withTLS(t, as, withIntrospection(t, as, "-fapi2")...)...)
	client := newParty(t, as, "client")
	for name, test := range map[string]struct {
		spec   bindingtest.TokenSpec
		status int
	}{
		"good for half an hour": {bindingtest.TokenSpec{ExpiresIn: 30 * time.Minute}, http.StatusOK},
		"good for two hours":    {bindingtest.TokenSpec{ExpiresIn: 2 * time.Hour}, http.StatusUnauthorized},
	} {
		test.spec.Certificate = client.certificate.Leaf
		token, err := as.OpaqueToken(test.spec)
		require.NoError(t, err)
		require.Equal(t, test.status, get(t, client.client, server.url+"/whoami", "Bearer "+token).status, name)
	}
}
