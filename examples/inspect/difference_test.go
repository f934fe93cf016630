package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

func TestWhatDiffersInAnAudience(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	for name, test := range map[string]struct{ expected, got, want string }{
		"a slash too many":     {"https://api.example", "https://api.example/", "has a slash at the end"},
		"a slash too few":      {"https://api.example/v1/", "https://api.example/v1", "lacks the slash at the end"},
		"the scheme":           {"https://api.example", "http://api.example", `differs in the scheme ("http", not "https")`},
		"the case of the host": {"https://api.example", "https://API.example", `differs in the host's upper and lower case ("API.example", not "api.example")`},
		"the case of the path": {"https://api.example/a", "https://api.example/A", `differs in the path's upper and lower case`},
		"the port written out": {"https://api.example", "https://api.example:443", `differs in whether the port, "443", is written out`},
		"another port":         {"https://api.example:8443", "https://api.example:9443", `differs in the port ("9443", not "8443")`},
		"a port missing":       {"https://api.example:8443", "https://api.example", `differs in the port, which it lacks ("8443")`},
		"the path":             {"https://api.example/a", "https://api.example/b", `differs in the path ("/b", not "/a")`},
		"two things":           {"https://api.example/a", "http://api.example/b", `differs in the scheme ("http", not "https"), and in the path`},
		"a port and a slash":   {"https://api.example", "https://api.example:443/", `is written out, and in the slash at the end`},
		"the host":             {"https://api.example", "https://api.sample", `differs in the host`},
		"only a host":          {"https://api.example", "api.example", `lacks "https://" in front`},
		"a URL of a name":      {"api.example", "https://api.example", `has "https://" in front`},
		"white space":          {"https://api.example", " https://api.example", "white space around it"},
		"the case of a name":   {"accounts", "Accounts", "differs in upper and lower case, from character 1 on"},
		"the rest of a name":   {"accounts", "accounts-api", `goes on with "-api"`},
		"the end of a name":    {"accounts-api", "accounts", `lacks "-api" at the end`},
		"one letter of a name": {"the-accounts-api", "the-accounts.api", "differs from character 13 on"},
		"a letter that looks":  {"https://api.example", "https://\u0430pi.example", `"https://\u0430pi.example"`},
		"another":              {"accounts", "payments", "is another one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token := w.token(t, bindingtest.TokenSpec{Audience: []string{test.got}})
			status, output := inspect(t, token, "-cert", w.file, "-audience", test.expected)
			require.Equal(t, 1, status, output)
			requireSays(t, output, "audience", "FAIL", test.want)
		})
	}
}

func TestWhatDiffersInAnIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	token := w.token(t, bindingtest.TokenSpec{Claims: map[string]any{"iss": w.as.Issuer() + "/"}})
	status, output := inspect(t, token, w.flags()...)
	require.Equal(t, 1, status, output)
	requireSays(t, output, "issuer", "FAIL", "iss has a slash at the end", "compared exactly")
	requireSays(t, output, "signature", "ok", "by a key of")
}

// The usual mistake with Auth0, whose issuers end in a slash.
func TestTheMetadataIsOfAnIssuerThatDiffers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{Path: "/"})
	token := w.token(t, bindingtest.TokenSpec{})
	status, output := inspect(t, token, "-cert", w.file, "-issuer", w.as.Issuer()[:len(w.as.Issuer())-1], "-audience", audience, "-as-ca", w.roots)
	require.Equal(t, 1, status, output)
	requireSays(t, output, "issuer", "FAIL", "has a slash at the end")
	requireSays(t, output, "signature", "-", "of another issuer", "the metadata says", "it has a slash at the end")
}

func TestWhatTheIssuerSays(t *testing.T) {
	t.Parallel()
	t.Run("that it does not bind tokens", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, bindingtest.Config{Metadata: map[string]any{"tls_client_certificate_bound_access_tokens": nil}})
		status, output := inspect(t, w.token(t, bindingtest.TokenSpec{}), w.flags()...)
		require.Zero(t, status, output)
		requireSays(t, output, "signature", "ok", "does not say that it binds tokens")
	})
	t.Run("no place of its keys", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, bindingtest.Config{Metadata: map[string]any{"jwks_uri": nil}})
		status, output := inspect(t, w.token(t, bindingtest.TokenSpec{}), w.flags()...)
		require.Equal(t, 3, status, output)
		requireSays(t, output, "signature", "-", "its metadata names no jwks_uri")
	})
	t.Run("keys that are no use", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, bindingtest.Config{})
		require.NoError(t, w.as.PublishJWK(json.RawMessage(`{"kty":"oct","kid":"\u001b[31mred","k":"AAAA"}`)))
		token := w.token(t, bindingtest.TokenSpec{})
		status, output := inspect(t, token, w.flags()...)
		require.Zero(t, status, output)
		requireSays(t, output, "signature", "ok", `key "\x1b[31mred" is not used: the key is symmetric`)
		requireDiscreet(t, output, token)
	})
	t.Run("a name with control characters in its certificate", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, bindingtest.Config{})
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"\x1b[2Jname"}}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		require.NoError(t, err)
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS13}
		server.StartTLS()
		t.Cleanup(server.Close)
		token := w.token(t, bindingtest.TokenSpec{})
		address := "https://localhost:" + strconv.Itoa(server.Listener.Addr().(*net.TCPAddr).Port)
		status, output := inspect(t, token, append(w.flags(), "-jwks-url", address)...)
		require.Equal(t, 3, status, output)
		requireSays(t, output, "signature", "-", "certificate is valid for ?[2Jname, not localhost")
		requireDiscreet(t, output, token)
	})
	t.Run("nonsense with control characters", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, bindingtest.Config{})
		w.as.Handle(bindingtest.MetadataPaths, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = rw.Write([]byte("{\"issuer\":\"\x1b[2J\"}"))
		}))
		token := w.token(t, bindingtest.TokenSpec{})
		status, output := inspect(t, token, w.flags()...)
		require.Equal(t, 3, status, output)
		requireDiscreet(t, output, token)
	})
}
