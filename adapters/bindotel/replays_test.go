package bindotel_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindotel"
	"github.com/certbound/certbound/jwks/dpop"
)

// A store does what a test says.
type store func(ctx context.Context, id [32]byte, ttl time.Duration) (bool, error)

func (s store) Remember(ctx context.Context, id [32]byte, ttl time.Duration) (bool, error) {
	return s(ctx, id, ttl)
}

// Whoever asks gets what the store says, and each answer is measured by what it was.
func TestReplays(t *testing.T) {
	t.Parallel()
	m := newMeter(t, bindotel.Config{})
	ctx, gone := t.Context(), func() context.Context {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		return ctx
	}()
	for _, test := range []struct {
		ctx   context.Context
		first bool
		err   error
	}{
		{ctx, true, nil}, {ctx, true, nil}, {ctx, false, nil}, {gone, false, nil},
		{ctx, false, errors.New("connection refused: secret")}, {ctx, false, fmt.Errorf("bindredis: %w", context.DeadlineExceeded)},
		{gone, false, context.Canceled}, {gone, false, errors.New("secret")},
	} {
		asked := false
		s := m.observer.Replays(store(func(ctx context.Context, id [32]byte, ttl time.Duration) (bool, error) {
			asked = true
			require.Equal(t, test.ctx, ctx)
			require.Equal(t, [32]byte{1, 2, 3}, id)
			require.Equal(t, time.Minute, ttl)
			return test.first, test.err
		}))
		first, err := s.Remember(test.ctx, [32]byte{1, 2, 3}, time.Minute)
		require.True(t, asked)
		require.Equal(t, test.first, first)
		require.Equal(t, test.err, err)
	}
	values := m.collect(t)
	require.Equal(t, map[string]float64{
		"certbound.outcome=first":                      2,
		"certbound.outcome=replayed":                   2,
		"certbound.outcome=failed,error.type=timeout":  1,
		"certbound.outcome=failed,error.type=canceled": 2,
		"certbound.outcome=failed,error.type=_OTHER":   1,
	}, take(values, "certbound.replays.duration"))
	require.Empty(t, values)
}

// Without a store a verifier of proofs remembers by itself, and one that is a nil pointer is told as before.
func TestReplaysOfNothing(t *testing.T) {
	t.Parallel()
	m := newMeter(t, bindotel.Config{})
	require.Nil(t, m.observer.Replays(nil))
	_, err := dpop.New(dpop.Config{Origins: []string{"https://api.example"}, Replays: m.observer.Replays((*pointerStore)(nil))})
	require.ErrorContains(t, err, "Replays")
}

type pointerStore struct{ store }
