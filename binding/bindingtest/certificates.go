package bindingtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"time"
)

// Thumbprint returns the x5t#S256 of a certificate: the SHA-256 digest of its
// DER encoding, in base64url without padding (RFC 8705 §3.1).
func Thumbprint(certificate *x509.Certificate) string {
	digest := sha256.Sum256(certificate.Raw)
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

// NewSelfSignedCertificate makes a P-256 key pair and a client certificate that
// it signs itself, with the subject "CN=commonName", valid for a year. Its Leaf
// is set. An error is the random source's.
func NewSelfSignedCertificate(commonName string) (tls.Certificate, error) {
	key, err := newCertificateKey()
	if err != nil {
		return tls.Certificate{}, err
	}
	return certify(clientTemplate(pkix.Name{CommonName: commonName}), key, nil)
}

// RenewSelfSignedCertificate makes a new self-signed certificate for the
// subject and the key pair of an old one. The two have different thumbprints: a
// token bound to the old one is of no use with the new one (RFC 8705 §3, §6.3).
// It is an error if old holds no certificate or no private key.
func RenewSelfSignedCertificate(old tls.Certificate) (tls.Certificate, error) {
	return renew(old, nil)
}

// authority is a certificate authority of the kit.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func newAuthority(commonName string) (*authority, error) {
	key, err := newCertificateKey()
	if err != nil {
		return nil, err
	}
	template := newTemplate(pkix.Name{CommonName: commonName})
	template.KeyUsage = x509.KeyUsageCertSign
	template.BasicConstraintsValid = true
	template.IsCA = true
	certificate, err := certify(template, key, nil)
	if err != nil {
		return nil, err
	}
	return &authority{certificate: certificate.Leaf, key: key}, nil
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// serverCertificate issues a certificate for the names of the loopback
// interface.
func (a *authority) serverCertificate() (tls.Certificate, error) {
	key, err := newCertificateKey()
	if err != nil {
		return tls.Certificate{}, err
	}
	template := newTemplate(pkix.Name{CommonName: "localhost"})
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames = []string{"localhost"}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	return certify(template, key, a)
}

func (a *authority) clientCertificate(commonName string, changes []func(*x509.Certificate)) (tls.Certificate, error) {
	key, err := newCertificateKey()
	if err != nil {
		return tls.Certificate{}, err
	}
	template := clientTemplate(pkix.Name{CommonName: commonName})
	for _, change := range changes {
		change(template)
	}
	return certify(template, key, a)
}

func renew(old tls.Certificate, issuer *authority) (tls.Certificate, error) {
	key, ok := old.PrivateKey.(crypto.Signer)
	if !ok || len(old.Certificate) == 0 {
		return tls.Certificate{}, errors.New("bindingtest: the certificate to renew has no certificate or no private key")
	}
	leaf, err := x509.ParseCertificate(old.Certificate[0])
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("bindingtest: the certificate to renew: %w", err)
	}
	return certify(clientTemplate(leaf.Subject), key, issuer)
}

func newCertificateKey() (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("bindingtest: key generation: %w", err)
	}
	return key, nil
}

func clientTemplate(subject pkix.Name) *x509.Certificate {
	template := newTemplate(subject)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return template
}

// newTemplate leaves the serial number out: x509.CreateCertificate then draws a
// random one, so that two certificates never have the same thumbprint.
func newTemplate(subject pkix.Name) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject:   subject,
		NotBefore: now.Add(-time.Hour),
		NotAfter:  now.AddDate(1, 0, 0),
	}
}

// certify signs the template, by itself if there is no issuer.
func certify(template *x509.Certificate, key crypto.Signer, issuer *authority) (tls.Certificate, error) {
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.certificate, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("bindingtest: certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("bindingtest: certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
