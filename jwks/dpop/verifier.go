package dpop

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks/internal/jws"
)

// A Verifier verifies DPoP proofs. It is a [binding.ProofVerifier], for
// Config.Proofs of a guard. Make one with [New]. It is safe for concurrent use,
// starts no goroutine and needs no closing. The zero Verifier refuses every proof.
// Nothing of it changes but the keys of its nonces ([Verifier.SetNonceKeys]).
type Verifier struct {
	origins        []string // in normal form
	prefix         string   // in normal form
	algorithms     []string
	maxAge, leeway time.Duration
	clock          func() time.Time
	headers        *headerTable
	nonces         *nonces // nil: none are required
	replays        ReplayStore
	memory         *memory // nil: there is a store, or replays are accepted
	words          words

	remembered, replayed atomic.Uint64
}

// words are causes that say what this server expects.
type words struct{ algorithms, origin, path error }

func newVerifier(c Config, origins []string, prefix string) *Verifier {
	v := &Verifier{
		origins:    origins,
		prefix:     prefix,
		algorithms: c.Algorithms,
		maxAge:     c.MaxAge,
		leeway:     c.Leeway,
		clock:      c.Clock,
		headers:    newHeaderTable(),
		replays:    c.Replays,
		words: words{
			algorithms: errors.New("Config.Algorithms are " + strings.Join(c.Algorithms, ", ")),
			origin:     errors.New("the scheme, host and port of htu are not among Config.Origins: " + strings.Join(origins, ", ")),
			path:       errors.New("the path of htu is not that of the request; if a proxy removes a part of the path, name it in Config.PathPrefix"),
		},
	}
	if v.clock == nil {
		v.clock = time.Now
	}
	fresh, span := c.MaxAge, c.MaxAge+c.Leeway
	if c.RequireNonce {
		v.nonces = newNonces(c.NonceKeys, origins, c.NonceLifetime)
		step := time.Duration(v.nonces.step) * time.Second
		fresh, span = (nonceSteps-1)*step, (nonceSteps+1)*step
	}
	if c.Replays == nil && !c.DangerouslyAcceptReplays {
		v.memory = newMemory(c.MaxProofs, fresh, span)
	}
	return v
}

// Algorithms returns a copy of the list of signature algorithms that are
// accepted.
func (v *Verifier) Algorithms() []string { return slices.Clone(v.algorithms) }

// Nonce returns the newest nonce, or "" if none is required.
func (v *Verifier) Nonce() string {
	if v.nonces == nil {
		return ""
	}
	return v.nonces.at(v.clock()).newest()
}

// ReadProof reads the proof of a request, and checks everything of RFC 9449
// §4.3 that does not need the token's key, the cheap things first. The error is
// a [*binding.Error].
func (v *Verifier) ReadProof(r *http.Request, accessToken string) (binding.Proof, error) {
	if len(v.origins) == 0 {
		return binding.Proof{}, refuse(binding.ReasonMisconfigured, errors.New("dpop: the zero Verifier"))
	}
	p := proofs.Get().(*proof)
	stale, err := v.read(p, r, accessToken)
	if err != nil {
		p.release()
		return binding.Proof{}, err
	}
	key := binding.KeyThumbprint(p.header.key.Thumbprint)
	once := &reading{verifier: v}
	once.proof.Store(p)
	return binding.Proof{Key: key, Verify: once.verify, Prove: once.prove, Stale: stale}, nil
}

// A reading is a proof that was read, until it is used.
type reading struct {
	verifier *Verifier
	proof    atomic.Pointer[proof]
}

func (r *reading) verify() error {
	p := r.proof.Load()
	if p == nil {
		return refuse(binding.ReasonProofReplayed, nil)
	}
	return r.verifier.verify(p)
}

func (r *reading) prove(ctx context.Context) error {
	p := r.proof.Swap(nil)
	if p == nil { // asked before: p may be another request's by now
		return refuse(binding.ReasonProofReplayed, nil)
	}
	defer p.release()
	return r.verifier.prove(ctx, p)
}

// A proof is one that is being judged.
type proof struct {
	jws.Message
	claims claims
	header header
	known  bool   // the header was remembered
	signed bool   // the signature was verified
	until  int64  // the second after which it is accepted no more
	origin string // that htu names: one of ours
	path   []byte // that was asked for, in normal form
	id     [32]byte
}

// proofs are free for reuse: what a proof is taken apart in is memory that is still
// in the processor's cache.
var proofs = sync.Pool{New: func() any { return new(proof) }}

// release hands a proof's memory to the next request, with nothing of it left.
func (p *proof) release() {
	p.Clear()
	clear(p.path)
	*p = proof{Message: p.Message, path: p.path[:0]}
	proofs.Put(p)
}

func (v *Verifier) read(p *proof, r *http.Request, accessToken string) (stale bool, err error) {
	fields := r.Header["Dpop"] // as net/http writes the name
	switch {
	case len(fields) > 1: // RFC 9449 §4.3: not more than one
		return false, refuse(binding.ReasonProofAmbiguous, nil)
	case len(fields) == 0 || fields[0] == "":
		return false, refuse(binding.ReasonProofMissing, nil)
	}
	switch err := p.Split(fields[0], maxProofLength); {
	case errors.Is(err, jws.ErrTooLong):
		return false, refuse(binding.ReasonProofTooLong, nil)
	case err != nil:
		return false, refuse(binding.ReasonProofMalformed, err)
	}
	if p.header, p.known = v.headers.find(p.HeaderText); !p.known {
		text, err := p.DecodeHeader()
		if err != nil {
			return false, refuse(binding.ReasonProofMalformed, err)
		}
		if p.header, err = v.readHeader(text); err != nil {
			return false, err
		}
	}
	if p.claims, err = readClaims(p.Payload); err != nil {
		return false, err
	}
	if err := v.judgeTarget(p, r); err != nil {
		return false, err
	}
	if stale, err = v.judgeTime(p, v.clock()); err != nil {
		return false, err
	}
	if !p.isFor(accessToken) {
		return false, refuse(binding.ReasonProofToken, nil)
	}
	p.id = p.identity()
	if v.memory != nil && v.memory.hasForgotten(p.id, p.until) {
		// Sooner than its use would be refused: of an opaque token that would
		// be told like a token that is not active, and the client would throw
		// it away.
		return false, v.refuseOld(errForgotten)
	}
	return stale, nil
}

// judgeTarget compares htm and htu with the request (RFC 9449 §4.3). Methods are
// case-sensitive (RFC 9110 §9.1).
func (v *Verifier) judgeTarget(p *proof, r *http.Request) error {
	if string(p.claims.htm) != r.Method {
		return refuse(binding.ReasonProofMethod, errMethod)
	}
	var ok bool
	if p.path, ok = appendRequestPath(p.path[:0], v.prefix, r); !ok {
		return refuse(binding.ReasonProofURI, errNoPath)
	}
	var fault uriFault
	switch p.origin, fault = compareURI(p.claims.htu, v.origins, v.prefix, p.path); fault {
	case uriOfAnotherOrigin:
		return refuse(binding.ReasonProofURI, v.words.origin)
	case uriOfAnotherPath:
		return refuse(binding.ReasonProofURI, v.words.path)
	}
	return nil
}

var (
	errMethod = errors.New("htm is not the method of the request, in capitals; that of gRPC is always POST")
	errNoPath = errors.New("the request's target has no path")
)

// judgeTime judges when the proof was made (RFC 9449 §4.3, §11.1), by its nonce if
// nonces are required and else by its iat, and how long it says that it is good
// (RFC 7519 §4.1.4, §4.1.5).
func (v *Verifier) judgeTime(p *proof, now time.Time) (stale bool, err error) {
	c := &p.claims
	if v.nonces != nil {
		if c.nonce == nil {
			return false, refuse(binding.ReasonProofNonceMissing, nil)
		}
		set := v.nonces.at(now)
		nonce, recent := set.find(c.nonce)
		if !recent {
			return false, refuse(binding.ReasonProofNonce, v.nonces.explain(c.nonce, set))
		}
		stale, p.until = nonce.stale, v.nonces.until(nonce.step)
	} else {
		switch {
		case c.iat.Add(v.maxAge).Before(now):
			return false, refuse(binding.ReasonProofExpired, nil)
		case c.iat.After(now.Add(v.leeway)):
			return false, refuse(binding.ReasonProofNotYetValid, nil)
		}
		p.until = c.iat.Add(v.maxAge).Unix()
	}
	switch {
	case !c.exp.IsZero() && !now.Before(c.exp.Add(v.leeway)):
		return false, refuse(binding.ReasonProofExpired, nil)
	case c.nbf.After(now.Add(v.leeway)):
		return false, refuse(binding.ReasonProofNotYetValid, nil)
	}
	return stale, nil
}

// isFor reports whether ath is the hash of the access token (RFC 9449 §4.2).
func (p *proof) isFor(accessToken string) bool {
	const length = 43 // of 32 bytes in base64url
	var memory [1 << 10]byte
	hash := sha256.Sum256(append(memory[:0], accessToken...))
	var text [length]byte
	base64.RawURLEncoding.Encode(text[:], hash[:])
	return string(p.claims.ath) == string(text[:])
}

// prove verifies the signature and that the proof is used for the first time. What
// is refused for its signature uses nothing up.
func (v *Verifier) prove(ctx context.Context, p *proof) error {
	if err := v.verify(p); err != nil {
		return err
	}
	switch {
	case v.replays != nil:
		return v.rememberInStore(ctx, p)
	case v.memory != nil:
		return v.rememberHere(p)
	}
	return nil
}

func (v *Verifier) verify(p *proof) error {
	if p.signed {
		return nil
	}
	if !jws.Verify(p.header.alg, p.header.key, p.SigningInput, p.Signature) {
		return refuse(binding.ReasonProofSignature, nil)
	}
	if p.signed = true; !p.known {
		v.headers.remember(p.HeaderText, p.header)
	}
	return nil
}

// identity is what a proof is remembered by: its key, the URI and its jti (RFC
// 9449 §11.1). Not by its bytes, of which another can be made without the key:
// of an ECDSA signature r, s the twin r, n-s is good as well. The URI is
// without dot segments, for an htu with them is that of two paths.
func (p *proof) identity() [32]byte {
	var memory [256]byte
	text := append(append(memory[:0], p.header.key.Thumbprint[:]...), p.origin...)
	start := len(text)
	text = append(text, p.path...)
	text = text[:start+len(removeDotSegments(text[start:]))]
	return sha256.Sum256(append(append(text, 0), p.claims.jti...))
}

func (v *Verifier) rememberHere(p *proof) error {
	switch v.memory.remember(p.id, p.until, v.clock().Unix()) {
	case replayed:
		return v.refuseReplay()
	case forgotten:
		// Whether it was used is not known any more, and so it is too old.
		return v.refuseOld(errForgotten)
	case full:
		return &binding.Error{Reason: binding.ReasonReplaysUnavailable, Cause: errFull, RetryAfter: time.Second}
	}
	v.remembered.Add(1)
	return nil
}

var (
	errForgotten = errors.New("the memory of used proofs is too small for so many requests, or the clock was set: see Config.MaxProofs")
	errFull      = errors.New("the memory of used proofs is full: see Config.MaxProofs")
)

// onTheWay is how long a store may take to answer: no Timeout of bindredis is
// longer.
const onTheWay = 5 * time.Second

// rememberInStore looks at the clock before and after: the proof was judged
// before the token was verified, and the record of an earlier use must not end
// while this one is on its way.
func (v *Verifier) rememberInStore(ctx context.Context, p *proof) error {
	now := v.clock()
	if now.Unix() > p.until {
		return v.refuseOld(errWaited)
	}
	// A replica whose clock is Leeway behind accepts the proof for so much longer.
	until := time.Unix(p.until+1, 0).Add(v.leeway + onTheWay)
	isFirst, err := v.replays.Remember(ctx, p.id, until.Sub(now))
	switch {
	case err != nil && ctx.Err() != nil:
		return refuse(binding.ReasonCanceled, err)
	case err != nil:
		return &binding.Error{Reason: binding.ReasonReplaysUnavailable, Cause: err, RetryAfter: time.Second}
	case !isFirst:
		return v.refuseReplay()
	case v.clock().Unix() > p.until+int64(onTheWay/time.Second):
		return v.refuseOld(errWaited) // an earlier use's record may have ended
	}
	v.remembered.Add(1)
	return nil
}

var errWaited = errors.New("the proof became too old while the token was verified or the store of used proofs was asked")

// refuseOld refuses a good proof because it is too old by now.
func (v *Verifier) refuseOld(cause error) error {
	if v.nonces != nil {
		return refuse(binding.ReasonProofNonce, cause)
	}
	return refuse(binding.ReasonProofExpired, cause)
}

func (v *Verifier) refuseReplay() error {
	v.replayed.Add(1)
	return refuse(binding.ReasonProofReplayed, nil)
}

func refuse(reason binding.Reason, cause error) *binding.Error {
	return &binding.Error{Reason: reason, Cause: cause}
}
