package main_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/forwarded"
)

// Section N of the project's list of attacks, by the numbers of its rows.
func TestInTheField(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t)
	client, err := as.NewClientCertificate("client")
	require.NoError(t, err)
	bound, err := as.Token(bindingtest.TokenSpec{Certificate: client.Leaf})
	require.NoError(t, err)
	cert := []string{"-cert", certificateFile(t, client.Certificate[0])}
	pair := append(cert[:2:2], "-key", keyFile(t, client.PrivateKey))
	rfc9440, mesh := forwarded.Config{Format: forwarded.RFC9440}, forwarded.Config{Format: forwarded.Istio}
	const forwardOnly = "forwards what a client with a certificate sends"

	for name, test := range map[string]struct {
		handle  string
		auth    tls.ClientAuthType
		config  forwarded.Config
		listens bool // proxycheck does, in the resource server's place
		flags   []string
		status  int
		says    string
	}{
		"N/446 FORWARD_ONLY, optional, token":            {forwardOnly, tls.VerifyClientCertIfGiven, rfc9440, false, nil, 3, "give the token's with -cert"},
		"N/446 FORWARD_ONLY, optional, certificate":      {forwardOnly, tls.VerifyClientCertIfGiven, rfc9440, false, cert, 3, "give one that it accepts with -cert and -key"},
		"N/446 FORWARD_ONLY, optional, key":              {forwardOnly, tls.VerifyClientCertIfGiven, rfc9440, false, pair, 1, "once, lower case: PASSED, and the server let us in"},
		"N/446 FORWARD_ONLY, optional, listening":        {forwardOnly, tls.VerifyClientCertIfGiven, rfc9440, true, nil, 3, "give one that it accepts with -cert and -key"},
		"N/446 FORWARD_ONLY, optional, listening, key":   {forwardOnly, tls.VerifyClientCertIfGiven, rfc9440, true, pair, 1, "once, lower case: PASSED, arrived"},
		"N/446 FORWARD_ONLY, required, token":            {forwardOnly, tls.RequireAndVerifyClientCert, rfc9440, false, nil, 3, "give the token's with -cert"},
		"N/446 FORWARD_ONLY, required, certificate":      {forwardOnly, tls.RequireAndVerifyClientCert, rfc9440, false, cert, 3, "give one that it accepts with -cert and -key"},
		"N/446 FORWARD_ONLY, required, key":              {forwardOnly, tls.RequireAndVerifyClientCert, rfc9440, false, pair, 1, "once, lower case: PASSED, and the server let us in"},
		"N/446 FORWARD_ONLY, required, listening":        {forwardOnly, tls.RequireAndVerifyClientCert, rfc9440, true, nil, 3, "give one that it accepts with -cert and -key"},
		"N/446 FORWARD_ONLY, required, listening, key":   {forwardOnly, tls.RequireAndVerifyClientCert, rfc9440, true, pair, 1, "once, lower case: PASSED, arrived"},
		"N/446 FORWARD_ONLY, any certificate, listening": {forwardOnly, tls.RequestClientCert, rfc9440, true, nil, 1, "once, lower case: PASSED, arrived"},
		"N/446 a good proxy, optional, key":              {"right", tls.VerifyClientCertIfGiven, rfc9440, false, pair, 0, "Nothing passed in "},
		"N/446 a good proxy, required, key":              {"right", tls.RequireAndVerifyClientCert, rfc9440, false, pair, 0, "Nothing passed in "},
		"N/446 a good proxy, required, token":            {"right", tls.RequireAndVerifyClientCert, rfc9440, false, nil, 3, "It cannot be told"},
		"N/446 the forged one counts beside the real":    {"strips the first alone", tls.RequireAndVerifyClientCert, rfc9440, false, pair, 0, "Nothing passed in "},
		"N/446 a proxy that adds, required, key":         {"adds", tls.RequireAndVerifyClientCert, rfc9440, false, pair, 1, "PASSED, the forged header has an effect: 401"},

		"N/447 Istio, good, listening":            {"gateway and sidecar", tls.RequestClientCert, mesh, true, nil, 0, "Nothing passed.\n"},
		"N/447 Istio, good, certificate":          {"gateway and sidecar", tls.RequestClientCert, mesh, false, cert, 0, "Nothing passed in"},
		"N/447 Istio, good, key":                  {"gateway and sidecar", tls.VerifyClientCertIfGiven, mesh, false, pair, 0, "Nothing passed in "},
		"N/447 Istio, the gateway appends":        {"a gateway that appends", tls.RequestClientCert, mesh, true, nil, 1, "PASSED"},
		"N/447 Istio, the gateway appends, token": {"a gateway that appends", tls.RequestClientCert, mesh, false, cert, 1, "PASSED, and the server let us in: 200"},
		"N/447 Istio, the gateway appends, key":   {"a gateway that appends", tls.VerifyClientCertIfGiven, mesh, false, pair, 1, "PASSED, and the server let us in: 200"},

		"N/448 a proxy that ends the stream, listening":   {"ends the stream at an underscore", tls.RequestClientCert, rfc9440, true, nil, 0, "Nothing passed.\n"},
		"N/448 a proxy that ends the stream, certificate": {"ends the stream at an underscore", tls.RequestClientCert, rfc9440, false, cert, 0, "Nothing passed in"},
		"N/448 a proxy that ends the stream, key":         {"ends the stream at an underscore", tls.RequestClientCert, rfc9440, false, pair, 0, "Nothing passed in "},
		"N/448 a proxy that ends every stream":            {"ends every stream", tls.RequestClientCert, rfc9440, true, nil, 3, "no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backend, flags, stdin := freeAddress(t), []string{"-format", string(test.config.Format)}, ""
			if test.listens {
				flags = append(flags, "-listen", backend)
			} else {
				backend, stdin = apiReading(t, as, test.config), bound
				flags = append(flags, "-token", "-")
			}
			args := append(proxy(t, backend, handlings[test.handle], test.auth, as.ClientCAs()), flags...)
			status, output := check(t, stdin, append(args, test.flags...)...)
			require.Equal(t, test.status, status, output)
			require.Contains(t, output, test.says)
			if test.status == 3 {
				require.NotContains(t, output, "Nothing passed")
			}
			require.Regexp(t, "^(PASSED|It cannot be told|Nothing passed)", output, "the verdict comes first")
			if test.status == 0 {
				require.LessOrEqual(t, strings.Count(output, "\n"), 15, output)
			}
		})
	}

	files, err := filepath.Glob("../../binding/forwarded/testdata/unparsed/*.pem")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run("N/440 "+filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			block, _ := pem.Decode(text)
			bound, err := as.Token(bindingtest.TokenSpec{Certificate: &x509.Certificate{Raw: block.Bytes}})
			require.NoError(t, err)
			backend := apiReading(t, as, rfc9440)
			for handle, want := range map[string]int{"right": 0, "does not strip": 1} {
				args := proxy(t, backend, handlings[handle], tls.RequestClientCert, nil)
				status, output := check(t, bound, append(args, "-token", "-", "-cert", file)...)
				require.Equal(t, want, status, output)
				if want == 1 {
					require.Contains(t, output, "PASSED, and the server let us in: 200")
				}
			}
		})
	}
}
