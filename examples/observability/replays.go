package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/certbound/certbound/adapters/bindredis"
	"github.com/certbound/certbound/jwks/dpop"
)

// usedProofs is where the API remembers the proofs that were used: in Redis or
// Valkey at an address, as replicas do, or else in this process. The story has it
// away for a while.
type usedProofs struct {
	dpop.ReplayStore
	close func()

	mu   sync.Mutex
	away bool
}

func newUsedProofs(address string) (*usedProofs, error) {
	if address == "" {
		return &usedProofs{ReplayStore: &here{used: make(map[[32]byte]time.Time)}, close: func() {}}, nil
	}
	store, err := bindredis.New(bindredis.Config{Client: valkey.ClientOption{InitAddress: []string{address}}})
	if err != nil {
		return nil, err
	}
	return &usedProofs{ReplayStore: store, close: store.Close}, nil
}

func (u *usedProofs) Remember(ctx context.Context, id [32]byte, ttl time.Duration) (bool, error) {
	u.mu.Lock()
	away := u.away
	u.mu.Unlock()
	if away {
		return false, errors.New("the story has the store away")
	}
	return u.ReplayStore.Remember(ctx, id, ttl)
}

func (u *usedProofs) setAway(away bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.away = away
}

// here remembers in this process.
type here struct {
	mu   sync.Mutex
	used map[[32]byte]time.Time // until when
}

func (h *here) Remember(_ context.Context, id [32]byte, ttl time.Duration) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for other, until := range h.used {
		if now.After(until) {
			delete(h.used, other)
		}
	}
	_, there := h.used[id]
	if !there {
		h.used[id] = now.Add(ttl)
	}
	return !there, nil
}
