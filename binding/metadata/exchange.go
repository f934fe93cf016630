package metadata

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"sync/atomic"
)

// An exchange is one request, and how far it got, as net/http tells it.
type exchange struct {
	method, address  string
	began, connected atomic.Bool
	reused, answered atomic.Bool
}

func (x *exchange) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { x.began.Store(true) },
		GotConn: func(info httptrace.GotConnInfo) {
			x.connected.Store(true)
			x.reused.Store(info.Reused)
		},
		GotFirstResponseByte: func() { x.answered.Store(true) },
	})
}

// failed returns our error for one of the transport's.
func (x *exchange) failed(err error) error {
	if asked, ok := err.(*url.Error); ok {
		err = asked.Err // we say ourselves what was asked for
	}
	noConnection := x.began.Load() && !x.connected.Load()
	hint := x.hint(err)
	ended := x.reused.Load() && !x.answered.Load() && !isTimeout(err) && !errors.Is(err, context.Canceled)
	if x.method == http.MethodPost && !noConnection {
		err = withoutAnswer(err)
	}
	if ended {
		return fmt.Errorf("%s %s: %w: %w", x.method, x.address, ErrConnectionEnded, err)
	}
	if noConnection {
		return fmt.Errorf("%s %s: %w: %w%s", x.method, x.address, ErrNoConnection, err, whatMends(err))
	}
	if isTimeout(err) {
		return fmt.Errorf("%s %s: no answer in time: %w", x.method, x.address, err)
	}
	return fmt.Errorf("%s %s: %w%s", x.method, x.address, err, hint)
}

// whatMends names the option to set for a server whose CA is not known here, or
// returns "".
func whatMends(err error) string {
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return "; add its CA to the RootCAs of the option Transport (see metadata.NewTransport)"
	}
	return ""
}

// beforeHTTP2 is net/http's error for a new connection that ended before the
// first request of HTTP/2.
const beforeHTTP2 = "http2: client conn could not be established"

// hint says what a server may have meant that ended a new connection before the
// request was written, or returns "". In TLS 1.3 it judges the client's
// certificate when the client's handshake is already done, and the alert that
// says why may then never be read.
func (x *exchange) hint(err error) string {
	var operation *net.OpError
	writing := errors.As(err, &operation) && operation.Op == "write"
	if x.connected.Load() && !x.answered.Load() && (writing || err.Error() == beforeHTTP2) {
		return "; a server that wants a client certificate, or another one, may end a new connection so"
	}
	return ""
}

// withoutAnswer keeps the server's words out of a transport's error. net/http
// quotes what it cannot read, be it a status line, a Location or a reason to go
// away, and the server may have put there what it was sent, in one encoding or
// another: to search for that would be to guess.
//
// A request that got no connection has been sent to nobody: its error is kept
// whole. Of any other request's error, only a part that holds addresses,
// certificates and fixed texts is kept, or else its type alone.
func withoutAnswer(err error) error {
	var operation *net.OpError // refused, reset, a TLS alert
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &operation):
		return operation
	case errors.As(err, &certificate):
		return certificate
	}
	for _, known := range []error{context.DeadlineExceeded, context.Canceled, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, known) {
			return known
		}
	}
	if isTimeout(err) {
		return os.ErrDeadlineExceeded
	}
	if err.Error() == beforeHTTP2 {
		return errors.New(beforeHTTP2)
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return fmt.Errorf("no answer that can be read: a %T, whose text may repeat what was sent", err)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
