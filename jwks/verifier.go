package jwks

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/internal/jws"
)

// A Verifier verifies the JWT access tokens of one issuer. It is a
// [binding.TokenVerifier]. Make one with [New] and Close it when done; it is safe
// for concurrent use. The zero Verifier is not usable.
type Verifier struct {
	issuer     string
	algorithms []Algorithm // nil: all
	types      []string
	expect     binding.Expect   // without Now
	clock      func() time.Time // nil: time.Now
	keys       *remoteKeys
	headers    jws.Headers
	seen       seenTokens

	verified  atomic.Uint64 // for Stats
	seenAgain tally
}

func newVerifier(c Config) *Verifier {
	return &Verifier{
		issuer:     c.Issuer,
		algorithms: slices.Clone(c.Algorithms),
		types:      c.TokenTypes,
		expect: binding.Expect{
			Issuer:         c.Issuer,
			Audiences:      slices.Clone(c.Audiences),
			Leeway:         c.Leeway,
			MaxLifetime:    c.MaxLifetime,
			ScopeClaims:    slices.Clone(c.ScopeClaims),
			ClientIDClaims: slices.Clone(c.ClientIDClaims),
		},
		clock: c.Clock,
		keys:  newRemoteKeys(c),
		seen:  newSeenTokens(c.SeenTokens),
	}
}

// VerifyToken verifies an access token (RFC 9068 §4): everything that is cheap
// first, then its signature. It may wait for keys, until ctx ends. The error is
// a [*binding.Error]: a fault of the token is 401, of the issuer 503.
func (v *Verifier) VerifyToken(ctx context.Context, token string) (*binding.Token, error) {
	if len(token) > jws.MaxLength {
		return nil, &binding.Error{Reason: binding.ReasonTokenTooLong}
	}
	digest := digestOf(token)
	if seen, err := v.again(digest); seen != nil || err != nil {
		return seen, err
	}
	t, err := parse(&v.headers, token)
	if err != nil {
		return nil, err
	}
	defer t.release()
	return v.first(ctx, t, digest)
}

// again returns the token if it was verified before and would be now: it is
// within its time, and the very key that verified it is still published, in a
// set within its age.
func (v *Verifier) again(digest [sha256.Size]byte) (*binding.Token, error) {
	seen, ok := v.seen.get(digest)
	if !ok {
		return nil, nil
	}
	now := time.Now()
	judged := v.timeOfTokens(now)
	if err := seen.token.ValidAt(judged, v.expect.Leeway); err != nil {
		return nil, err
	}
	if most := v.expect.MaxLifetime; most > 0 && seen.token.Expiry().After(judged.Add(most+v.expect.Leeway)) {
		return nil, nil // the clock was set back: as a token that was never seen
	}
	keys := v.keys.usableAt(now)
	if keys == nil || keys.set.Serial != seen.keySet && !keys.set.Publishes(seen.material, seen.alg) {
		v.seen.forget(digest)
		return nil, nil // as a token that was never seen
	}
	v.seenAgain.count(&digest)
	return seen.token, nil
}

// timeOfTokens returns the time by which tokens are judged, at the given time of
// our own clock.
func (v *Verifier) timeOfTokens(now time.Time) time.Time {
	if v.clock != nil {
		return v.clock()
	}
	return now
}

// A jwt is a token that was read, with nothing verified.
type jwt struct {
	jws.Message
	claims  *binding.Token
	headers *jws.Headers // that remember the header of a token found good
}

// jwts are those that nobody uses: what a token is taken apart in is used again,
// for memory that is new is memory that is in no cache of the processor.
var jwts = sync.Pool{New: func() any { return new(jwt) }}

// parse reads a token: everything about it that can be checked without knowing
// whose it is. Nested JWTs end here: their payload is no object. Who gets a jwt
// has to release it.
func parse(headers *jws.Headers, token string) (*jwt, error) {
	t := jwts.Get().(*jwt)
	t.headers = headers
	err := headers.Parse(&t.Message, token)
	if err == nil {
		t.claims, err = binding.ParseToken(t.Payload)
	}
	if err != nil {
		t.release()
		return nil, err
	}
	return t, nil
}

func (t *jwt) release() {
	t.Clear()
	t.claims, t.headers = nil, nil
	jwts.Put(t)
}

// first verifies a token that was not verified before.
func (v *Verifier) first(ctx context.Context, t *jwt, digest [sha256.Size]byte) (*binding.Token, error) {
	if v.algorithms != nil && !slices.Contains(v.algorithms, Algorithm(t.Header.Alg)) || !jws.Supports(t.Header.Alg) {
		return nil, &binding.Error{Reason: binding.ReasonTokenAlgorithm}
	}
	if !slices.Contains(v.types, t.Header.Typ) {
		return nil, &binding.Error{Reason: binding.ReasonTokenType}
	}
	expect := v.expect
	expect.Now = v.timeOfTokens(time.Now())
	expect.KnownAccessToken = t.Header.Typ == typeAccessToken
	claims, err := t.claims.Validate(expect)
	if err != nil {
		return nil, err
	}

	keys, err := v.keys.forHeader(ctx, &t.Header)
	if err != nil {
		return nil, v.unavailable(ctx, err)
	}
	signer, tried := keys.Verify(&t.Message)
	switch {
	case tried == 0:
		return nil, &binding.Error{Reason: binding.ReasonTokenKeyUnknown}
	case signer == nil:
		// No fetch: whoever can write a kid could make us ask (a key that is
		// replaced under its kid is learned with the next scheduled fetch).
		return nil, &binding.Error{Reason: binding.ReasonTokenSignature}
	}
	v.verified.Add(1)
	t.headers.Remember(&t.Message)
	v.seen.put(digest, seenToken{token: claims, alg: t.Header.Alg, material: signer.Material, keySet: keys.Serial})
	return claims, nil
}

// unavailable makes the answer to a token for which there are no keys to judge
// it by: no fault of the token's.
func (v *Verifier) unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return &binding.Error{Reason: binding.ReasonCanceled, Cause: err}
	}
	return &binding.Error{Reason: binding.ReasonKeysUnavailable, Cause: err, RetryAfter: v.keys.retryAfter()}
}

// Issuer returns Config.Issuer.
func (v *Verifier) Issuer() string { return v.issuer }

// Ready returns nil if there are keys to verify with, and otherwise why not. It
// asks nobody. Use it for a readiness probe, not a liveness probe: that the
// issuer is away is no reason to be restarted.
func (v *Verifier) Ready() error { return v.keys.ready() }

// Close stops fetching, ends a fetch that is under way and returns when no
// goroutine is left. After it no token is accepted: one that needs a key is
// answered 503. It returns nil.
func (v *Verifier) Close() error {
	v.keys.close()
	return nil
}
