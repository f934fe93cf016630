//go:build unix

package bindredis_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindredis"
	"github.com/certbound/certbound/binding"
)

func remember(t *testing.T, store *bindredis.Store, id [32]byte) bool {
	t.Helper()
	first, err := store.Remember(t.Context(), id, ttl)
	require.NoError(t, err)
	return first
}

func TestAProofIsFirstOnceForAllReplicas(t *testing.T) {
	t.Parallel()
	redis, log := startServer(t), new(journal)
	a, b := open(t, log, patient(redis.address)), open(t, log, patient(redis.address))
	id := newID()
	assert.True(t, remember(t, a, id))
	assert.False(t, remember(t, a, id))
	assert.False(t, remember(t, b, id))
	assert.True(t, remember(t, b, newID()))

	other := patient(redis.address)
	other.Prefix = "elsewhere:"
	assert.True(t, remember(t, open(t, log, other), id), "another prefix is another memory")
	assert.Empty(t, log.String())
}

// A record lives for as long as it was asked to, and not a millisecond less.
func TestARecordLivesForItsTTL(t *testing.T) {
	t.Parallel()
	redis := startServer(t)
	store := open(t, new(journal), patient(redis.address))
	_, err := store.Remember(t.Context(), newID(), time.Hour+300*time.Microsecond)
	require.NoError(t, err)
	key := redis.ask(t, "KEYS", "certbound:dpop:*")
	require.Len(t, key, len("certbound:dpop:")+22)
	left, err := strconv.Atoi(redis.ask(t, "PTTL", key))
	require.NoError(t, err)
	set := time.Duration(left)*time.Millisecond + time.Minute // since then
	assert.Greater(t, set, time.Hour)

	short, err := store.Remember(t.Context(), newID(), time.Millisecond)
	require.NoError(t, err)
	assert.True(t, short)
	_, err = store.Remember(t.Context(), newID(), 0)
	assert.ErrorContains(t, err, "ttl")
}

func TestOneOfTwoHundredIsFirst(t *testing.T) {
	t.Parallel()
	redis, log := startServer(t), new(journal)
	stores := []*bindredis.Store{open(t, log, patient(redis.address)), open(t, log, patient(redis.address))}
	id := newID()
	var firsts atomic.Int32
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			first, err := stores[i%2].Remember(context.Background(), id, ttl)
			assert.NoError(t, err)
			if first {
				firsts.Add(1)
			}
		})
	}
	all.Wait()
	assert.EqualValues(t, 1, firsts.Load())
}

// A server that is away, in each way: an error within the time, no record twice,
// and the store comes back by itself.
func TestServerThatIsAway(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		away     func(t *testing.T, redis *server)
		back     func(t *testing.T, redis *server)
		forgets  bool
		mentions string
	}{
		{"killed", func(_ *testing.T, redis *server) { redis.kill() }, func(t *testing.T, redis *server) { redis.start(t) }, true, "refused"},
		{"frozen", func(t *testing.T, redis *server) { redis.signal(t, syscall.SIGSTOP) }, func(t *testing.T, redis *server) { redis.signal(t, syscall.SIGCONT) }, false, "deadline"},
		{"out of memory", func(t *testing.T, redis *server) { redis.ask(t, "CONFIG", "SET", "maxmemory", "1") },
			func(t *testing.T, redis *server) { redis.ask(t, "CONFIG", "SET", "maxmemory", "0") }, false, "OOM"},
		{"read only", func(t *testing.T, redis *server) { redis.ask(t, "REPLICAOF", "127.0.0.1", "1") },
			func(t *testing.T, redis *server) { redis.ask(t, "REPLICAOF", "NO", "ONE") }, false, "READONLY"},
		{"loading", func(t *testing.T, redis *server) { redis.ask(t, "CONFIG", "SET", "maxclients", "1") },
			func(t *testing.T, redis *server) { redis.ask(t, "CONFIG", "SET", "maxclients", "1000") }, false, ""},
	} {
		t.Run("L/376 "+row.name, func(t *testing.T) {
			t.Parallel()
			redis, log := startServer(t), new(journal)
			store := open(t, log, at(redis.address))
			returns(t, store)
			id := newID()
			for {
				if first, err := store.Remember(t.Context(), id, ttl); err == nil {
					assert.True(t, first)
					break
				}
			}

			row.away(t, redis)
			var failed error
			began := time.Now()
			for range 3 {
				first, err := store.Remember(t.Context(), id, ttl)
				assert.False(t, first)
				if err != nil {
					failed = err
				}
			}
			if row.name != "loading" { // a connection that is open goes on
				require.ErrorContains(t, failed, row.mentions)
				assert.Less(t, time.Since(began), 3*time.Second)
			}

			row.back(t, redis)
			returns(t, store)
			if failed != nil {
				assert.Equal(t, 1, strings.Count(log.String(), "cannot be looked up"), log.String())
				assert.Contains(t, log.String(), "can be looked up again")
			}
			for {
				if first, err := store.Remember(t.Context(), id, ttl); err == nil {
					assert.Equal(t, row.forgets, first)
					break
				}
			}
		})
	}
}

// A server that was never there costs no start, and is found when it comes.
func TestServerThatComesLater(t *testing.T) {
	t.Parallel()
	redis, log := startServer(t), new(journal)
	redis.kill()
	store := open(t, log, at(redis.address))
	_, err := store.Remember(t.Context(), newID(), ttl)
	require.Error(t, err)
	redis.start(t)
	returns(t, store)
}

// The answer is lost, after the server has done what it was asked: the command is
// sent again, and the proof is used for the first time, or the answer is an error.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	redis := startServer(t)
	for _, lost := range []int{1, 2} {
		t.Run(fmt.Sprintf("L/377 %d times", lost), func(t *testing.T) {
			t.Parallel()
			relay := startRelay(t, redis.address)
			store := open(t, new(journal), patient(relay.address))
			remember(t, store, newID())

			var left atomic.Int32
			left.Store(int32(lost))
			relay.answers(func(client net.Conn, said []byte) []byte {
				if bytes.HasPrefix(said, []byte("_\r\n")) || bytes.HasPrefix(said, []byte("$16\r\n")) { // of SET
					if left.Add(-1) >= 0 {
						client.Close()
						return nil
					}
				}
				return said
			})
			id := newID()
			assert.True(t, remember(t, store, id))
			assert.Negative(t, left.Load())
			assert.False(t, remember(t, store, id))
		})
	}
	t.Run("L/377 for ever", func(t *testing.T) {
		t.Parallel()
		relay := startRelay(t, redis.address)
		store := open(t, new(journal), at(relay.address))
		returns(t, store)
		relay.answers(func(net.Conn, []byte) []byte { return nil }) // held back, and nothing ends
		first, err := store.Remember(t.Context(), newID(), ttl)
		assert.False(t, first)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		relay.answers(nil)
		returns(t, store)
	})
}

// A server that says anything at all: an error, or what is right; no panic, no
// memory that it chooses, and the store is well when the server is.
func TestServerThatSpeaksNonsense(t *testing.T) {
	t.Parallel()
	redis := startServer(t)
	for name, answer := range map[string]string{
		"a length below -1":       "$-5\r\n",
		"a length of 20 digits":   "$99999999999999999999\r\n",
		"a length of 11 digits":   "$99999999999\r\nx",
		"a list below -1":         "*-7\r\n",
		"a list of 20 digits":     "*99999999999999999999\r\n",
		"a map below 0":           "%-1\r\n",
		"a list of lists":         strings.Repeat("*1\r\n", 100_000),
		"attributes without end":  strings.Repeat("|1\r\n+a\r\n+b\r\n", 1000),
		"a line without end":      "+" + strings.Repeat("x", 1<<20),
		"an unknown kind":         "?what\r\n",
		"a chunked string":        "$?\r\n;-3\r\n",
		"HTTP":                    "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
		"OK, as an old server":    "+OK\r\n",
		"a number":                ":1\r\n",
		"a number of 30 digits":   ":999999999999999999999999999999\r\n",
		"true":                    "#t\r\n",
		"a string that is longer": "$17\r\n12345678901234567\r\n",
		"an empty string":         "$0\r\n\r\n",
		"a list":                  "*1\r\n$16\r\n1234567890123456\r\n",
		"an error":                "-ERR \x00\xff unknown\r\n",
		"an error without a word": "-\r\n",
		"a line feed":             "\n",
		"zeros":                   "\x00\x00\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			relay := startRelay(t, redis.address)
			store := open(t, new(journal), at(relay.address))
			returns(t, store)
			relay.answers(func(net.Conn, []byte) []byte { return []byte(answer) })
			for range 3 {
				first, err := store.Remember(t.Context(), newID(), ttl)
				assert.False(t, first)
				if assert.Error(t, err) {
					assert.NotContains(t, err.Error(), "unknown", "a server's words may repeat ours")
				}
			}
			relay.answers(nil)
			returns(t, store)
			id := newID()
			for {
				if first, err := store.Remember(t.Context(), id, ttl); err == nil {
					assert.True(t, first)
					break
				}
			}
		})
	}
	t.Run("from the beginning", func(t *testing.T) {
		t.Parallel()
		relay := startRelay(t, redis.address)
		relay.answers(func(net.Conn, []byte) []byte { return []byte("*-7\r\n") })
		store := open(t, new(journal), at(relay.address))
		_, err := store.Remember(t.Context(), newID(), ttl)
		assert.Error(t, err)
		relay.answers(nil)
		returns(t, store)
	})
}

func TestSlowServer(t *testing.T) {
	t.Parallel()
	redis := startServer(t)
	relay := startRelay(t, redis.address)
	config := at(relay.address)
	config.Timeout = 50 * time.Millisecond
	store := open(t, new(journal), config)
	returns(t, store)
	relay.answers(func(_ net.Conn, said []byte) []byte {
		time.Sleep(200 * time.Millisecond)
		return said
	})
	_, err := store.Remember(t.Context(), newID(), ttl)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	relay.answers(nil)
	returns(t, store)
}

// The request that asked is gone: its context is kept, and the server is not blamed.
func TestContextOfTheRequest(t *testing.T) {
	t.Parallel()
	redis, log := startServer(t), new(journal)
	store := open(t, log, patient(redis.address))
	remember(t, store, newID())
	redis.signal(t, syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := store.Remember(ctx, newID(), ttl)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Empty(t, log.String())
	redis.signal(t, syscall.SIGCONT)
}

func TestClosed(t *testing.T) {
	t.Parallel()
	redis := startServer(t)
	for _, used := range []bool{true, false} {
		store := open(t, new(journal), patient(redis.address))
		if used {
			remember(t, store, newID())
		}
		store.Close()
		_, err := store.Remember(t.Context(), newID(), ttl)
		assert.ErrorIs(t, err, bindredis.ErrClosed)
		store.Close()
	}
	frozen := startServer(t)
	frozen.signal(t, syscall.SIGSTOP)
	store := open(t, new(journal), at(frozen.address))
	_, err := store.Remember(t.Context(), newID(), ttl)
	require.Error(t, err)
	store.Close() // while it connects
	_, err = store.Remember(t.Context(), newID(), ttl)
	assert.ErrorIs(t, err, bindredis.ErrClosed)
}

// A store that was used by many at once, and cut off from its server, leaves no connection there.
func TestCloseLeavesNoConnection(t *testing.T) {
	t.Parallel()
	redis := startServer(t)
	connections := func() int { return strings.Count(redis.ask(t, "CLIENT", "LIST"), " addr=") - 1 } // its own
	store := open(t, new(journal), patient(redis.address))
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { _, _ = store.Remember(context.Background(), newID(), ttl) })
	}
	all.Wait()
	require.Positive(t, connections())
	redis.signal(t, syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := store.Remember(ctx, newID(), ttl)
	require.Error(t, err)
	redis.signal(t, syscall.SIGCONT)
	store.Close()
	require.Eventually(t, func() bool { return connections() == 0 }, time.Minute, 20*time.Millisecond)
}

func TestMemoryWhenAway(t *testing.T) {
	t.Parallel()
	redis, log := startServer(t), new(journal)
	config := at(redis.address)
	config.DangerouslyUseMemoryWhenAway = true
	store := open(t, log, config)
	before, during := newID(), newID()
	assert.True(t, remember(t, store, before))
	redis.kill()
	assert.False(t, remember(t, store, before), "was used before the outage")
	assert.True(t, remember(t, store, during))
	assert.False(t, remember(t, store, during))
	redis.start(t)
	assert.False(t, remember(t, store, during), "was used in the outage, which the server does not know")
	assert.True(t, remember(t, store, newID()))
}

// An address that nobody can dial is found at the start, and not by the first proof.
func TestAddresses(t *testing.T) {
	t.Parallel()
	dial := func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) { return nil, net.ErrClosed }
	for address, good := range map[string]bool{
		"redis.internal:6379": true, "127.0.0.1:1": true, "[::1]:65535": true, ":6379": true,
		"": false, "redis.internal": false, "redis.internal:": false, "redis.internal:0": false, "redis.internal:65536": false,
		"redis.internal:-1": false, "::1:6379": false, "/run/redis.sock": false,
	} {
		config := at("redis-0.internal:6379", address)
		store, err := bindredis.New(config)
		if good {
			require.NoError(t, err, address)
			store.Close()
			continue
		}
		var mistake binding.ConfigError
		require.ErrorAs(t, err, &mistake, address)
		require.Equal(t, binding.ConfigError{Field: "Client.InitAddress", Problem: "an address is host:port, with a port from 1 to 65535"}, mistake)

		config.Client.DialCtxFn = dial // what an address is, it knows
		store, err = bindredis.New(config)
		require.NoError(t, err, address)
		store.Close()
	}
}

func TestConfigurationMistakes(t *testing.T) {
	t.Parallel()
	_, err := bindredis.New(bindredis.Config{Timeout: time.Millisecond, MaxConnections: -1})
	var fields []string
	var walk func(error)
	walk = func(err error) {
		if mistake, ok := err.(binding.ConfigError); ok {
			fields = append(fields, mistake.Field)
		}
		switch e := err.(type) {
		case interface{ Unwrap() []error }:
			for _, err := range e.Unwrap() {
				walk(err)
			}
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		}
	}
	walk(err)
	assert.Equal(t, []string{"Client.InitAddress", "Timeout", "MaxConnections"}, fields)

	replica := at("127.0.0.1:1")
	replica.Client.ReplicaOnly = true
	_, err = bindredis.New(replica)
	var mistake binding.ConfigError
	require.True(t, errors.As(err, &mistake))
	assert.Equal(t, "Client", mistake.Field)
}
