package introspection

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/metadata"
)

// A Verifier verifies the opaque access tokens of one authorization server. It
// is a [binding.TokenVerifier]. Make one with [New] and Close it when done; it is
// safe for concurrent use. The zero Verifier is not usable.
type Verifier struct {
	issuer      string
	expect      binding.Expect // without Now
	clock       func() time.Time
	client      *metadata.Client
	own         *http.Transport // the client's, if it is ours
	credential  credential
	endpoint    *endpoint
	timeout     time.Duration
	maxInFlight int
	observe     observer
	memory      memory

	mu       sync.Mutex // for what follows; never held while anybody is asked
	flights  map[digest]*flight
	inFlight int
	breaker  breaker
	closed   bool

	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// A flight is one call, joined by all who ask about its token.
type flight struct {
	probe   bool
	done    chan struct{}  // closed when it is over
	token   *binding.Token // readable then: this,
	refusal *binding.Error // or this
}

// maxTokenLength is the longest token, in bytes, that is sent.
const maxTokenLength = 16 << 10

// The causes of a refusal with status 503, beside the call's own.
var (
	// ErrNotReady: the introspection endpoint is not known yet.
	ErrNotReady = errors.New("introspection: the introspection endpoint is not known")

	// ErrAway: calls have failed in a row, and none is made for a while.
	ErrAway = errors.New("introspection: the authorization server is away")

	// ErrBusy: Config.MaxInFlight tokens are being asked about.
	ErrBusy = errors.New("introspection: too many calls are under way")

	// ErrClosed: the verifier was closed.
	ErrClosed = errors.New("introspection: the verifier is closed")
)

func newVerifier(c Config) *Verifier {
	v := &Verifier{
		issuer: c.Issuer,
		expect: binding.Expect{
			Issuer:                           c.Issuer,
			Audiences:                        slices.Clone(c.Audiences),
			Leeway:                           c.Leeway,
			ScopeClaims:                      slices.Clone(c.ScopeClaims),
			ClientIDClaims:                   slices.Clone(c.ClientIDClaims),
			Introspection:                    true,
			DangerouslyAcceptMissingAudience: c.DangerouslyAcceptMissingAudience,
		},
		clock:       c.Clock,
		credential:  credential{method: c.AuthMethod, clientID: c.ClientID, secret: c.ClientSecret},
		timeout:     c.Timeout,
		maxInFlight: c.MaxInFlight,
		observe:     observer(c.Observe),
		memory:      newMemory(c),
		flights:     make(map[digest]*flight),
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
	v.endpoint = newEndpoint(c, v.client)
	v.ctx, v.cancel = context.WithCancel(context.Background())
	if c.URL == "" {
		v.running.Go(func() { v.endpoint.run(v.ctx) })
	}
	return v
}

// VerifyToken finds out whether a token is active, and what it says (RFC 7662),
// from what is remembered of it or by a call, for which it waits until ctx ends;
// the call goes on without it. The error is a [*binding.Error]: a fault of the
// token is 401, of the server or of our credentials 503.
func (v *Verifier) VerifyToken(ctx context.Context, token string) (*binding.Token, error) {
	switch {
	case v.ctx.Err() != nil:
		return nil, unavailable(ErrClosed, 0)
	case len(token) > maxTokenLength:
		return nil, &binding.Error{Reason: binding.ReasonTokenTooLong}
	case !isB64Token(token):
		return nil, &binding.Error{Reason: binding.ReasonTokenMalformed}
	}
	d := sha256.Sum256([]byte(token))
	if token, refusal := v.memory.recall(d, v.clock()); token != nil || refusal != nil {
		return verdict(token, refusal)
	}
	f, refusal := v.join(d, token)
	if refusal != nil {
		return nil, refusal
	}
	select {
	case <-f.done:
		return verdict(f.token, f.refusal)
	case <-ctx.Done():
		return nil, &binding.Error{Reason: binding.ReasonCanceled, Cause: ctx.Err()}
	}
}

func verdict(token *binding.Token, refusal *binding.Error) (*binding.Token, error) {
	if refusal != nil {
		return nil, refusal
	}
	return token, nil
}

// join returns the flight about a token, which it starts if there is none.
func (v *Verifier) join(d digest, token string) (*flight, *binding.Error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil, unavailable(ErrClosed, 0)
	}
	if f := v.flights[d]; f != nil {
		return f, nil
	}
	// One may have landed since the memory was asked.
	if token, refusal := v.memory.recall(d, v.clock()); token != nil || refusal != nil {
		f := &flight{done: make(chan struct{}), token: token, refusal: refusal}
		close(f.done)
		return f, nil
	}
	if v.inFlight >= v.maxInFlight {
		return nil, unavailable(ErrBusy, time.Second)
	}
	if wait := v.breaker.wait(); wait > 0 {
		return nil, unavailable(ErrAway, wait)
	}
	f := &flight{probe: v.breaker.admit(), done: make(chan struct{})}
	v.flights[d] = f
	v.inFlight++
	v.running.Go(func() { v.fly(f, d, token) })
	return f, nil
}

// fly makes the call, on no caller's context. It lands even if a Transport ends
// the goroutine (runtime.Goexit).
func (v *Verifier) fly(f *flight, d digest, token string) {
	start := time.Now()
	result := failed(healthUnknown, errNotReturned)
	defer func() { v.land(f, d, start, result) }()
	ctx, cancel := context.WithTimeout(v.ctx, v.timeout)
	defer cancel()
	result = v.call(ctx, token)
}

// land takes in how a call ended, gives it to all who wait, and tells of it.
func (v *Verifier) land(f *flight, d digest, start time.Time, result outcome) {
	v.mu.Lock()
	if v.closed {
		result = outcome{refusal: unavailable(ErrClosed, 0)} // what came after Close is not used
	}
	switch {
	case result.token != nil:
		v.memory.accept(d, result.token, start)
	case result.lasting:
		v.memory.refuse(d, result.refusal, start)
	}
	opened, closed := v.breaker.record(d, result.health, f.probe)
	wait := v.breaker.wait()
	f.token, f.refusal = result.token, result.refusal
	delete(v.flights, d)
	v.mu.Unlock()
	close(f.done)

	if result.event != "" {
		v.observe.tell(Event{Kind: result.event, Issuer: v.issuer, Err: result.err, Duration: time.Since(start)})
	}
	switch {
	case opened:
		v.observe.tell(Event{Kind: BreakerOpened, Issuer: v.issuer, Err: result.err, RetryAfter: wait})
	case closed:
		v.observe.tell(Event{Kind: BreakerClosed, Issuer: v.issuer})
	}
	v.mu.Lock()
	v.inFlight--
	v.mu.Unlock()
}

func unavailable(cause error, retryAfter time.Duration) *binding.Error {
	return &binding.Error{Reason: binding.ReasonUnavailable, Cause: cause, RetryAfter: retryAfter}
}

// isB64Token: RFC 6750 §2.1. A guard has looked at it, another caller may not;
// nothing else is sent anywhere.
func isB64Token(token string) bool {
	token = strings.TrimRight(token, "=")
	for i := range len(token) {
		c := token[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~+/", c) >= 0:
		default:
			return false
		}
	}
	return token != ""
}

// Issuer returns Config.Issuer.
func (v *Verifier) Issuer() string { return v.issuer }

// Ready returns nil if a token could be asked about now, and otherwise why not.
// It asks nobody. Use it for a readiness probe, not a liveness probe: that the
// server is away is no reason to be restarted. A server that was away is tried
// again with a request's token, and so Ready returns nil when the time for that
// has come.
func (v *Verifier) Ready() error {
	v.mu.Lock()
	closed, wait := v.closed, v.breaker.wait()
	v.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case wait > 0:
		return ErrAway
	}
	return v.endpoint.ready()
}

// Close ends the calls that are under way and returns when no goroutine is left.
// After it every token is answered 503, whatever it is. It returns nil.
func (v *Verifier) Close() error {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	v.cancel()
	v.running.Wait()
	if v.own != nil {
		v.own.CloseIdleConnections()
	}
	return nil
}
