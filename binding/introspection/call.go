package introspection

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/metadata"
)

// A call is one question to the server, joined by all who ask about its token.
type call struct {
	place   place
	probe   bool
	done    chan struct{}  // closed when it is over; nil: it need not be made
	token   *binding.Token // readable then: this,
	refusal *binding.Error // or this
}

// An outcome is what became of one call.
type outcome struct {
	token   *binding.Token // active, and for us: this,
	refusal *binding.Error // or this
	lasting bool           // the refusal is the token's, and remembered
	size    int            // of the answer, in bytes
	health  health
	event   EventKind // "": there was no call
	err     error     // of the event
}

var errNotReturned = errors.New("introspection: a key did not return")

// start makes the call, on no caller's context. It ends even if a SigningKey ends
// the goroutine (runtime.Goexit).
func (v *Verifier) start(c *call, d digest, token string) {
	began := time.Now()
	result := failed(healthUnknown, errNotReturned)
	defer func() { v.finish(c, d, began, result) }()
	ctx, cancel := context.WithTimeout(v.ctx, v.client.Timeout)
	defer cancel()
	result = v.ask(ctx, token)
}

// finish takes in how a call ended, gives it to all who wait, and tells of it.
func (v *Verifier) finish(c *call, d digest, began time.Time, result outcome) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		result = outcome{refusal: unavailable(ErrClosed, 0)} // what came after Close is not used
	}
	switch {
	case result.token != nil:
		v.memory.accept(d, result.token, result.size, began)
	case result.lasting:
		v.memory.refuse(d, result.refusal, began)
	}
	opened, away := v.breaker.record(d, result.health, began, c.probe)
	if v.refusals.record(&result) {
		v.client.EndConnections() // the certificate may have been renewed since
	}
	if isElsewhere(result.err) && v.refusals.nobodyIsAnswered() {
		v.endpoint.mayHaveMoved()
	}
	c.token, c.refusal = result.token, result.refusal
	delete(v.calls, d)
	v.places.giveBack(c.place)
	close(c.done)

	if result.event != "" {
		v.events.Put(Event{Kind: result.event, Err: result.err, Duration: time.Since(began)})
	}
	switch {
	case opened:
		v.events.Put(Event{Kind: BreakerOpened, Err: result.err, RetryAfter: v.breaker.wait(false)})
	case away > 0:
		v.events.Put(Event{Kind: BreakerClosed, Duration: away})
	}
}

// ask asks the server about a token. The key is foreign code: if it panics the
// call has failed.
func (v *Verifier) ask(ctx context.Context, token string) (o outcome) {
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
	answer, err := v.post(ctx, address, token)
	if err != nil {
		return noAnswer(err)
	}
	o = v.read(answer)
	o.size = len(answer)
	return o
}

// attempts is how often a token is asked about if the server ends the connection
// each time: a server that restarts may end several at once.
const attempts = 3

// post makes the request, and makes it anew when a connection that was used before
// turns out to have been ended: nothing was answered, and asking changes nothing
// (RFC 9110 §9.2.2). net/http does so for requests without an assertion, which is
// good for one use (RFC 7523 §3), over HTTP/1.1; over HTTP/2 it does not if the
// server said nothing before the connection ended.
func (v *Verifier) post(ctx context.Context, address, token string) (answer []byte, err error) {
	for range attempts {
		// RFC 7662 §2.1. The hint does not bind the server: token_type and the
		// rest of the answer say what the token is.
		form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
		header := make(http.Header)
		if err := v.credential.put(form, header, v.clock()); err != nil {
			return nil, fmt.Errorf("%w: %w", errNotAsked, err)
		}
		answer, err = v.client.PostForm(ctx, address, form, header)
		if !errors.Is(err, metadata.ErrConnectionEnded) {
			break
		}
	}
	return answer, err
}

var errNotAsked = errors.New("introspection: the server was not asked")

func failed(h health, err error) outcome {
	return outcome{refusal: unavailable(err, 0), health: h, event: CallFailed, err: err}
}

// noAnswer sorts the failures of a call: what do they say of the server?
func noAnswer(err error) outcome {
	var status *metadata.StatusError
	switch {
	case errors.Is(err, metadata.ErrTransport), errors.Is(err, errNotAsked):
		return failed(healthUnknown, err)
	case errors.As(err, &status):
		o := failed(healthUp, err)
		if refusesUs(status) {
			o.event = CredentialsRefused
		}
		return o
	case errors.Is(err, metadata.ErrTooBig), errors.Is(err, metadata.ErrJWT):
		return failed(healthUp, err)
	case errors.Is(err, metadata.ErrNoConnection):
		return failed(healthAway, err)
	}
	return failed(healthNoAnswer, err)
}

// isElsewhere reports whether a call failed as one does whose endpoint has moved.
func isElsewhere(err error) bool {
	var status *metadata.StatusError
	if !errors.As(err, &status) {
		return errors.Is(err, metadata.ErrNoConnection)
	}
	switch status.Status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone, http.StatusMisdirectedRequest:
		return true
	}
	return status.Status >= 300 && status.Status < 400
}

// refusesUs: RFC 7662 §2.3, RFC 6749 §5.2. It is no word on the token.
func refusesUs(status *metadata.StatusError) bool {
	switch {
	case status.Status == http.StatusUnauthorized, status.Status == http.StatusForbidden:
		return true
	}
	return status.Code == "invalid_client" || status.Code == "unauthorized_client"
}

// goodFor is how long an answer shows that our credentials are taken.
const goodFor = 10 * time.Second

// refusals tells a refusal of our credentials from one of a token, as a firewall
// in front of the server may have for some: while others are answered, it is not
// about us. It is guarded by its owner's lock.
type refusals struct {
	lastGood time.Time // when the server last answered about a token; zero: never
	told     bool
}

// record takes in how a call ended, and makes a CredentialsRefused that is not
// one, or that was told already, a CallFailed. It reports whether our credentials
// were refused.
func (r *refusals) record(o *outcome) (refused bool) {
	if o.event == TokenActive || o.event == TokenInactive {
		*r = refusals{lastGood: time.Now()}
		return false
	}
	if o.event != CredentialsRefused {
		return false
	}
	refused = r.nobodyIsAnswered() || isClientError(o.err)
	if !refused || r.told {
		o.event = CallFailed
	}
	r.told = r.told || refused
	return refused
}

// nobodyIsAnswered reports whether the server answered about no token of late.
func (r *refusals) nobodyIsAnswered() bool { return time.Since(r.lastGood) >= goodFor }

// isClientError reports whether the server names our client as the reason.
func isClientError(err error) bool {
	var status *metadata.StatusError
	return errors.As(err, &status) && refusesUs(&metadata.StatusError{Code: status.Code})
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
	var token *binding.Token
	claims, err := binding.ParseClaims(answer)
	if err == nil {
		token, err = claims.Validate(expect)
	}
	o := outcome{token: token, health: healthUp, event: TokenActive}
	if err != nil {
		refusal := *binding.AsError(err)
		refusal.Opaque = true
		o.token, o.refusal, o.lasting = nil, &refusal, true
	}
	return o
}
