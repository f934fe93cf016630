package introspection

import (
	"crypto/sha256"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/certbound/certbound/binding"
)

type digest = [sha256.Size]byte // of a token

// A memory holds the answers about tokens, by their SHA-256 digest; it holds no
// token. Active tokens and others are kept apart, so that a flood of made-up
// tokens evicts nothing good.
//
// Its ages are by the monotonic clock and count from when the server was asked.
type memory struct {
	activeFor, inactiveFor time.Duration
	leeway                 time.Duration
	active                 *otter.Cache[digest, activeToken] // nil: remember nothing
	refused                *otter.Cache[digest, refusedToken]
}

type activeToken struct {
	token *binding.Token
	asOf  time.Time
}

type refusedToken struct {
	refusal *binding.Error
	asOf    time.Time
}

func newMemory(c Config) memory {
	m := memory{activeFor: c.ActiveFor, inactiveFor: c.InactiveFor, leeway: c.Leeway}
	if m.activeFor > 0 {
		m.active = newCache[activeToken](c.CachedTokens)
	}
	if m.inactiveFor > 0 {
		m.refused = newCache[refusedToken](c.CachedTokens)
	}
	return m
}

func newCache[V any](size int) *otter.Cache[digest, V] {
	return otter.Must(&otter.Options[digest, V]{
		MaximumSize: size,
		// Its housekeeping is done by who causes it, and ages are checked by who
		// reads: no goroutine outlives us.
		Executor: func(task func()) { task() },
	})
}

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

// accept remembers that a token was active when the server was asked.
func (m *memory) accept(d digest, token *binding.Token, asOf time.Time) {
	if m.refused != nil {
		m.refused.Invalidate(d)
	}
	if m.active != nil {
		m.active.Set(d, activeToken{token: token, asOf: asOf})
	}
}

// refuse remembers that a token was not active, or not for us.
func (m *memory) refuse(d digest, refusal *binding.Error, asOf time.Time) {
	if m.active != nil {
		m.active.Invalidate(d)
	}
	if m.refused != nil {
		m.refused.Set(d, refusedToken{refusal: refusal, asOf: asOf})
	}
}
