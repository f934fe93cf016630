package proxies_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// A kind of client certificate. The binding asks for its bytes alone, but what is
// in front may ask for more.
type kind struct {
	name   string
	newKey func() (crypto.Signer, error) // nil: P-256
	issued bool                          // by the authority that the proxy knows
	change func(*x509.Certificate)       // before it is signed
	alter  func(tbs []byte) []byte       // what is signed: for what crypto/x509 does not make
}

func ecdsaKey(curve elliptic.Curve) func() (crypto.Signer, error) {
	return func() (crypto.Signer, error) { return ecdsa.GenerateKey(curve, rand.Reader) }
}

func rsaKey(bits int) func() (crypto.Signer, error) {
	return func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, bits) }
}

func ed25519Key() (crypto.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}

// replaced puts one text into the place of another of the same length.
func replaced(old, new string) func([]byte) []byte {
	return func(tbs []byte) []byte { return bytes.ReplaceAll(tbs, []byte(old), []byte(new)) }
}

// extension is one of the arc 1.3.6.1.4.1.99999.
func extension(critical bool, value []byte, arcs ...int) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{
			Id: append(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999}, arcs...), Critical: critical, Value: value,
		})
	}
}

var kinds = []kind{
	{name: "P-256"},
	{name: "P-384", newKey: ecdsaKey(elliptic.P384())},
	{name: "P-521", newKey: ecdsaKey(elliptic.P521())},
	{name: "Ed25519", newKey: ed25519Key},
	{name: "RSA of 2048 bits", newKey: rsaKey(2048)},
	{name: "RSA of 1024 bits", newKey: rsaKey(1024)},
	{name: "of an authority that the proxy knows", issued: true},
	{name: "no subject", change: func(c *x509.Certificate) { c.Subject = pkix.Name{} }},
	{name: "a serial number of 20 octets", change: func(c *x509.Certificate) {
		c.SerialNumber = new(big.Int).SetBytes(append([]byte{0x7f}, make([]byte, 19)...))
	}},
	{name: "a serial number of zero", alter: replaced("\x02\x01\x05", "\x02\x01\x00")},
	{name: "an authority's own", change: func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }},
	{name: "no key usage at all", change: func(c *x509.Certificate) { c.KeyUsage, c.ExtKeyUsage = 0, nil }},
	{name: "version 1", alter: withoutExtensions},
	{name: "expired", change: func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }},
	{name: "not yet valid", change: func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }},
	{name: "expired, of an authority that the proxy knows", issued: true, change: func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }},
	{name: "for serverAuth only", change: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }},
	{name: "for emailProtection only", change: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} }},
	{name: "keyCertSign alone", change: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }},
	{name: "keyEncipherment alone", change: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }},
	{name: "an unknown extension", change: extension(false, []byte{5, 0}, 1)},
	{name: "an unknown critical extension", change: extension(true, []byte{5, 0}, 1)},
	{name: "larger than 16 KB in base64", change: extension(false, make([]byte, 14000), 1)},
	{name: "a signature that does not fit", alter: func(tbs []byte) []byte { return tbs }},
	{name: "a negative serial number", alter: replaced("\x02\x01\x05", "\x02\x01\x85")},
	{name: "`@` in a PrintableString", alter: replaced("clientXat", "client@at")},
	{name: "an extension twice", change: func(c *x509.Certificate) {
		extension(false, []byte{5, 0}, 1)(c)
		extension(false, []byte{5, 0}, 2)(c)
	}, alter: replaced("\x86\x8d\x1f\x02", "\x86\x8d\x1f\x01")},
	{name: "an OID with an arc over 31 bits", change: extension(false, []byte{5, 0}, 1<<33)},
}

func withoutExtensions(tbs []byte) []byte {
	var all asn1.RawValue
	if _, err := asn1.Unmarshal(tbs, &all); err != nil {
		panic(err) // of what crypto/x509 has just made
	}
	var kept []byte
	for rest := all.Bytes; len(rest) > 0; {
		var member asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &member); err != nil {
			panic(err)
		}
		if member.Class != asn1.ClassContextSpecific { // the version, and extensions
			kept = append(kept, member.FullBytes...)
		}
	}
	signed, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: kept})
	if err != nil {
		panic(err)
	}
	return signed
}

// certificate makes one of the kind, whose Leaf has its bytes alone.
func (k kind) certificate(t *testing.T) tls.Certificate {
	t.Helper()
	newKey := k.newKey
	if newKey == nil {
		newKey = ecdsaKey(elliptic.P256())
	}
	key, err := newKey()
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(5), Subject: pkix.Name{CommonName: "clientXat"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if k.change != nil {
		k.change(template)
	}
	parent, signer := template, any(key)
	if k.issued {
		ca, err := authority()
		require.NoError(t, err)
		parent, signer = ca.Leaf, ca.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(t, err)
	if k.alter != nil {
		der = altered(t, der, signer.(*ecdsa.PrivateKey), k.alter)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: &x509.Certificate{Raw: der}}
}

// altered is the certificate with another content, and signed anew unless that is
// the same: then its signature is another's.
func altered(t *testing.T, der []byte, key *ecdsa.PrivateKey, change func([]byte) []byte) []byte {
	t.Helper()
	var certificate struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	_, err := asn1.Unmarshal(der, &certificate)
	require.NoError(t, err)
	tbs := change(bytes.Clone(certificate.TBS.FullBytes))
	digest := sha256.Sum256(tbs)
	if bytes.Equal(tbs, certificate.TBS.FullBytes) {
		digest = sha256.Sum256(nil)
	}
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	require.NoError(t, err)
	certificate.TBS = asn1.RawValue{FullBytes: tbs}
	certificate.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	der, err = asn1.Marshal(certificate)
	require.NoError(t, err)
	return der
}

// What becomes of each kind of certificate at Go's own TLS and behind each proxy,
// as it is configured here, is a table of binding/forwarded/envoy.md.
func TestKindsOfCertificates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fronts := []front{w.withoutProxy(t)}
	header := "| certificate | Go's TLS |"
	for _, name := range []string{"nginx", "apache", "haproxy", "envoy"} {
		for _, p := range products {
			if p.name == name {
				f, _ := w.behind(t, p)
				fronts = append(fronts, f)
				header += " " + p.name + " |"
			}
		}
	}
	var everywhere []string
	var lost strings.Builder
	fmt.Fprintf(&lost, "%s\n|---|---|---|---|---|---|\n", header)
	for _, k := range kinds {
		certificate := k.certificate(t)
		token, err := w.as.Token(bindingtest.TokenSpec{Certificate: certificate.Leaf})
		require.NoError(t, err)
		row, accepted := "| "+k.name+" |", 0
		for _, f := range fronts {
			fate := w.fate(t, f, &party{name: k.name, certificate: certificate}, token)
			row += " " + fate + " |"
			if fate == "accepted" {
				accepted++
			}
		}
		if accepted == len(fronts) {
			everywhere = append(everywhere, k.name)
		} else {
			lost.WriteString(row + "\n")
		}
	}
	guide, err := os.ReadFile("../../binding/forwarded/envoy.md")
	require.NoError(t, err)
	said := strings.ReplaceAll(string(guide), "\n", " ")
	require.Contains(t, said, "Accepted everywhere: "+strings.Join(everywhere, "; ")+".", "and this table:\n%s", &lost)
	require.Contains(t, string(guide), lost.String(), "the guide has another table than this:\n%s", &lost)
}

// withoutProxy starts the server with TLS of its own.
func (w *world) withoutProxy(t *testing.T) front {
	t.Helper()
	process := start(t, program(t, buildServer), []string{
		"-listen", "127.0.0.1:0", "-issuer", w.as.Issuer(), "-audience", "https://api.example", "-as-ca", filepath.Join(w.dir, "roots.pem"),
		"-tls-cert", filepath.Join(w.dir, "server.pem"), "-tls-key", filepath.Join(w.dir, "server-key.pem"),
	}, nil)
	address := strings.TrimPrefix(process.firstLine(t, "listening on "), "https://")
	return front{address: address, url: "https://" + address + "/whoami"}
}

// fate is what becomes of a certificate and the token that is bound to it.
func (w *world) fate(t *testing.T, f front, p *party, token string) string {
	t.Helper()
	c := w.caller(t, f, manner{version: tls.VersionTLS13}, nil)
	c.transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &p.certificate, nil // whatever is asked for: the error then says why it cannot be presented
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url, nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := c.transport.RoundTrip(request)
	if err != nil && strings.HasSuffix(err.Error(), "peer doesn't support any of the certificate's signature algorithms") {
		return "not asked for"
	}
	if err != nil {
		require.ErrorContains(t, listen(t, f, c.transport.TLSClientConfig), "remote error: tls: ", "%s: %v", p.name, err)
		return "TLS alert"
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	switch {
	case response.StatusCode == http.StatusOK:
		return "accepted"
	case response.StatusCode == http.StatusUnauthorized && response.Header.Get("WWW-Authenticate") != "":
		return "lost: 401"
	}
	require.Empty(t, response.Header.Get("WWW-Authenticate"), "%s: %s", p.name, response.Status)
	return fmt.Sprintf("%d", response.StatusCode)
}

// listen is what ends a connection of a client that says nothing after its handshake. In TLS 1.3 it is refused after that:
// by then a client that sends a request may have an error of writing, and never read the alert.
func listen(t *testing.T, f front, config *tls.Config) error {
	t.Helper()
	config = config.Clone()
	config.ServerName = "localhost"
	connection, err := tls.Dial("tcp", f.address, config)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	require.NoError(t, connection.SetReadDeadline(time.Now().Add(time.Minute)))
	_, err = connection.Read(make([]byte, 1))
	return err
}
