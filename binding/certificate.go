package binding

import (
	"bytes"
	"crypto/x509"
	"errors"
	"net/http"
	"sync/atomic"
)

// A Certificate is the certificate whose private key the client of a request
// has proven to hold. The zero Certificate is none.
type Certificate struct {
	// Thumbprint is the SHA-256 digest of the DER encoding.
	Thumbprint Thumbprint

	// DER is the certificate, or nil where a proxy forwards its digest alone.
	// It must not be changed.
	DER []byte

	parsed *x509.Certificate
}

// ErrCertificateNotForwarded is returned by [Certificate.X509] when there are no
// bytes to parse.
var ErrCertificateNotForwarded = errors.New("binding: only the certificate's digest is known")

// X509 returns the certificate parsed, or an error where only its digest is
// known or where crypto/x509 does not parse what the proxy forwarded. The
// binding needs neither. The result is shared and must not be changed.
func (c Certificate) X509() (*x509.Certificate, error) {
	if c.parsed != nil {
		return c.parsed, nil
	}
	if c.DER == nil {
		return nil, ErrCertificateNotForwarded
	}
	return x509.ParseCertificate(c.DER)
}

// A CertificateSource finds the client certificate of a request. It must be
// safe for concurrent use, and a comparable type, such as a pointer.
//
// It returns the certificate, or the zero Certificate and no error when the
// client presented none. An error means that there is something which it cannot
// read or does not trust: a bound token is then refused, never downgraded. If
// the error is an [*Error], its Reason is reported.
//
// A source that reads header fields also has the method
//
//	Headers() []string
//
// that names them: [Guard.Admit] removes those, and fields whose names fold to
// them, from the request that it returns.
type CertificateSource interface {
	ClientCertificate(r *http.Request) (Certificate, error)
}

// headerSource is what a CertificateSource may have besides.
type headerSource interface{ Headers() []string }

// connection is the source that a guard has by default: the TLS connection that
// the request came over.
type connection struct{ known peerThumbprints }

// ClientCertificate returns the leaf that the client presented in the TLS
// handshake. crypto/tls has checked the proof of possession by then, and so this
// asks for a completed handshake; chains are no concern of the binding (RFC
// 8705 §6.2). Never another certificate of the chain: a client sends whatever
// intermediates it likes, and has proven nothing about them.
//
// A resumed session has the certificate of its first handshake (RFC 8446 §4.6.1).
func (c *connection) ClientCertificate(r *http.Request) (Certificate, error) {
	if r.TLS == nil || !r.TLS.HandshakeComplete || len(r.TLS.PeerCertificates) == 0 {
		return Certificate{}, nil
	}
	leaf := r.TLS.PeerCertificates[0]
	return Certificate{Thumbprint: c.known.of(leaf), DER: leaf.Raw, parsed: leaf}, nil
}

// peerThumbprints remembers the thumbprints of a few certificates, by all of
// their bytes: to compare them costs a thirtieth of hashing them, and every
// request of a connection has the same. A place is shared by the certificates
// whose last byte is the same, and belongs to the one that came last. Whoever
// sends them, all of it is hardly more than a mebibyte.
type peerThumbprints [256]atomic.Pointer[peerThumbprint]

// maxRemembered is the longest certificate, in bytes, that is remembered.
const maxRemembered = 4 << 10

type peerThumbprint struct {
	der        []byte // a copy: leaf.Raw is a piece of a whole handshake message
	thumbprint Thumbprint
}

func (p *peerThumbprints) of(leaf *x509.Certificate) Thumbprint {
	if len(leaf.Raw) == 0 || len(leaf.Raw) > maxRemembered {
		return ThumbprintOf(leaf)
	}
	place := &p[leaf.Raw[len(leaf.Raw)-1]]
	if known := place.Load(); known != nil && bytes.Equal(known.der, leaf.Raw) {
		return known.thumbprint
	}
	thumbprint := ThumbprintOf(leaf)
	place.Store(&peerThumbprint{bytes.Clone(leaf.Raw), thumbprint})
	return thumbprint
}
