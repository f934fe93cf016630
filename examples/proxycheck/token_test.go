package main_test

import (
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/forwarded"
)

func TestAgainstTheResourceServer(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t)
	backend := api(t, as)
	client, err := as.NewClientCertificate("client")
	require.NoError(t, err)
	other, err := as.NewClientCertificate("other")
	require.NoError(t, err)
	bound, err := as.Token(bindingtest.TokenSpec{Certificate: client.Leaf})
	require.NoError(t, err)
	expired, err := as.Token(bindingtest.TokenSpec{Certificate: client.Leaf, ExpiresIn: -time.Hour})
	require.NoError(t, err)
	unbound, err := as.Token(bindingtest.TokenSpec{})
	require.NoError(t, err)
	cert := []string{"-cert", certificateFile(t, client.Certificate[0])}
	pair := append(cert[:2:2], "-key", keyFile(t, client.PrivateKey))
	another := []string{"-cert", certificateFile(t, other.Certificate[0]), "-key", keyFile(t, other.PrivateKey)}

	for name, test := range map[string]struct {
		handle string
		token  string
		flags  []string
		status int
		says   string
	}{
		"right":                              {"right", bound, nil, 3, "not asked: a client with a certificate of its own"},
		"right, with the certificate":        {"right", bound, cert, 0, "a client certificate, HTTP/2"},
		"right, with the pair":               {"right", bound, pair, 0, "with its own certificate: accepted"},
		"does not strip":                     {"does not strip", bound, nil, 1, "PASSED, the server saw it: 401"},
		"does not strip, certificate":        {"does not strip", bound, cert, 1, "PASSED, and the server let us in: 200"},
		"strips the first alone":             {"strips the first alone", bound, nil, 1, "twice: PASSED"},
		"adds with a certificate alone":      {"adds, and strips without a certificate", bound, cert, 1, "PASSED"},
		"takes underscores for dashes":       {"takes underscores for dashes", bound, nil, 1, "with underscores: PASSED"},
		"a token that expired":               {"does not strip", expired, nil, 3, "is the token valid"},
		"a token that is unbound":            {"does not strip", unbound, nil, 3, "is the token valid"},
		"no token at all":                    {"does not strip", "rubbish", nil, 3, "is the token valid"},
		"a pair that is not the token's":     {"right", bound, another, 3, "not accepted"},
		"the token's own, but not forwarded": {"forwards nothing", bound, pair, 3, "not accepted"},
		"another format is named":            {"does not strip", bound, []string{"-format", "nginx"}, 1, "Client-Cert as rfc9440: PASSED, the server saw it: 401"},
		"another format, certificate":        {"does not strip", bound, append([]string{"-format", "nginx"}, cert...), 1, "Client-Cert as rfc9440: PASSED, and the server let us in: 200"},
		"another format, right":              {"right", bound, append([]string{"-format", "nginx"}, cert...), 0, "Nothing passed in X-Ssl-Client-Cert as nginx. Either"},
		"another header with a certificate":  {"adds, and strips without a certificate", bound, append([]string{"-header", "My-Cert"}, cert...), 1, "Client-Cert as rfc9440: PASSED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append(proxy(t, backend, handlings[test.handle], tls.RequestClientCert, nil), "-token", "-")
			status, output := check(t, test.token+"\n", append(args, test.flags...)...)
			require.Equal(t, test.status, status, output)
			require.Contains(t, output, test.says)
			require.NotContains(t, output, test.token, "the token is in the output")
			der := base64.StdEncoding.EncodeToString(client.Certificate[0])
			require.NotContains(t, output, der[100:140], "the certificate is in the output")
		})
	}
}

// A server that reads a header of its own, through a proxy that lets it pass: who names another header is told that nothing
// is known, and who names that one is told of the fault.
func TestHeaderThatNobodyNamed(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t)
	backend := apiReading(t, as, forwarded.Config{Format: forwarded.RFC9440, Header: "My-Cert"})
	client, err := as.NewClientCertificate("client")
	require.NoError(t, err)
	bound, err := as.Token(bindingtest.TokenSpec{Certificate: client.Leaf})
	require.NoError(t, err)
	args := append(proxy(t, backend, handlings["right"], tls.RequestClientCert, nil),
		"-token", "-", "-cert", certificateFile(t, client.Certificate[0]))

	status, output := check(t, bound, args...)
	require.Zero(t, status, output)
	require.NotContains(t, output, "Nothing passed.")
	require.Contains(t, output, "or the server does not read it, and then this answer says nothing")

	status, output = check(t, bound, append(args, "-header", "My-Cert")...)
	require.Equal(t, 1, status, output)
	require.Contains(t, output, "PASSED, and the server let us in: 200")
}

// A resource server whose refusals are all alike, as those of opaque tokens are.
func TestRefusalsThatLookAlike(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t)
	client, err := as.NewClientCertificate("client")
	require.NoError(t, err)
	want := ":" + base64.StdEncoding.EncodeToString(client.Certificate[0]) + ":"
	backend := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer opaque" || r.Header.Get("Client-Cert") != want {
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	cert := []string{"-cert", certificateFile(t, client.Certificate[0])}
	pair := append(cert[:2:2], "-key", keyFile(t, client.PrivateKey))
	file := writeFile(t, []byte("opaque\n"))
	for name, test := range map[string]struct {
		handle string
		flags  []string
		status int
	}{
		"nothing known":          {"does not strip", nil, 3},
		"no key":                 {"right", cert, 3},
		"the pair":               {"right", pair, 0},
		"the pair, and a fault":  {"does not strip", pair, 1},
		"a fault that is beside": {"adds, and strips without a certificate", pair, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append(proxy(t, backend, handlings[test.handle], tls.RequestClientCert, nil), "-token", file)
			status, output := check(t, "", append(args, test.flags...)...)
			require.Equal(t, test.status, status, output)
			require.False(t, strings.Contains(output, "opaque"), "the token is in the output")
		})
	}
}
