package forwarded_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
)

const secret = "correct horse battery staple"

// trustTest trusts the requests that requestWith makes.
func trustTest() []forwarded.Trust {
	return []forwarded.Trust{forwarded.TrustPeers(netip.MustParsePrefix("192.0.2.0/24"))}
}

// requestWith is a request from a trusted peer, as net/http hands it over.
func requestWith(header http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://api.example/", nil)
	r.Header = header
	return from(r, tcp("192.0.2.7:40000"))
}

// from is the request as it comes over a connection from the address.
func from(r *http.Request, peer net.Addr) *http.Request {
	return r.WithContext(forwarded.PeerContext(r.Context(), peer))
}

func tcp(address string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address)) }

func newSource(t testing.TB, config forwarded.Config) *forwarded.Source {
	t.Helper()
	if config.Trust == nil {
		config.Trust = trustTest()
	}
	source, err := forwarded.New(config)
	require.NoError(t, err)
	return source
}

// sourceOf reads an encoding from X-Test-Cert.
func sourceOf(t testing.TB, encoding forwarded.Format) *forwarded.Source {
	return newSource(t, forwarded.Config{Format: encoding, Header: "X-Test-Cert"})
}

func read(source *forwarded.Source, value string) (binding.Certificate, error) {
	return source.ClientCertificate(requestWith(http.Header{"X-Test-Cert": {value}}))
}

// requireNone: the client presented no certificate.
func requireNone(t testing.TB, certificate binding.Certificate, err error) {
	t.Helper()
	requireReason(t, binding.ReasonCertificateMissing, err)
	require.Zero(t, certificate)
}

func requireReason(t testing.TB, want binding.Reason, err error) {
	t.Helper()
	var refusal *binding.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, want, refusal.Reason)
}

// A tokens verifier takes the token's text for the thumbprint that it is bound
// to; "unbound" is bound to none.
type tokens struct{}

func (tokens) VerifyToken(_ context.Context, token string) (*binding.Token, error) {
	confirmation := fmt.Sprintf(`,"cnf":{"x5t#S256":%q}`, token)
	if token == "unbound" {
		confirmation = ""
	}
	claims, err := binding.ParseClaims([]byte(`{"iss":"https://as.example","sub":"s","aud":"api","exp":4000000000` + confirmation + `}`))
	if err != nil {
		return nil, err
	}
	return claims.Validate(binding.Expect{Issuer: "https://as.example", Audiences: []string{"api"}, Now: time.Unix(3_000_000_000, 0)})
}

// decide asks a guard with the source about a request with a token bound to
// the thumbprint.
func decide(t testing.TB, source *forwarded.Source, bound string, r *http.Request) error {
	t.Helper()
	guard, err := binding.New(binding.Config{Tokens: tokens{}, Certificates: source})
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+bound)
	_, err = guard.Check(r)
	return err
}

// An identity is a certificate with its key.
type identity struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (i identity) thumbprint() string { return binding.ThumbprintOf(i.cert).String() }

func (i identity) tls() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{i.cert.Raw}, PrivateKey: i.key, Leaf: i.cert}
}

// newIdentity makes a certificate, self-signed unless there is an issuer.
func newIdentity(t testing.TB, name string, issuer *identity, change func(*x509.Certificate)) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(template)
	}
	parent := identity{template, key}
	if issuer != nil {
		parent = *issuer
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, &key.PublicKey, parent.key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return identity{cert, key}
}

func newCA(t testing.TB) identity {
	return newIdentity(t, "ca", nil, func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	})
}

func withNames(dnsNames []string, uris ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.DNSNames = dnsNames
		for _, uri := range uris {
			u, err := url.Parse(uri)
			if err != nil {
				panic(err)
			}
			c.URIs = append(c.URIs, u)
		}
	}
}

func pemText(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func b64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// escape is nginx's percent-encoding.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// encode writes a certificate as a proxy does in the encoding. The digest
// stands in for a certificate of which no more is known.
func encode(encoding forwarded.Format, der []byte, digest binding.Thumbprint) string {
	switch encoding {
	case forwarded.RFC9440:
		return ":" + b64(der) + ":"
	case forwarded.URLPEM, forwarded.URLPEMChain:
		return escape(pemText(der))
	case forwarded.PEMSpaces:
		return strings.ReplaceAll(pemText(der), "\n", " ")
	case forwarded.Base64DER, forwarded.Traefik:
		return b64(der)
	case forwarded.Base64PEM:
		return b64([]byte(pemText(der)))
	case forwarded.XFCC:
		hash := "Hash=" + hex.EncodeToString(digest[:])
		if der == nil {
			return hash
		}
		return hash + `;Cert="` + escape(pemText(der)) + `"`
	case forwarded.XFCCJSON:
		object := `{"hash":"` + hex.EncodeToString(digest[:]) + `"`
		if der != nil {
			object += `,"cert":"` + strings.ReplaceAll(pemText(der), "\n", `\n`) + `"`
		}
		return "[" + object + "}]"
	case forwarded.SHA256Hex:
		return hex.EncodeToString(digest[:])
	case forwarded.SHA256Base64:
		return b64(digest[:])
	case forwarded.SHA256Base64URL:
		return digest.String()
	}
	panic(encoding)
}

func encodeCert(encoding forwarded.Format, cert *x509.Certificate) string {
	return encode(encoding, cert.Raw, binding.ThumbprintOf(cert))
}

func encodings() []forwarded.Format {
	var list []forwarded.Format
	for _, format := range forwarded.Formats() {
		if format.Encoding() == format {
			list = append(list, format)
		}
	}
	return list
}

type vector struct {
	ID, Format, Header, Note string
	Values                   []string
	Expect                   struct {
		Result, Kind string
		Thumbprint   string `json:"x5t#S256"`
	}
}

// loadVectors returns the vectors, their values as bytes.
func loadVectors(t testing.TB) []vector { return vectorsOf(t, "forwarded.json") }

func vectorsOf(t testing.TB, file string) []vector {
	t.Helper()
	content, err := os.ReadFile("testdata/" + file)
	require.NoError(t, err)
	var all struct{ Vectors []vector }
	require.NoError(t, json.Unmarshal(content, &all))
	for _, v := range all.Vectors {
		for i, value := range v.Values {
			var latin1 bytes.Buffer
			for _, c := range value {
				latin1.WriteByte(byte(c))
			}
			v.Values[i] = latin1.String()
		}
	}
	return all.Vectors
}

// errorTexts returns everything that the error and what it wraps say.
func errorTexts(err error) string {
	var all strings.Builder
	for ; err != nil; err = errors.Unwrap(err) {
		fmt.Fprintf(&all, "%v\n", err)
	}
	return all.String()
}
