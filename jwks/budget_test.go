package jwks

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks/internal/jws"
	"github.com/certbound/certbound/jwks/internal/keyset"
)

// From the inside: what no answer shows at once.

func TestBudgetSaysWhenTheNextFetchIs(t *testing.T) {
	t.Parallel()
	var b budget
	now := time.Unix(1_800_000_000, 0)
	require.Zero(t, b.wait(now))
	require.True(t, b.take(now))
	require.Zero(t, b.wait(now), "one is left")
	require.True(t, b.take(now))
	require.Equal(t, budgetEvery, b.wait(now))
	require.False(t, b.take(now))
	require.Equal(t, time.Second, b.wait(now.Add(budgetEvery-time.Second)))
	require.Zero(t, b.wait(now.Add(budgetEvery)))
	b.giveBack()
	require.True(t, b.take(now.Add(budgetEvery)))
}

func TestASetWithOneNewKeyBringsSomethingNew(t *testing.T) {
	t.Parallel()
	key := func(n byte) *keyset.Key { return &keyset.Key{Key: &jws.Key{Thumbprint: [sha256.Size]byte{n}}} }
	m := newKnownKeys(100)
	require.True(t, m.learn(&keyset.Set{Keys: []*keyset.Key{key(1), key(2)}}))
	require.False(t, m.learn(&keyset.Set{Keys: []*keyset.Key{key(2), key(1)}}))
	require.True(t, m.learn(&keyset.Set{Keys: []*keyset.Key{key(3), key(1)}}), "the first is new")
	require.True(t, m.learn(&keyset.Set{Keys: []*keyset.Key{key(1), key(4)}}), "the last is new")
	require.False(t, m.learn(&keyset.Set{Keys: []*keyset.Key{key(1), key(2), key(3), key(4)}}))
}
