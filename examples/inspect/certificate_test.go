package main_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

func newClient(t *testing.T, w *world) tls.Certificate {
	t.Helper()
	client, err := w.as.NewClientCertificate("another client")
	require.NoError(t, err)
	return client
}

func renewed(t *testing.T, w *world) tls.Certificate {
	t.Helper()
	again, err := w.as.RenewClientCertificate(w.client)
	require.NoError(t, err)
	return again
}

// Of several certificates in a file the first is the client's; a token for
// another one is told by it.
func TestAThumbprintOfAnotherCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	block, _ := pem.Decode(w.as.ClientCAPEM())
	ca, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	another, again := newClient(t, w), renewed(t, w)
	for name, test := range map[string]struct {
		of    *x509.Certificate
		first tls.Certificate
		more  []byte // in the file
		other []byte // in a file of its own
		texts []string
	}{
		"an intermediate's": {
			of: ca, first: w.client, more: w.as.ClientCAPEM(),
			texts: []string{`is the thumbprint of certificate 2 of -cert, which is a CA's ("CN=bindingtest client CA")`, "not to one of its chain", bindingtest.Thumbprint(w.client.Leaf)},
		},
		"the one before the renewal": {
			of: w.client.Leaf, first: again, more: inPEM(w.client),
			texts: []string{"certificate 2 of -cert, with the same key: the certificate was renewed", "a new connection and a new token"},
		},
		"the one before the renewal, in a file of its own": {
			of: w.client.Leaf, first: again, other: inPEM(w.client),
			texts: []string{"certificate 1 of -other, with the same key"},
		},
		"a proxy's": {
			of: another.Leaf, first: w.client, other: inPEM(another),
			texts: []string{`certificate 1 of -other ("CN=another client")`, "must present that certificate"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := w.as.Token(bindingtest.TokenSpec{Certificate: test.of})
			require.NoError(t, err)
			args := []string{"-issuer", w.as.Issuer(), "-audience", audience, "-as-ca", w.roots, "-cert", writeFile(t, append(inPEM(test.first), test.more...))}
			if test.other != nil {
				args = append(args, "-other", writeFile(t, test.other))
			}
			status, output := inspect(t, token, args...)
			require.Equal(t, 1, status, output)
			requireSays(t, output, "binding", "FAIL", test.texts...)
			requireSays(t, output, "verdict", "FAIL", "(thumbprint_mismatch)")
		})
	}
	t.Run("in a wrong form", func(t *testing.T) {
		t.Parallel()
		token := w.confirmed(t, withColons(sha1Of(another.Leaf.Raw)))
		status, output := inspect(t, token, "-cert", w.file, "-other", writeFile(t, inPEM(another)))
		require.Equal(t, 1, status, output)
		requireSays(t, output, "binding", "FAIL", "is the SHA-1 of the certificate in hexadecimal with separators, of certificate 1 of -other", bindingtest.Thumbprint(w.client.Leaf))
	})
}

// Certificates for comparison are never presented.
func TestOnlyTheFirstCertificateIsPresented(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	another := newClient(t, w)
	token, err := w.as.Token(bindingtest.TokenSpec{Certificate: another.Leaf})
	require.NoError(t, err)
	status, output := inspect(t, token, append(w.flags(), "-other", writeFile(t, inPEM(another)))...)
	require.Equal(t, 1, status, output)
	requireSays(t, output, "verdict", "FAIL", "(thumbprint_mismatch)")
	require.NotContains(t, output, "in its file", "another file's are not the first file's")
}

func TestFilesOfACertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	key, err := x509.MarshalPKCS8PrivateKey(w.client.PrivateKey)
	require.NoError(t, err)
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	good := w.token(t, bindingtest.TokenSpec{})
	for name, content := range map[string][]byte{
		"behind its key":   append(append([]byte("a comment\n"), keyPEM...), inPEM(w.client)...),
		"in DER":           w.client.Leaf.Raw,
		"with CRLF":        []byte(string(inPEM(w.client)) + "\r\n"),
		"before its chain": append(inPEM(w.client), w.as.ClientCAPEM()...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, output := inspect(t, good, append(w.flags(), "-cert", writeFile(t, content))...)
			require.Zero(t, status, output)
			require.NotContains(t, output, "PRIVATE KEY")
		})
	}
	t.Run("without one", func(t *testing.T) {
		t.Parallel()
		status, output := inspect(t, good, "-cert", writeFile(t, keyPEM))
		require.Equal(t, 2, status, output)
		require.Contains(t, output, `-cert: holds no certificate, but "PRIVATE KEY"`)
	})
	t.Run("its chain first", func(t *testing.T) {
		t.Parallel()
		status, output := inspect(t, good, append(w.flags(), "-cert", writeFile(t, append(w.as.ClientCAPEM(), inPEM(w.client)...)))...)
		require.Equal(t, 1, status, output)
		requireSays(t, output, "certificate", "", "it is a CA's; a client's own certificate stands first in its file")
	})
}

// What the binding does not look at is said, and costs nothing.
func TestACertificateThatExpired(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "\x1b]0;title\a old\u202e"},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	token, err := w.as.Token(bindingtest.TokenSpec{Certificate: leaf})
	require.NoError(t, err)
	status, output := inspect(t, token, append(w.flags(), "-cert", writeFile(t, der))...)
	require.Zero(t, status, output)
	requireSays(t, output, "certificate", "", "it expired", "the binding does not look at that")
	requireDiscreet(t, output, token)
}

// The binding is judged by the DER, as a guard behind a proxy does.
func TestACertificateThatGoDoesNotParse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(0x7a11), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	serial := bytes.Index(der, []byte{2, 2, 0x7a, 0x11})
	require.Positive(t, serial)
	der[serial+2] = 0xfa // a negative number
	_, err = x509.ParseCertificate(der)
	require.ErrorContains(t, err, "negative")

	digest := sha256.Sum256(der)
	right := base64.RawURLEncoding.EncodeToString(digest[:])
	for name, content := range map[string][]byte{
		"N/440 in DER": der,
		"N/440 in PEM": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := writeFile(t, content)
			status, output := inspect(t, w.confirmed(t, right), append(w.flags(), "-cert", file)...)
			require.Zero(t, status, output)
			requireSays(t, output, "certificate", "", right, "does not parse", "negative serial number", "through a proxy only")
			status, output = inspect(t, w.token(t, bindingtest.TokenSpec{}), append(w.flags(), "-cert", file)...)
			require.Equal(t, 1, status, output)
			requireSays(t, output, "verdict", "FAIL", "(thumbprint_mismatch)")
		})
	}
	t.Run("no DER at all", func(t *testing.T) {
		t.Parallel()
		for name, content := range map[string][]byte{
			"cut":             der[:len(der)-1],
			"with more":       append(slices.Clone(der), 0),
			"in PEM, cut":     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der[:len(der)-1]}),
			"another element": {4, 1, 0},
		} {
			status, output := inspect(t, w.confirmed(t, right), append(w.flags(), "-cert", writeFile(t, content))...)
			require.Equal(t, 2, status, "%s: %s", name, output)
		}
	})
}

// Of a key set in which no key can be used each is named, and why.
func TestKeysThatAreAllIgnored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	w.as.Handle(bindingtest.JWKSPath, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(rw, `{"keys":[{"kty":"oct","kid":"one","k":"c2VjcmV0"},{"kty":"EC","crv":"P-256","kid":"two","x":"AA","y":"AA"}]}`)
	}))
	status, output := inspect(t, w.token(t, bindingtest.TokenSpec{}), w.flags()...)
	require.Equal(t, 3, status, output)
	for _, kid := range []string{"one", "two"} {
		requireSays(t, output, "signature", "-", "NOT checked", `key "`+kid+`" is not used: `)
	}
}
