package introspection

import (
	"crypto/sha256"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/certbound/certbound/binding"
)

type digest = [sha256.Size]byte // of a token

// What a memory may hold, in bytes of answers: on average so many for each of
// Config.CachedTokens, and no answer that is longer than maxRemembered.
const (
	averageAnswer = 2 << 10
	maxRemembered = 32 << 10
)

// knownFor is how long it is known that a token was active, or a client has
// presented one: only to tell who is asked about first.
const knownFor = time.Hour

// A memory holds the answers about tokens, by their SHA-256 digest; it holds no
// token. Active tokens and others are kept apart, so that a flood of made-up
// tokens evicts nothing good. Beside them it knows for longer which tokens were
// active, and whose.
//
// Its ages are by the monotonic clock and count from when the server was asked.
type memory struct {
	activeFor, inactiveFor time.Duration
	leeway                 time.Duration
	active                 *otter.Cache[digest, activeToken] // nil: remember nothing
	refused                *otter.Cache[digest, refusedToken]
	tokens                 *otter.Cache[digest, knownToken] // that were active
	clients                *otter.Cache[client, time.Time]  // each by one thumbprint, and not the zero client
}

type activeToken struct {
	token *binding.Token
	size  int // of the answer
	asOf  time.Time
}

type refusedToken struct {
	refusal *binding.Error
	asOf    time.Time
}

// A knownToken was active when a client presented it that proves its binding.
type knownToken struct {
	client client
	asOf   time.Time
}

func newMemory(c Config) memory {
	m := memory{
		activeFor: c.ActiveFor, inactiveFor: c.InactiveFor, leeway: c.Leeway,
		tokens: newCache[digest, knownToken](c.CachedTokens), clients: newCache[client, time.Time](c.CachedTokens),
	}
	if m.activeFor > 0 {
		m.active = otter.Must(&otter.Options[digest, activeToken]{
			MaximumWeight: uint64(c.CachedTokens) * averageAnswer,
			// An answer is kept as text and, in part, decoded.
			Weigher:  func(_ digest, t activeToken) uint32 { return uint32(max(averageAnswer, 2*t.size)) },
			Executor: inPlace,
		})
	}
	if m.inactiveFor > 0 {
		m.refused = newCache[digest, refusedToken](c.CachedTokens)
	}
	return m
}

func newCache[K comparable, V any](size int) *otter.Cache[K, V] {
	return otter.Must(&otter.Options[K, V]{MaximumSize: size, Executor: inPlace})
}

// inPlace has a cache's housekeeping done by the goroutine that causes it, so
// that none outlives us.
func inPlace(task func()) { task() }

// recall returns what is remembered of a token: the token, or its refusal, or
// neither. now is the time by which tokens are judged.
func (m *memory) recall(d digest, now time.Time) (*binding.Token, *binding.Error) {
	if m.active != nil {
		if seen, ok := m.active.GetIfPresent(d); ok && time.Since(seen.asOf) < m.activeFor && m.within(seen.token, now) {
			return seen.token, nil
		}
	}
	if m.refused != nil {
		if seen, ok := m.refused.GetIfPresent(d); ok && time.Since(seen.asOf) < m.inactiveFor {
			return nil, seen.refusal
		}
	}
	return nil, nil
}

// within reports whether the token's times hold, without any leeway for exp: past
// it, only the server can say.
func (m *memory) within(token *binding.Token, now time.Time) bool {
	expiry := token.Expiry()
	return token.ValidAt(now, m.leeway) == nil && (expiry.IsZero() || now.Before(expiry))
}

// accept remembers that a token was active when the server was asked, by an
// answer of a size.
func (m *memory) accept(d digest, token *binding.Token, size int, asOf time.Time) {
	if m.active != nil && size <= maxRemembered {
		m.active.Set(d, activeToken{token: token, size: size, asOf: asOf})
	}
}

// refuse remembers that a token was not active, or not for us.
func (m *memory) refuse(d digest, refusal *binding.Error, asOf time.Time) {
	if m.active != nil {
		m.active.Invalidate(d)
	}
	m.tokens.Invalidate(d)
	if m.refused != nil {
		m.refused.Set(d, refusedToken{refusal: refusal, asOf: asOf})
	}
}

// know takes in that the client to whom an active token was issued presented it,
// and has proven that.
func (m *memory) know(d digest, c client) {
	m.tokens.Set(d, knownToken{client: c, asOf: time.Now()})
	for _, one := range []client{{certificate: c.certificate}, {key: c.key}} {
		if one != (client{}) {
			m.clients.Set(one, time.Now())
		}
	}
}

// knowledge is what is known of an asker.
type knowledge struct {
	client      client // that it proves to be, as far as anybody looked
	clientKnown bool   // it has presented a token that was bound to it
	tokenKnown  bool   // this token was active before when it presented it
}

// knows returns what is known of the asker and of the token that it presents. Of
// another client's token it knows nothing, so that nothing is preferred, or
// refused, because it lives.
func (m *memory) knows(d digest, a asker) (k knowledge) {
	if seen, ok := m.tokens.GetIfPresent(d); ok {
		k.tokenKnown = a.is(seen.client)
	}
	k.client.certificate = a.presented.certificate
	if _, k.clientKnown = m.clients.GetIfPresent(k.client); k.clientKnown {
		return k
	}
	byKey := client{key: a.presented.key}
	if _, ok := m.clients.GetIfPresent(byKey); ok && a.holdsKey() {
		k.client, k.clientKnown = byKey, true
	}
	return k
}

// sweep lets go of what can serve no more.
func (m *memory) sweep(now time.Time) {
	if m.active != nil {
		for d, seen := range m.active.All() {
			if time.Since(seen.asOf) >= m.activeFor || !m.within(seen.token, now) {
				m.active.Invalidate(d)
			}
		}
		m.active.CleanUp()
	}
	if m.refused != nil {
		for d, seen := range m.refused.All() {
			if time.Since(seen.asOf) >= m.inactiveFor {
				m.refused.Invalidate(d)
			}
		}
		m.refused.CleanUp()
	}
	for d, seen := range m.tokens.All() {
		if time.Since(seen.asOf) >= knownFor {
			m.tokens.Invalidate(d)
		}
	}
	for client, seen := range m.clients.All() {
		if time.Since(seen) >= knownFor {
			m.clients.Invalidate(client)
		}
	}
}

// sweepEvery is how often: what is over is gone after once more as long.
func (m *memory) sweepEvery() time.Duration {
	return max(time.Second, min(m.activeFor, time.Minute))
}
