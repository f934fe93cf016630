package introspection

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/events"
	"github.com/certbound/certbound/binding/internal/grammar"
	"github.com/certbound/certbound/binding/metadata"
)

// A Verifier verifies the opaque access tokens of one authorization server. It
// is a [binding.TokenVerifier]. Make one with [New] and Close it when done; it is
// safe for concurrent use. The zero Verifier is not usable.
type Verifier struct {
	expect        binding.Expect // without Now
	clock         func() time.Time
	client        *metadata.Client
	own           *http.Transport // the client's, if it is ours
	credential    credential
	endpoint      *endpoint
	maxTokenBytes int
	events        *events.Queue[Event]
	memory        memory

	mu       sync.Mutex // for what follows; never held while anybody is asked
	calls    map[digest]*call
	places   places
	breaker  breaker
	refusals refusals
	closed   bool

	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// The causes of a refusal with status 503, besides the errors of the call
// itself.
var (
	// ErrNotReady: the introspection endpoint is not known yet.
	ErrNotReady = errors.New("introspection: the introspection endpoint is not known")

	// ErrBreakerOpen: several calls in a row got no answer, and none is made for
	// a while.
	ErrBreakerOpen = errors.New("introspection: the authorization server is away")

	// ErrBusy: as many tokens are being asked about as Config.MaxInFlight allows
	// this client.
	ErrBusy = errors.New("introspection: too many calls are under way")

	// ErrClosed: the verifier was closed.
	ErrClosed = errors.New("introspection: the verifier is closed")
)

func newVerifier(c Config) *Verifier {
	v := &Verifier{
		expect: binding.Expect{
			Issuer:                           c.Issuer,
			Audiences:                        slices.Clone(c.Audiences),
			Leeway:                           c.Leeway,
			MaxLifetime:                      c.MaxLifetime,
			ScopeClaims:                      slices.Clone(c.ScopeClaims),
			ClientIDClaims:                   slices.Clone(c.ClientIDClaims),
			Introspection:                    true,
			DangerouslyAcceptMissingAudience: c.DangerouslyAcceptMissingAudience,
		},
		clock:         c.Clock,
		credential:    credential{method: c.AuthMethod, clientID: c.ClientID, secret: c.ClientSecret},
		maxTokenBytes: c.MaxTokenBytes,
		events:        newEvents(c),
		memory:        newMemory(c),
		calls:         make(map[digest]*call),
		places:        newPlaces(c.MaxInFlight),
	}
	if v.clock == nil {
		v.clock = time.Now
	}
	if c.AuthMethod == PrivateKeyJWT {
		algorithm, _ := algorithmNamed(c.SigningAlgorithm, c.SigningKey.Public())
		v.credential.signer = assertionSigner{
			key: c.SigningKey, algorithm: algorithm, keyID: c.SigningKeyID,
			clientID: c.ClientID, audience: c.AssertionAudience,
		}
		if c.AssertionAudience == "" {
			v.credential.signer.audience = c.Issuer
		}
	}
	v.client = &metadata.Client{DangerouslyAllowHTTP: c.DangerouslyAllowHTTP, Timeout: c.Timeout, MaxBody: c.MaxBody}
	v.client.Transport, v.own = c.transport()
	v.endpoint = newEndpoint(c, v.client, v.events)
	v.ctx, v.cancel = context.WithCancel(context.Background())
	v.running.Go(v.sweep)
	if c.URL == "" {
		v.running.Go(func() { v.endpoint.run(v.ctx) })
	}
	return v
}

// VerifyToken finds out whether a token is active, and what it says (RFC 7662):
// from a remembered answer, or by a call. It waits for the call until ctx ends;
// the call itself then goes on. The error is a [*binding.Error]: 401 for a
// fault of the token, 503 for one of the server or of our credentials.
//
// If ctx comes from a guard that requires a binding, a request that presents
// neither a certificate nor a proof is refused without a call
// ([binding.RefusedUnasked]).
func (v *Verifier) VerifyToken(ctx context.Context, token string) (*binding.Token, error) {
	switch {
	case v.ctx.Err() != nil:
		return nil, unavailable(ErrClosed, 0)
	case len(token) > v.maxTokenBytes:
		return nil, &binding.Error{Reason: binding.ReasonTokenTooLong}
	case !grammar.IsB64Token(token): // a guard has looked at it, another caller may not have
		return nil, &binding.Error{Reason: binding.ReasonTokenMalformed}
	}
	// RFC 7662 §2.2 leaves the asking to us: no call that cannot end in 200.
	if refusal := binding.RefusedUnasked(ctx); refusal != nil {
		return nil, refusal
	}
	a := askerOf(ctx)
	d := sha256.Sum256([]byte(token))
	c, notAsked, err := v.join(d, token, a)
	if err != nil {
		return nil, err
	}
	if c.done != nil { // what is remembered is for those who left, too
		select {
		case <-c.done:
		case <-ctx.Done():
			return nil, &binding.Error{Reason: binding.ReasonCanceled, Cause: ctx.Err()}
		}
	}
	switch {
	case c.token == nil && notAsked != nil:
		return nil, notAsked
	case c.token == nil:
		return nil, c.refusal
	case c.done != nil && a.proves(c.token):
		v.memory.know(d, clientOf(c.token))
	}
	if notAsked != nil {
		binding.AnswerUnprovenWith(ctx, notAsked)
	}
	return c.token, nil
}

// join returns the call about a token: one that is over if the answer is
// remembered, one that is under way, or one that it starts.
//
// If the asker could not have had a call made about a token that nobody knows,
// notAsked is what is answered for that: so is it for this one, unless the guard
// accepts it. Otherwise the answer would tell a thief that a stolen token lives.
func (v *Verifier) join(d digest, token string, a asker) (c *call, notAsked, err *binding.Error) {
	remembered, _ := v.memory.recall(d, v.clock())
	if a.proves(remembered) { // what is asked for most takes no lock
		return &call{token: remembered}, nil, nil
	}
	by := v.memory.knows(d, a)
	anyKnown := v.memory.tokens.EstimatedSize() > 0
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil, nil, unavailable(ErrClosed, 0)
	}
	taken, notAsked := v.takePlace(by, false, anyKnown)
	giveBack := notAsked == nil
	defer func() {
		if giveBack {
			v.places.giveBack(taken)
		}
	}()
	if c := v.calls[d]; c != nil {
		return c, notAsked, nil
	}
	// One may have ended since the memory was asked.
	if remembered, refusal := v.memory.recall(d, v.clock()); remembered != nil || refusal != nil {
		return &call{token: remembered, refusal: refusal}, notAsked, nil
	}
	if by.tokenKnown {
		if giveBack {
			v.places.giveBack(taken)
			giveBack = false
		}
		if taken, err = v.takePlace(by, true, anyKnown); err != nil {
			return nil, nil, err
		}
	} else if notAsked != nil {
		return nil, nil, notAsked
	}
	giveBack = false
	c = &call{place: taken, probe: v.breaker.admit(), done: make(chan struct{})}
	v.calls[d] = c
	v.running.Go(func() { v.start(c, d, token) })
	return c, nil, nil
}

// takePlace returns a place for a call, or why none is made.
func (v *Verifier) takePlace(by knowledge, tokenKnown, anyKnown bool) (place, *binding.Error) {
	if wait := v.breaker.wait(!tokenKnown && anyKnown); wait > 0 {
		return place{}, unavailable(ErrBreakerOpen, wait)
	}
	taken, ok := v.places.take(by, tokenKnown, anyKnown)
	if !ok {
		return place{}, unavailable(ErrBusy, time.Second)
	}
	return taken, nil
}

// sweep has the memory let go of what can serve no more, until Close. The clock is
// foreign code: if it panics, or ends its goroutine (runtime.Goexit), the next time
// will do.
func (v *Verifier) sweep() {
	ticker := time.NewTicker(v.memory.sweepEvery())
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			var sweeping sync.WaitGroup
			sweeping.Go(func() {
				defer func() { _ = recover() }()
				v.memory.sweep(v.clock())
			})
			sweeping.Wait()
		case <-v.ctx.Done():
			return
		}
	}
}

func unavailable(cause error, retryAfter time.Duration) *binding.Error {
	return &binding.Error{Reason: binding.ReasonUnavailable, Cause: cause, RetryAfter: retryAfter}
}

// Issuer returns Config.Issuer.
func (v *Verifier) Issuer() string { return v.expect.Issuer }

// Ready returns nil if a token could be asked about now, and otherwise why not.
// It makes no call. Use it for a readiness probe, not a liveness probe: a
// restart does not help if the server is away. A server that was away is tried
// again with the token of a request, so Ready returns nil as soon as the time
// for that has come.
func (v *Verifier) Ready() error {
	v.mu.Lock()
	closed, wait := v.closed, v.breaker.wait(false)
	v.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case wait > 0:
		return ErrBreakerOpen
	}
	return v.endpoint.ready()
}

// Close ends the calls that are under way and returns when no goroutine of ours is
// left. After it, every token is answered 503. It returns nil. A connection over
// HTTP/2 whose call was ended may stay for the Transport's IdleConnTimeout: net/http
// closes none that has just been used.
func (v *Verifier) Close() error {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	v.cancel()
	v.events.Close()
	v.running.Wait()
	if v.own != nil {
		v.own.CloseIdleConnections()
	}
	return nil
}
