package jwks

import (
	"crypto/sha256"
	"unsafe"

	"github.com/maypok86/otter/v2"

	"github.com/certbound/certbound/binding"
)

// seenTokens remembers verified tokens by their SHA-256 digest. What it holds is
// that a signature was good, and nothing else: times, keys and the binding are
// checked at every use. It holds no token.
type seenTokens struct {
	cache *otter.Cache[[sha256.Size]byte, seenToken] // nil: remember nothing
}

type seenToken struct {
	token      *binding.Token
	alg        string
	thumbprint [sha256.Size]byte // of the key that verified it
	keySet     uint64            // the serial of the set it was in: there it need not be looked for
}

// digestOf is what a token is remembered by. It is on the way of every request,
// and so the token's bytes are hashed where they are: a copy would cost as much
// as the rest of the way, on the heap by its garbage and on the stack by making
// that of a new goroutine grow. Nothing writes to them.
func digestOf(token string) [sha256.Size]byte {
	return sha256.Sum256(unsafe.Slice(unsafe.StringData(token), len(token)))
}

func newSeenTokens(size int) seenTokens {
	if size < 0 {
		return seenTokens{}
	}
	return seenTokens{cache: otter.Must(&otter.Options[[sha256.Size]byte, seenToken]{
		MaximumSize: size,
		// The goroutine that causes its housekeeping does it: none outlives us.
		Executor: func(task func()) { task() },
	})}
}

func (s seenTokens) get(digest [sha256.Size]byte) (seenToken, bool) {
	if s.cache == nil {
		return seenToken{}, false
	}
	return s.cache.GetIfPresent(digest)
}

func (s seenTokens) put(digest [sha256.Size]byte, seen seenToken) {
	if s.cache != nil {
		s.cache.Set(digest, seen)
	}
}

func (s seenTokens) forget(digest [sha256.Size]byte) {
	if s.cache != nil {
		s.cache.Invalidate(digest)
	}
}

func (s seenTokens) clear() {
	if s.cache != nil {
		s.cache.InvalidateAll()
	}
}

// routes remember who verified a token, so that its issuer need not be read to
// find out who remembers it. Of one that they let go the issuer is read again.
type routes[V any] struct {
	cache *otter.Cache[[sha256.Size]byte, V]
}

// maxRoutes is how many tokens routes remember.
const maxRoutes = 100_000

func newRoutes[V any]() routes[V] {
	return routes[V]{otter.Must(&otter.Options[[sha256.Size]byte, V]{
		MaximumSize: maxRoutes,
		Executor:    func(task func()) { task() }, // as that of seenTokens
	})}
}

func (r routes[V]) get(digest [sha256.Size]byte) (V, bool) { return r.cache.GetIfPresent(digest) }

func (r routes[V]) put(digest [sha256.Size]byte, v V) { r.cache.Set(digest, v) }
