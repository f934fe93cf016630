package proxies_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A party is a client: a certificate and its key.
type party struct {
	name        string
	certificate tls.Certificate
}

func (p *party) leaf() *x509.Certificate { return p.certificate.Leaf }

// Keys are slow to make and may be shared: certificates make the difference.
var (
	p256 = sync.OnceValues(func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })
	rsa4 = sync.OnceValues(func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 4096) })

	// One that the proxies know, and one that they do not.
	authority        = sync.OnceValues(func() (tls.Certificate, error) { return newAuthority("client CA") })
	anotherAuthority = sync.OnceValues(func() (tls.Certificate, error) { return newAuthority("another CA") })
)

func newAuthority(name string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	return certify(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}, key, nil)
}

// certify signs the template, by itself if there is no issuer.
func certify(template *x509.Certificate, key crypto.Signer, issuer *tls.Certificate) (tls.Certificate, error) {
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	parent, signer := template, any(key)
	if issuer != nil {
		parent, signer = issuer.Leaf, issuer.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

var (
	plainSubject = pkix.Name{CommonName: "client"}
	// Commas, quotes, semicolons, backslashes, what percent-encoding and base64 use, and more than ASCII.
	oddSubject = pkix.Name{
		CommonName:         `Müller & Söhne, "Haushalt"; C:\x+y=z %0A 日本`,
		Organization:       []string{`Ünïcode, "Inc."`, `::`, `(null)`},
		OrganizationalUnit: []string{`-----END CERTIFICATE-----`, `Hash=0;By=x,`},
	}
)

// newParty makes a client whose certificate it signs itself, or the CA does.
func newParty(t *testing.T, name string, newKey func() (crypto.Signer, error), issued bool, subject pkix.Name) *party {
	t.Helper()
	if issued {
		return partyOf(t, name, newKey, authority, subject)
	}
	return partyOf(t, name, newKey, nil, subject)
}

func partyOf(t *testing.T, name string, newKey func() (crypto.Signer, error), issuedBy func() (tls.Certificate, error), subject pkix.Name) *party {
	t.Helper()
	key, err := newKey()
	require.NoError(t, err)
	template := &x509.Certificate{
		Subject: subject, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs: []*url.URL{{Scheme: "spiffe", Host: "example", Path: "/a;Hash=0,By=b"}},
	}
	var issuer *tls.Certificate
	if issuedBy != nil {
		ca, err := issuedBy()
		require.NoError(t, err)
		issuer = &ca
	}
	certificate, err := certify(template, key, issuer)
	require.NoError(t, err)
	return &party{name: name, certificate: certificate}
}

func newClient(t *testing.T) *party {
	t.Helper()
	return newParty(t, "P-256, self-signed", p256, false, plainSubject)
}

// newStranger has a certificate of an authority that no proxy knows.
func newStranger(t *testing.T) *party {
	t.Helper()
	return partyOf(t, "P-256, of an unknown authority", p256, anotherAuthority, plainSubject)
}

// allParties are clients of every kind.
func allParties(t *testing.T) []*party {
	t.Helper()
	return []*party{
		newParty(t, "P-256, self-signed", p256, false, plainSubject),
		newParty(t, "P-256, issued", p256, true, plainSubject),
		newStranger(t),
		newParty(t, "RSA 4096, self-signed", rsa4, false, plainSubject),
		newParty(t, "RSA 4096, issued", rsa4, true, plainSubject),
		newParty(t, "odd names, self-signed", p256, false, oddSubject),
		newParty(t, "odd names, RSA 4096, issued", rsa4, true, oddSubject),
	}
}
