package subject

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/valkey-io/valkey-go"

	"github.com/certbound/certbound/adapters/bindredis"
	"github.com/certbound/certbound/jwks/dpop"
)

// A ReplayStore remembers used proofs on a server.
type ReplayStore interface {
	dpop.ReplayStore
	io.Closer
}

// patience is how long a store waits: what is measured is how much it does, also on a busy machine.
const patience = 5 * time.Second

// NewBindredis returns the store of this library.
func NewBindredis(address string) (ReplayStore, error) {
	store, err := bindredis.New(bindredis.Config{Client: valkey.ClientOption{InitAddress: []string{address}}, Timeout: patience})
	return bindredisStore{store}, err
}

type bindredisStore struct{ *bindredis.Store }

func (s bindredisStore) Close() error {
	s.Store.Close()
	return nil
}

// NewSocket returns the least that can be done to remember a proof on a server: the command is written to a connection, and the
// answer read. It is for one goroutine, and knows no answer but that of a first use.
func NewSocket(address string) (ReplayStore, error) {
	connection, err := net.Dial("tcp", address)
	return socket{connection}, err
}

type socket struct{ net.Conn }

func (s socket) Remember(_ context.Context, id [32]byte, ttl time.Duration) (bool, error) {
	if err := s.SetDeadline(time.Now().Add(patience)); err != nil {
		return false, err
	}
	key, own, milliseconds := "certbound:dpop:"+base64.RawURLEncoding.EncodeToString(id[:16]), rand.Text()[:16], strconv.FormatInt(ttl.Milliseconds(), 10)
	var command []byte
	for _, word := range []string{"SET", key, own, "NX", "GET", "PX", milliseconds} {
		command = fmt.Appendf(command, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := s.Write(append([]byte("*7\r\n"), command...)); err != nil {
		return false, err
	}
	var answer [64]byte
	n, err := s.Read(answer[:])
	return string(answer[:n]) == "$-1\r\n", err
}

// NewGoRedis returns the store that the documentation of bindredis has for go-redis.
func NewGoRedis(address string) ReplayStore {
	return goRedisStore{redis.NewClient(&redis.Options{Addr: address, ContextTimeoutEnabled: true, MaxRetries: 1, PoolSize: 64})}
}

type goRedisStore struct{ *redis.Client }

func (s goRedisStore) Remember(ctx context.Context, id [32]byte, ttl time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	key := "certbound:dpop:" + base64.RawURLEncoding.EncodeToString(id[:16])
	own := rand.Text()[:16]
	there, err := s.SetArgs(ctx, key, own, redis.SetArgs{Mode: "NX", Get: true, TTL: ttl}).Result()
	if errors.Is(err, redis.Nil) {
		return true, nil
	}
	return there == own, err
}
