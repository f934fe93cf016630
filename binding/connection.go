package binding

import (
	"bytes"
	"crypto/x509"
	"net/http"
	"sync/atomic"
)

// connection is the source that a guard has by default: the TLS connection that
// the request came over.
type connection struct{ known peerThumbprints }

// Headers returns nil: it reads no header field.
func (c *connection) Headers() []string { return nil }

// ClientCertificate returns the leaf that the client presented in the TLS
// handshake. It asks for a completed handshake, by which crypto/tls has checked
// the proof of possession; the binding does not depend on chains (RFC 8705
// §6.2). It never returns another certificate of the chain: a client sends
// whatever intermediates it likes, and has proven nothing about them.
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
