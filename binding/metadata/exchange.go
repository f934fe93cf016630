package metadata

import (
	"context"
	"crypto/tls"
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
}

func (x *exchange) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { x.began.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { x.connected.Store(true) },
	})
}

// failed returns our error for one of the transport's.
func (x *exchange) failed(err error) error {
	if asked, ok := err.(*url.Error); ok {
		err = asked.Err // we say ourselves what was asked for
	}
	if x.method == http.MethodPost {
		err = x.withoutAnswer(err)
	}
	return fmt.Errorf("metadata: %s %s: %w", x.method, x.address, err)
}

// withoutAnswer keeps the server's words out of a transport's error. net/http
// quotes what it cannot read, be it a status line, a Location or a reason to go
// away, and the server may have put there what it was sent, in one encoding or
// another: to search for that would be to guess.
//
// A request that got no connection has been sent to nobody: the error is whole.
// Of another it is one that holds addresses, certificates and fixed texts, or
// its type alone.
func (x *exchange) withoutAnswer(err error) error {
	if x.began.Load() && !x.connected.Load() {
		return err
	}
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
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return os.ErrDeadlineExceeded
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return fmt.Errorf("no answer that can be read: a %T, whose text may repeat what was sent", err)
}
