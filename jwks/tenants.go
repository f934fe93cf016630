package jwks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/certbound/certbound/binding"
)

// A tenant is an issuer that the function of an IssuersConfig knows. The routes of
// its tokens outlive it, and so it holds next to nothing once it is gone.
type tenant struct {
	issuer   string
	verifier atomic.Pointer[Verifier] // nil: it is gone, that is, not in tenants any more

	used atomic.Bool // since the last sweep

	// Guarded by the mutex of DynamicIssuers.
	release func() // its keys; nil if it is gone
	number  uint64 // in the order of their making
	proven  bool   // a token of it was verified
	busy    int    // tokens that are being verified
	idle    int    // sweeps since it was used
}

func (t *tenant) isGone() bool { return t.verifier.Load() == nil }

// use is on the way of every request, and so it writes as seldom as it can.
func (t *tenant) use() {
	if !t.used.Load() {
		t.used.Store(true)
	}
}

// sinceUse is how many sweeps ago it was used; negative if it was since the last.
func (t *tenant) sinceUse() int {
	if t.used.Load() {
		return -1
	}
	return t.idle
}

const (
	maxUnproven          = 64 // issuers of which no token was verified yet
	maxAsking            = 64 // calls of IssuersConfig.Config at once
	maxRememberedIssuers = 10_000
	maxIssuerLength      = 2 << 10
	sweepsUntilIdle      = 8
)

// An asking is a call of IssuersConfig.Config, joined by all who wait for it.
type asking struct {
	done  chan struct{}
	err   *binding.Error // why there is no tenant, for all who waited; readable when done
	stale bool           // Forget was called meanwhile: what it says is of no use
}

type refusedIssuer struct {
	reason binding.Reason
	cause  error
	until  time.Time
}

var (
	errManyIssuers   = errors.New("jwks: too many issuers are new at once")
	errMadeOften     = errors.New("jwks: no token of the issuer was verified yet, and it was asked for its keys as often as is permitted")
	errOtherIssuer   = errors.New("jwks: IssuersConfig.Config returned the Config of another issuer than it was asked for")
	errNilError      = errors.New("jwks: IssuersConfig.Config returned a nil *binding.Error as its error, which is not a nil error")
	errIssuerTooLong = fmt.Errorf("jwks: iss is longer than %d bytes", maxIssuerLength)
)

func unknownYet(cause error) *binding.Error {
	return &binding.Error{Reason: binding.ReasonUnavailable, Cause: cause, RetryAfter: time.Second}
}

// enter returns the tenant of an issuer, for one token to be verified; the caller
// must leave it then.
func (d *DynamicIssuers) enter(ctx context.Context, issuer string) (*tenant, error) {
	if len(issuer) > maxIssuerLength {
		return nil, &binding.Error{Reason: binding.ReasonTokenIssuer, Cause: errIssuerTooLong}
	}
	for {
		d.mu.Lock()
		if d.closed {
			d.mu.Unlock()
			return nil, &binding.Error{Reason: binding.ReasonKeysUnavailable, Cause: ErrClosed, RetryAfter: time.Second}
		}
		if t := d.tenants[issuer]; t != nil {
			t.busy++
			t.use()
			d.mu.Unlock()
			return t, nil
		}
		if r, ok := d.refused.GetIfPresent(issuer); ok && time.Now().Before(r.until) {
			d.mu.Unlock()
			return nil, &binding.Error{Reason: r.reason, Cause: r.cause}
		}
		if wait := d.untilMade(issuer); wait > 0 {
			d.mu.Unlock()
			return nil, &binding.Error{Reason: binding.ReasonKeyFetchLimited, Cause: errMadeOften, RetryAfter: max(time.Second, wait)}
		}
		a := d.asking[issuer]
		if a == nil {
			if len(d.asking) >= maxAsking {
				d.mu.Unlock()
				return nil, unknownYet(errManyIssuers)
			}
			// What is remembered is the name alone: it is a piece of a token, all of
			// which would be kept with it.
			own := strings.Clone(issuer)
			a = &asking{done: make(chan struct{})}
			d.asking[own] = a
			d.mu.Unlock()
			if err := d.ask(ctx, own, a); err != nil {
				return nil, err
			}
			continue
		}
		d.mu.Unlock()
		select {
		case <-a.done:
			if a.err != nil {
				refusal := *a.err // a guard makes it its own
				return nil, &refusal
			}
		case <-ctx.Done():
			return nil, &binding.Error{Reason: binding.ReasonCanceled, Cause: ctx.Err()}
		}
	}
}

// leave ends the verification of a token. A token that was verified proves that
// its issuer is no made-up one.
func (d *DynamicIssuers) leave(t *tenant, verified bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t.busy--
	if !verified || t.proven || t.isGone() {
		return
	}
	for d.proven >= d.config.MaxIssuers {
		longest := d.longestIdle(true)
		if longest == nil {
			break // all are busy
		}
		d.remove(longest)
	}
	t.proven = true
	d.proven++
	d.makings.Invalidate(t.issuer)
}

// untilMade returns how long no tenant is made for an issuer. Each has a budget of
// fetches of its own; so those of one whose tenant is displaced time and again by
// others without a verified token are bounded by how often it is made. The caller
// holds mu.
func (d *DynamicIssuers) untilMade(issuer string) time.Duration {
	if making, ok := d.makings.GetIfPresent(issuer); ok {
		return making.wait(time.Now())
	}
	return 0
}

// ask calls IssuersConfig.Config and adds the tenant that it knows. If its own
// request ends, or it panics, nobody else is told anything: one of those who wait
// asks in turn.
func (d *DynamicIssuers) ask(ctx context.Context, issuer string, a *asking) error {
	answered := false
	defer func() {
		if !answered {
			d.mu.Lock()
			delete(d.asking, issuer)
			d.mu.Unlock()
		}
		close(a.done)
	}()
	config, err := d.config.Config(ctx, issuer)
	if err != nil && ctx.Err() != nil {
		return &binding.Error{Reason: binding.ReasonCanceled, Cause: ctx.Err()}
	}
	refusal := refusalOf(err)
	switch {
	case refusal != nil:
	case config.Issuer != issuer:
		refusal = unknownYet(errOtherIssuer)
	default:
		if err := config.check(); err != nil {
			refusal = unknownYet(fmt.Errorf("jwks: IssuersConfig.Config returned a Config that is wrong: %w", err))
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	// At once with what is made of it: whoever comes after a Forget that finds
	// nobody asking must not join this asking.
	delete(d.asking, issuer)
	answered = true
	switch {
	case d.closed || a.stale:
		return nil // whoever waits looks once more
	case refusal == nil:
		refusal = d.add(config)
	case refusal.StatusCode() < http.StatusInternalServerError && d.config.RefusedFor > 0:
		d.refused.Set(issuer, refusedIssuer{refusal.Reason, refusal.Cause, time.Now().Add(d.config.RefusedFor)})
	}
	if refusal == nil {
		return nil
	}
	a.err = refusal
	own := *refusal // a guard makes it its own
	return &own
}

// refusalOf makes the answer to an error of IssuersConfig.Config.
func refusalOf(err error) *binding.Error {
	if err == nil {
		return nil
	}
	var refusal *binding.Error
	if errors.As(err, &refusal) {
		if refusal == nil {
			return unknownYet(errNilError)
		}
		return &binding.Error{Reason: refusal.Reason, Cause: refusal.Cause, RetryAfter: refusal.RetryAfter}
	}
	return unknownYet(fmt.Errorf("jwks: IssuersConfig.Config: %w", err))
}

// add makes a tenant, among those of which no token was verified yet. It takes
// the place of none that has a token to be verified. The caller holds mu.
func (d *DynamicIssuers) add(c Config) *binding.Error {
	if len(d.tenants)-d.proven >= maxUnproven {
		oldest := d.longestIdle(false)
		if oldest == nil {
			return unknownYet(errManyIssuers)
		}
		d.remove(oldest)
	}
	making, ok := d.makings.GetIfPresent(c.Issuer)
	if !ok {
		making = new(budget)
		d.makings.Set(c.Issuer, making)
	}
	making.take(time.Now())
	keys, release := d.keysFor(c)
	d.made++
	t := &tenant{issuer: c.Issuer, release: release, number: d.made}
	t.verifier.Store(newVerifierWith(c, keys))
	d.tenants[c.Issuer] = t
	return nil
}

// longestIdle returns, of the tenants that are proven or not, the one that was not
// used for the longest time and has no token to be verified; if all are alike, the
// oldest. The caller holds mu.
func (d *DynamicIssuers) longestIdle(proven bool) (longest *tenant) {
	for _, t := range d.tenants {
		if t.proven != proven || t.busy > 0 {
			continue
		}
		if longest == nil || t.sinceUse() > longest.sinceUse() ||
			t.sinceUse() == longest.sinceUse() && t.number < longest.number {
			longest = t
		}
	}
	return longest
}

// remove lets go of a tenant and closes its verifier, for which it does not wait.
// The caller holds mu.
func (d *DynamicIssuers) remove(t *tenant) {
	verifier, release := t.verifier.Swap(nil), t.release
	t.release = nil
	delete(d.tenants, t.issuer)
	if t.proven {
		d.proven--
	}
	d.running.Go(func() {
		release()
		verifier.seen.clear()
	})
}

// sweep removes idle tenants until ctx ends.
func (d *DynamicIssuers) sweep() {
	ticker := time.NewTicker(d.config.IdleAfter / sweepsUntilIdle)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			d.sweepOnce()
		case <-d.ctx.Done():
			return
		}
	}
}

// sweepOnce removes the tenants that were idle for long, and of those of which no
// token was verified the ones that were not used since the last sweep.
func (d *DynamicIssuers) sweepOnce() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.tenants {
		if t.used.Swap(false) || t.busy > 0 {
			t.idle = 0
			continue
		}
		t.idle++
		if t.idle >= sweepsUntilIdle || !t.proven {
			d.remove(t)
		}
	}
}
