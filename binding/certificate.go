package binding

import (
	"crypto/x509"
	"errors"
	"net/http"
)

// A Certificate is the certificate whose private key the client of a request
// has proven to hold. The zero Certificate means that there is none.
type Certificate struct {
	// Thumbprint is the SHA-256 digest of the DER encoding.
	Thumbprint Thumbprint

	// DER is the certificate's encoding, or nil where a proxy forwards only its
	// digest. It must not be changed.
	DER []byte

	parsed *x509.Certificate
}

// ErrCertificateNotForwarded is returned by [Certificate.X509] when the proxy
// forwarded only the certificate's digest, so that there is nothing to parse.
var ErrCertificateNotForwarded = errors.New("binding: only the certificate's digest is known")

// X509 returns the parsed certificate. The error is
// [ErrCertificateNotForwarded] where only the digest is known, or that of
// crypto/x509 where it cannot parse what the proxy forwarded; the binding can
// be proven all the same. The result is shared and must not be changed.
func (c Certificate) X509() (*x509.Certificate, error) {
	if c.parsed != nil {
		return c.parsed, nil
	}
	if c.DER == nil {
		return nil, ErrCertificateNotForwarded
	}
	return x509.ParseCertificate(c.DER)
}

// orNone returns the certificate, or the zero Certificate for nil.
func (c *Certificate) orNone() Certificate {
	if c == nil {
		return Certificate{}
	}
	return *c
}

// A CertificateSource finds the client certificate of a request. It must be
// safe for concurrent use.
type CertificateSource interface {
	// ClientCertificate returns the certificate, or the zero Certificate and no
	// error when the client presented none. An error means that there is
	// something which the source cannot read or does not trust: a token that is
	// bound to a certificate is then refused, never taken for an unbound one. If
	// the error is an [*Error], it is answered by its Reason, otherwise with
	// [ReasonCertificateUnreadable]. An Error with [ReasonCertificateMissing]
	// also says that there is no certificate; its Cause tells the operator what
	// is missing.
	ClientCertificate(r *http.Request) (Certificate, error)

	// Headers names the header fields that the source reads, and any others that
	// must not reach a handler; nil for none. [Guard.Admit] removes them from the
	// request that it returns, with every field whose name differs only in case
	// or has "_" or "." for "-". [New] calls it once.
	Headers() []string
}
