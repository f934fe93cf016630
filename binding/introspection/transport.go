package introspection

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/certbound/certbound/binding/metadata"
)

func (c *Config) checkTransport(mistake func(field, format string, args ...any)) {
	transport, ok := c.Transport.(*http.Transport)
	switch {
	case ok && transport == nil:
		mistake("Transport", "is a nil *http.Transport; for the default leave it out")
	case c.Transport == nil || !c.presentsCertificate():
	case !ok:
		mistake("Transport", "must be an *http.Transport, to present a certificate")
	//lint:ignore SA1019 DialTLS is deprecated, and still obeyed
	case transport.DialTLSContext != nil || transport.DialTLS != nil:
		mistake("Transport", "must leave TLS to net/http, to present a certificate: DialTLS and DialTLSContext must be nil")
	}
}

// idleTimeout ends connections that are not used, and with them the certificate
// that they began with.
const idleTimeout = 30 * time.Second

// transport returns what makes the requests; own is it if it is ours to close.
func (c *Config) transport() (transport http.RoundTripper, own *http.Transport) {
	switch given := c.Transport.(type) {
	case nil:
		own = metadata.NewTransport()
		own.MaxIdleConnsPerHost, own.IdleConnTimeout = c.MaxInFlight, idleTimeout
	case *http.Transport:
		own = c.copyOf(given)
	default:
		return given, nil
	}
	if !c.presentsCertificate() {
		return own, own
	}
	if own.TLSClientConfig == nil {
		own.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	// GetClientCertificate takes the place of tls.Config.Certificates, which would
	// silently present none to a server whose list of CAs lacks the issuer, as that
	// of a self-signed one does.
	certificate := c.ClientCertificate
	own.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &certificate, nil
	}
	if c.GetClientCertificate != nil {
		own.TLSClientConfig.GetClientCertificate = orError(c.GetClientCertificate)
	}
	// A resumed session has the certificate of its first handshake.
	own.TLSClientConfig.ClientSessionCache = nil
	return own, own
}

// copyOf returns a copy that has nothing in common with the original, neither
// connections nor a TLS configuration, and speaks HTTP/2 unless the original was
// told not to.
func (c *Config) copyOf(original *http.Transport) *http.Transport {
	own := original.Clone()
	if own.MaxIdleConnsPerHost == 0 { // net/http's default is 2: a handshake for most calls over HTTP/1.1
		own.MaxIdleConnsPerHost = c.MaxInFlight
	}
	if own.IdleConnTimeout == 0 || own.IdleConnTimeout > idleTimeout {
		own.IdleConnTimeout = idleTimeout
	}
	if withoutHTTP2(own) {
		own.TLSNextProto = make(map[string]func(string, *tls.Conn) http.RoundTripper)
		return own
	}
	// What golang.org/x/net/http2 has put here leads to the original's pool of
	// connections. And a transport with a TLS configuration, as any that was used
	// has, offers HTTP/2 to the server and does not speak it, unless forced.
	own.TLSNextProto, own.ForceAttemptHTTP2 = nil, true
	if own.HTTP2 == nil {
		own.HTTP2 = &http.HTTP2Config{}
	}
	if own.HTTP2.SendPingTimeout == 0 {
		ours := metadata.NewTransport().HTTP2
		own.HTTP2.SendPingTimeout, own.HTTP2.PingTimeout = ours.SendPingTimeout, ours.PingTimeout
	}
	return own
}

// withoutHTTP2 reports whether HTTP/2 was switched off, in one of the ways that
// net/http has for it.
func withoutHTTP2(t *http.Transport) bool {
	return t.TLSNextProto != nil && t.TLSNextProto["h2"] == nil ||
		t.Protocols != nil && !t.Protocols.HTTP2() ||
		t.TLSClientConfig != nil && len(t.TLSClientConfig.NextProtos) > 0 && !slices.Contains(t.TLSClientConfig.NextProtos, "h2")
}

type getCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

// orError makes an error of no certificate, and of a panic: both would end the
// process, for net/http calls it in a goroutine of its own.
func orError(get getCertificate) getCertificate {
	return func(request *tls.CertificateRequestInfo) (certificate *tls.Certificate, err error) {
		err = errors.New("introspection: GetClientCertificate did not return") // stays after panic(nil)
		defer func() {
			if p := recover(); p != nil {
				certificate, err = nil, fmt.Errorf("introspection: GetClientCertificate panicked with a %T", p)
			}
		}()
		if certificate, err = get(request); err == nil && certificate == nil {
			err = errors.New("introspection: GetClientCertificate returned no certificate")
		}
		return certificate, err
	}
}
