package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// transport presents what the side says, whatever the other side asks for, and
// sets unnamed if many clients would not: CAs are named, and it is of none of them.
func (c *check) transport(s side, unnamed *atomic.Bool) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!s.http2)
	protocols.SetHTTP2(s.http2)
	transport := &http.Transport{
		Protocols:       protocols,
		TLSClientConfig: &tls.Config{RootCAs: c.options.roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			connection, err := new(net.Dialer).DialContext(ctx, network, address)
			return lastWord{connection}, err
		},
		TLSHandshakeTimeout: 10 * time.Second,
		DisableKeepAlives:   !s.http2, // over HTTP/2 this would be a field that does not belong there
	}
	if s.presented != nil {
		transport.TLSClientConfig.GetClientCertificate = func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			ofAny := *asked
			ofAny.AcceptableCAs = nil
			unnamed.Store(ofAny.SupportsCertificate(s.presented) == nil && asked.SupportsCertificate(s.presented) != nil)
			return s.presented, nil
		}
	}
	return transport
}

// A lastWord is a connection that hears the other side out. In TLS 1.3 the
// alert for want of a certificate comes after the client's handshake is done:
// by then a request is under way, and would fail to be written in place of
// being refused.
type lastWord struct{ net.Conn }

func (c lastWord) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return len(p), nil // reading says what became of it
	}
	return n, err
}

// beforeHTTP2 returns the alert for err if that says that the connection ended
// before the first request of HTTP/2: net/http keeps the reason to itself, and a
// client that says nothing is told it again.
func beforeHTTP2(ctx context.Context, transport *http.Transport, asked *url.URL, err error) error {
	if err.Error() != "http2: client conn could not be established" {
		return err
	}
	config := transport.TLSClientConfig.Clone()
	config.NextProtos = []string{"h2"}
	address := net.JoinHostPort(asked.Hostname(), cmp.Or(asked.Port(), "443"))
	connection, failed := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if failed == nil {
		defer connection.Close()
		const patience = 5 * time.Second // with one that took the certificate this time, and waits for a request
		_ = connection.SetReadDeadline(time.Now().Add(patience))
		_, failed = connection.Read(make([]byte, 1))
	}
	if (observation{err: failed}).byAlert() {
		return failed
	}
	return err
}

// byAlert: the other side ended the handshake by a TLS alert, for it wants a
// certificate, or another, or another protocol. What else goes wrong on the way
// says nothing about the proxy.
func (o observation) byAlert() bool {
	var remote *net.OpError
	return errors.As(o.err, &remote) && remote.Op == "remote error"
}

// cutOff: the other side took the request and ended the connection or the stream
// in place of an answer, neither before it nor by saying nothing.
func (o observation) cutOff() bool {
	var network net.Error
	var operation *net.OpError
	switch {
	case o.err == nil, errors.As(o.err, &network) && network.Timeout(), errors.Is(o.err, context.Canceled):
		return false
	case errors.As(o.err, &operation) && operation.Op == "dial":
		return false
	}
	return true
}

// withoutHTTP2: it does not speak HTTP/2, and answered in HTTP/1.1.
func (o observation) withoutHTTP2() bool {
	return o.err != nil && (strings.Contains(o.err.Error(), "ALPN") || strings.Contains(o.err.Error(), "no application protocol"))
}
