package main_test

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/examples/benchmarks/internal/subject"
	"github.com/certbound/certbound/jwks/dpop"
)

func startRedis(t *testing.T) *subject.Redis {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil && os.Getenv("CERTBOUND_REDIS") == "" {
		t.Skip("redis-server is not installed: its package is redis-server on Debian")
	}
	redis, err := subject.StartRedis()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, redis.Close()) })
	return redis
}

// All stores do the work, and on the same records: what one of them has remembered the other calls used.
func TestStoresRememberTheSame(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	ours, err := subject.NewBindredis(redis.Address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ours.Close()) })
	theirs := subject.NewGoRedis(redis.Address)
	t.Cleanup(func() { require.NoError(t, theirs.Close()) })
	socket, err := subject.NewSocket(redis.Address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, socket.Close()) })
	for n, order := range [][2]dpop.ReplayStore{{ours, theirs}, {theirs, ours}, {ours, socket}, {socket, ours}} {
		for i, want := range []bool{true, false} {
			first, err := order[i].Remember(t.Context(), [32]byte{byte(n)}, time.Minute)
			require.NoError(t, err)
			require.Equal(t, want, first)
		}
	}
}

// A guard whose processor time is measured accepts a proof once, with the store and without.
func TestGuardOfProofsAcceptsEachOnce(t *testing.T) {
	t.Parallel()
	store, err := subject.NewBindredis(startRedis(t).Address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	for _, store := range []dpop.ReplayStore{store, nil} {
		stream, err := subject.NewProofStream(store)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, stream.Close()) })
		requests, err := stream.Requests(2)
		require.NoError(t, err)
		for _, r := range requests {
			_, err := stream.Guard.Check(r)
			require.NoError(t, err)
			_, err = stream.Guard.Check(r)
			require.Equal(t, binding.ReasonProofReplayed, binding.AsError(err).Reason)
		}
	}
}
