package jwks

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/certbound/certbound/binding"
)

// IssuersConfig says where [ByIssuerFunc] learns of issuers and how many it
// keeps. In numbers and durations, 0 means the default.
type IssuersConfig struct {
	// Config returns the Config of an issuer. It is given the iss of a token that
	// nobody has verified: look it up among the issuers that you know, and do not
	// make a URL from a name that you do not know. It is called before anything
	// is fetched, only once even if several tokens of the issuer wait, and with
	// the context of one of their requests. At most 64 calls run at once; beyond
	// that, a token of a further unknown issuer is answered 503. Config.Issuer
	// must be the issuer that was asked for. Required.
	//
	// An error that is a [*binding.Error] refuses the token by its Reason: return
	// one with [binding.ReasonTokenIssuer] for an issuer that is not yours. Any
	// other error means that the answer is not known at present: 503.
	Config func(ctx context.Context, issuer string) (Config, error)

	// MaxIssuers is how many issuers are kept, with their keys and remembered
	// tokens. A new one takes the place of the one that was idle longest, as soon
	// as one of its tokens was verified. 0 means 1,000; at most 100,000.
	MaxIssuers int

	// IdleAfter is how long an issuer is kept while none of its tokens come, or
	// up to an eighth longer. After that, Config is called anew. 0 means 1 hour;
	// from 1 minute to 7 days.
	IdleAfter time.Duration

	// RefusedFor is how long it is remembered that Config refused an issuer, for
	// at most 10,000 issuers. 0 means 1 minute, a negative value not at all; at
	// most 24 hours.
	RefusedFor time.Duration
}

// DynamicIssuers verifies the tokens of issuers that come and go, such as the
// tenants of a service. It is a [binding.TokenVerifier]. Make one with
// [ByIssuerFunc] and Close it when done; it is safe for concurrent use.
type DynamicIssuers struct {
	config  IssuersConfig
	routes  routes[*tenant]
	refused *otter.Cache[string, refusedIssuer]
	headers headerCache
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup // the sweeper, and verifiers that are being closed

	mu      sync.Mutex // for what follows; never held while anybody is asked
	tenants map[string]*tenant
	made    uint64 // tenants so far
	proven  int    // of tenants
	asking  map[string]*asking
	makings *otter.Cache[string, *budget] // of issuers without a verified token
	shared  map[sharing]*sharedKeys
	closed  bool
}

// ByIssuerFunc returns a verifier for the issuers that a function knows, by the
// token's iss, which nobody has verified yet. The issuer's own verifier then
// checks everything, iss included, with its own keys and rules.
//
// Somebody who makes up issuers does no harm to the others: nothing is fetched
// for an issuer that Config refuses, and an issuer without a verified token so
// far can displace only others without one, of which at most 64 are kept. One that
// was displaced is taken up again at most twice at once, and once more every 5
// seconds; beyond that its tokens are answered 503, as by [Config.Fresh].
// Issuers with the same URL share its keys and the fetches of them if
// Transport, DangerouslyAllowHTTP and every limit of their Configs are the
// same; the fetches are then reported to the Observe of one of them.
//
// The error joins a [binding.ConfigError] for each mistake.
func ByIssuerFunc(config IssuersConfig) (*DynamicIssuers, error) {
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("jwks: the IssuersConfig is wrong: %w", err)
	}
	d := &DynamicIssuers{
		config:  config,
		routes:  newRoutes[*tenant](),
		refused: newIssuerCache[refusedIssuer](),
		makings: newIssuerCache[*budget](),
		tenants: make(map[string]*tenant),
		asking:  make(map[string]*asking),
		shared:  make(map[sharing]*sharedKeys),
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.running.Go(d.sweep)
	return d, nil
}

func newIssuerCache[V any]() *otter.Cache[string, V] {
	return otter.Must(&otter.Options[string, V]{
		MaximumSize: maxRememberedIssuers,
		Executor:    func(task func()) { task() }, // as that of seenTokens
	})
}

func (c *IssuersConfig) check() error {
	var mistakes []error
	mistake := func(field, problem string) {
		mistakes = append(mistakes, binding.ConfigError{Field: field, Problem: problem})
	}
	if c.Config == nil {
		mistake("Config", "is required")
	}
	if c.MaxIssuers == 0 {
		c.MaxIssuers = 1_000
	}
	if c.MaxIssuers < 1 || c.MaxIssuers > 100_000 {
		mistake("MaxIssuers", "must be from 1 to 100000")
	}
	if c.IdleAfter == 0 {
		c.IdleAfter = time.Hour
	}
	if c.IdleAfter < time.Minute || c.IdleAfter > 7*24*time.Hour {
		mistake("IdleAfter", "must be from 1m0s to 168h0m0s")
	}
	c.RefusedFor = noneIfNegative(c.RefusedFor, time.Minute)
	if c.RefusedFor > 24*time.Hour {
		mistake("RefusedFor", "must be at most 24h0m0s")
	}
	return errors.Join(mistakes...)
}

// VerifyToken verifies an access token as the verifier of its issuer does. The
// error is a [*binding.Error]; it is 503 if Config failed, or returned a Config
// that is wrong or is for another issuer.
func (d *DynamicIssuers) VerifyToken(ctx context.Context, token string) (*binding.Token, error) {
	if len(token) > maxTokenBytes {
		return nil, &binding.Error{Reason: binding.ReasonTokenTooLong}
	}
	digest := digestOf(token)
	if t, ok := d.routes.get(digest); ok {
		if v := t.verifier.Load(); v != nil {
			if seen, err := v.recall(digest); seen != nil || err != nil {
				t.use()
				return seen, err
			}
		}
	}
	parsed, err := parse(&d.headers, token)
	if err != nil {
		return nil, err
	}
	defer parsed.release()
	for {
		t, err := d.enter(ctx, parsed.claims.Issuer())
		if err != nil {
			return nil, err
		}
		verified, err := d.verifyAt(ctx, t, token, parsed, digest)
		if t.isGone() {
			continue // it was closed for being idle when the token came, or forgotten since
		}
		if err == nil {
			d.routes.put(digest, t)
		}
		return verified, err
	}
}

// verifyAt verifies a token at the tenant that was entered for it, and leaves that:
// also if the Clock of its Config panics, since a tenant that is never left is
// never idle and keeps its place.
func (d *DynamicIssuers) verifyAt(ctx context.Context, t *tenant, token string, parsed *jwt, digest [sha256.Size]byte) (verified *binding.Token, err error) {
	defer func() { d.leave(t, verified != nil) }()
	v := t.verifier.Load()
	if v == nil {
		return nil, nil // it was forgotten since
	}
	return v.verifyOrRecall(ctx, token, parsed, digest)
}

// Ready returns nil until Close: which issuers there are is known only when their
// tokens come.
func (d *DynamicIssuers) Ready() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	return nil
}

// Forget drops everything that is known about an issuer, so that Config is
// called again for its next token: call it when you add or remove a tenant, or
// change its Config. Keys that other issuers share with it (see [ByIssuerFunc])
// stay, and are as old as they were.
func (d *DynamicIssuers) Forget(issuer string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refused.Invalidate(issuer)
	d.makings.Invalidate(issuer)
	if a := d.asking[issuer]; a != nil {
		a.stale = true
	}
	if t := d.tenants[issuer]; t != nil {
		d.remove(t)
	}
}

// Close closes the verifiers of all issuers and returns when no goroutine is
// left. After it, no token is accepted: the answer is 503. It returns nil.
func (d *DynamicIssuers) Close() error {
	d.mu.Lock()
	for _, t := range d.tenants {
		d.remove(t)
	}
	d.closed = true
	d.mu.Unlock()
	d.cancel()
	d.running.Wait()
	return nil
}
