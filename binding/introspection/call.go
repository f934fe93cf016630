package introspection

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/metadata"
)

// An outcome is what became of one call.
type outcome struct {
	token   *binding.Token // active, and for us: this,
	refusal *binding.Error // or this
	lasting bool           // the refusal is the token's, and remembered
	health  health
	event   EventKind // "": there was no call
	err     error     // of the event
}

var errNotReturned = errors.New("introspection: a Transport or a key did not return")

// call asks the server about a token. A panic, of a Transport or of a key for
// instance, is a failure: it would end the process, for it is nobody's request.
func (v *Verifier) call(ctx context.Context, token string) (o outcome) {
	// Stays after panic(nil), which recover does not tell from none with
	// GODEBUG=panicnil=1.
	o = failed(healthUnknown, errNotReturned)
	defer func() {
		if p := recover(); p != nil {
			o = failed(healthUnknown, fmt.Errorf("introspection: a call panicked with a %T", p))
		}
	}()
	address, err := v.endpoint.get(ctx)
	if err != nil {
		return outcome{refusal: unavailable(err, v.endpoint.retryAfter())}
	}
	// RFC 7662 §2.1. The hint does not bind the server: token_type and the rest
	// of the answer say what the token is.
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	header := make(http.Header)
	if err := v.credential.put(form, header, v.clock()); err != nil {
		return failed(healthUnknown, err)
	}
	var connected atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	answer, err := v.client.PostForm(traced, address, form, header)
	if err != nil {
		return v.noAnswer(err, connected.Load())
	}
	return v.read(answer)
}

func failed(h health, err error) outcome {
	return outcome{refusal: unavailable(err, 0), health: h, event: CallFailed, err: err}
}

// noAnswer sorts the failures of a call: what do they say of the server?
func (v *Verifier) noAnswer(err error, connected bool) outcome {
	var status *metadata.StatusError
	switch {
	case v.ctx.Err() != nil:
		return failed(healthUnknown, err)
	case errors.As(err, &status):
		if refusesUs(status) {
			if v.own != nil {
				v.own.CloseIdleConnections() // the certificate may have been renewed since
			}
			o := failed(healthUp, err)
			o.event = CredentialsRefused
			return o
		}
		if status.Status >= http.StatusInternalServerError {
			return failed(healthFailed, err)
		}
		return failed(healthUp, err)
	case errors.Is(err, metadata.ErrTooBig), errors.Is(err, metadata.ErrJWT):
		return failed(healthUp, err)
	case connected:
		return failed(healthFailed, err)
	}
	return failed(healthAway, err)
}

// refusesUs: RFC 7662 §2.3, RFC 6749 §5.2. It is no word on the token.
func refusesUs(status *metadata.StatusError) bool {
	switch {
	case status.Status == http.StatusUnauthorized, status.Status == http.StatusForbidden:
		return true
	}
	return status.Code == "invalid_client" || status.Code == "unauthorized_client"
}

// read takes an answer for what it is: the server's fault is 503, the token's
// 401 (RFC 7662 §2.2).
func (v *Verifier) read(answer []byte) outcome {
	active, err := activeOf(answer)
	if err != nil {
		return failed(healthUp, err)
	}
	if !active {
		return outcome{
			refusal: &binding.Error{Reason: binding.ReasonTokenInactive, Opaque: true},
			lasting: true, health: healthUp, event: TokenInactive,
		}
	}
	expect := v.expect
	expect.Now = v.clock()
	token, err := binding.ParseToken(answer)
	if err == nil {
		token, err = token.Validate(expect)
	}
	o := outcome{token: token, health: healthUp, event: TokenActive}
	if err != nil {
		refusal := *binding.AsError(err)
		refusal.Opaque = true
		o.token, o.refusal, o.lasting = nil, &refusal, true
	}
	return o
}
