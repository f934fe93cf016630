package jwks

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/internal/jws"
	"github.com/certbound/certbound/jwks/internal/keyset"
)

// A Verifier verifies the JWT access tokens of one issuer. It is a
// [binding.TokenVerifier]. Make one with [New] and Close it when done; it is safe
// for concurrent use. The zero Verifier is not usable.
type Verifier struct {
	issuer     string
	algorithms []Algorithm // nil: all
	types      []string
	maxBytes   int              // of a token
	expect     binding.Expect   // without Now
	clock      func() time.Time // nil: time.Now
	keys       *remoteKeys
	headers    headerCache
	seen       seenTokens

	verified  atomic.Uint64 // for Stats
	seenAgain tally
}

func newVerifier(c Config) *Verifier { return newVerifierWith(c, newKeys(c)) }

func newVerifierWith(c Config, keys *remoteKeys) *Verifier {
	return &Verifier{
		issuer:     c.Issuer,
		algorithms: slices.Clone(c.Algorithms),
		types:      c.TokenTypes,
		maxBytes:   c.MaxTokenBytes,
		expect: binding.Expect{
			Issuer:         c.Issuer,
			Audiences:      slices.Clone(c.Audiences),
			Leeway:         c.Leeway,
			MaxLifetime:    c.MaxLifetime,
			ScopeClaims:    slices.Clone(c.ScopeClaims),
			ClientIDClaims: slices.Clone(c.ClientIDClaims),
		},
		clock: c.Clock,
		keys:  keys,
		seen:  newSeenTokens(c.SeenTokens),
	}
}

// VerifyToken verifies an access token (RFC 9068 §4): everything that is cheap
// first, then its signature. It may wait for keys, until ctx ends. The error is
// a [*binding.Error]: 401 for a fault of the token, 503 if the issuer's keys
// cannot be had.
func (v *Verifier) VerifyToken(ctx context.Context, token string) (*binding.Token, error) {
	if len(token) > v.maxBytes {
		return nil, v.tooLong()
	}
	digest := digestOf(token)
	if seen, err := v.recall(digest); seen != nil || err != nil {
		return seen, err
	}
	t, err := parse(&v.headers, token)
	if err != nil {
		return nil, err
	}
	defer t.release()
	return v.verify(ctx, t, digest)
}

// recall returns the token if it was verified before and would be now: it is
// within its time, and the very key that verified it is still published, in a
// set within its age.
func (v *Verifier) recall(digest [sha256.Size]byte) (*binding.Token, error) {
	seen, ok := v.seen.get(digest)
	if !ok {
		return nil, nil
	}
	now := time.Now()
	judged := v.timeOfTokens(now)
	if err := seen.token.ValidAt(judged, v.expect.Leeway); err != nil {
		return nil, err
	}
	if most := v.expect.MaxLifetime; most > 0 && seen.token.Expiry().After(judged.Add(most).Add(v.expect.Leeway)) {
		return nil, nil // the clock was set back: as a token that was never seen
	}
	keys := v.keys.usableAt(now)
	if keys == nil || keys.set.Serial != seen.keySet && !keys.set.Publishes(seen.thumbprint, seen.alg) {
		v.seen.forget(digest)
		return nil, nil // as a token that was never seen
	}
	v.seenAgain.count(&digest)
	return seen.token, nil
}

// verifyOrRecall verifies a token that came by way of Issuers, which may have
// forgotten whose it is.
func (v *Verifier) verifyOrRecall(ctx context.Context, token string, t *jwt, digest [sha256.Size]byte) (*binding.Token, error) {
	if len(token) > v.maxBytes {
		return nil, v.tooLong()
	}
	if seen, err := v.recall(digest); seen != nil || err != nil {
		return seen, err
	}
	return v.verify(ctx, t, digest)
}

// timeOfTokens returns the time by which tokens are judged, at the given time of
// our own clock.
func (v *Verifier) timeOfTokens(now time.Time) time.Time {
	if v.clock != nil {
		return v.clock()
	}
	return now
}

// expectFor makes the checks of a token's header, and returns what is expected of
// its claims.
func (v *Verifier) expectFor(t *jwt, now time.Time) (binding.Expect, error) {
	if v.algorithms != nil && !slices.Contains(v.algorithms, Algorithm(t.header.Alg)) || !jws.Supports(t.header.Alg) {
		return binding.Expect{}, &binding.Error{Reason: binding.ReasonTokenAlgorithm, Cause: v.expects("Algorithms", v.algorithms)}
	}
	if !slices.Contains(v.types, t.header.typ) {
		return binding.Expect{}, &binding.Error{Reason: binding.ReasonTokenType, Cause: v.expects("TokenTypes", v.types)}
	}
	expect := v.expect
	expect.Now = v.timeOfTokens(now)
	expect.KnownAccessToken = t.header.typ == typeAccessToken
	return expect, nil
}

// WithoutAudience returns the unverified claims of a token that has no aud at
// all, if everything else about it is acceptable, apart from its signature,
// which is not checked. It is for introspection.NewForms, which asks the
// authorization server about such a token.
func (v *Verifier) WithoutAudience(token string) (claims binding.Claims, ok bool) {
	if len(token) > v.maxBytes {
		return binding.Claims{}, false
	}
	t, err := parse(&v.headers, token)
	if err != nil {
		return binding.Claims{}, false
	}
	defer t.release()
	expect, err := v.expectFor(t, time.Now())
	if err != nil || !t.claims.LackOnlyAudience(expect) {
		return binding.Claims{}, false
	}
	return t.claims, true
}

// verify verifies a token that was not verified before.
func (v *Verifier) verify(ctx context.Context, t *jwt, digest [sha256.Size]byte) (*binding.Token, error) {
	now := time.Now()
	expect, err := v.expectFor(t, now)
	if err != nil {
		return nil, err
	}
	verified, err := t.claims.Validate(expect)
	if err != nil {
		return nil, err
	}

	var issued time.Time // by our own clock, as the ages of keys are
	if iat := verified.IssuedAt(); !iat.IsZero() {
		issued = now.Add(iat.Add(v.expect.Leeway).Sub(expect.Now))
	}
	var signer *keyset.Key
	var tried int
	keys, err := v.keys.find(ctx, func(keys *keyset.Set) bool {
		signer, tried = keys.Verify(&t.header.Header, &t.Message)
		return signer != nil || keys.Knows(&t.header.Header)
	}, issued)
	switch {
	case err != nil:
		return nil, v.unavailable(ctx, err)
	case tried == 0:
		return nil, &binding.Error{Reason: binding.ReasonTokenKeyUnknown}
	case signer == nil:
		// No fetch: whoever can write a kid could make us ask (a key that is
		// replaced under its kid is learned with the next scheduled fetch).
		return nil, &binding.Error{Reason: binding.ReasonTokenSignature}
	}
	if err := verified.ValidAt(v.timeOfTokens(time.Now()), v.expect.Leeway); err != nil {
		return nil, err // it ended while it waited for keys
	}
	v.verified.Add(1)
	t.headers.remember(t)
	v.seen.put(digest, seenToken{token: verified, alg: t.header.Alg, thumbprint: signer.Thumbprint, keySet: keys.Serial})
	return verified, nil
}

// unavailable makes the answer to a token for which there are no keys to judge
// it by: no fault of the token's, unless err says otherwise.
func (v *Verifier) unavailable(ctx context.Context, err error) error {
	var refusal *binding.Error
	if errors.As(err, &refusal) {
		return refusal
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return &binding.Error{Reason: binding.ReasonCanceled, Cause: err}
	}
	return &binding.Error{Reason: binding.ReasonKeysUnavailable, Cause: err, RetryAfter: v.keys.retryAfter()}
}

// Issuer returns Config.Issuer.
func (v *Verifier) Issuer() string { return v.issuer }

// Ready returns nil if there are keys to verify with, and otherwise why not. It
// makes no request. Use it for a readiness probe, not a liveness probe: a
// restart does not help if the issuer is away.
func (v *Verifier) Ready() error { return v.keys.ready() }

// Close stops fetching, ends a fetch that is under way and returns when no
// goroutine is left. After it, no token is accepted: one that would have to be
// verified is answered 503. It returns nil.
func (v *Verifier) Close() error {
	v.keys.close()
	return nil
}
