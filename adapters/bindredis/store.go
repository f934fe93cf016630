package bindredis

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"
)

// A Store remembers used proofs in Redis or Valkey. It is a ReplayStore of
// package dpop. Make one with [New]; the zero Store is not usable. It is safe
// for concurrent use.
type Store struct {
	text    string // what is printed of it
	prefix  string
	timeout time.Duration
	tries   int
	server  server
	memory  *memory // nil without DangerouslyUseMemoryWhenAway
	outage  outage
}

// ErrClosed is the error of Remember after [Store.Close].
var ErrClosed = errors.New("bindredis: the store is closed")

// Remember remembers id for at least ttl, which must be positive, and reports
// whether nobody who shares the server and the prefix had remembered it before.
// The error says why the server could not be asked; it contains nothing of the
// id.
func (s *Store) Remember(ctx context.Context, id [32]byte, ttl time.Duration) (first bool, err error) {
	if ttl <= 0 {
		return false, errors.New("bindredis: the ttl is not positive")
	}
	held := false
	if s.memory != nil {
		var used bool
		if used, held = s.memory.remember(id, ttl); used {
			return false, nil
		}
	}
	within, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	first, err = s.ask(within, id, ttl)
	switch {
	case err == nil:
		s.outage.end()
		return first, nil
	case errors.Is(err, ErrClosed) || ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) && sooner(ctx, within):
		return false, err // the caller is gone: that says nothing of the server
	}
	s.outage.begin(err)
	if held {
		return true, nil
	}
	return false, err
}

// sooner reports whether it is the caller's own deadline that within has.
func sooner(ctx, within context.Context) bool {
	callers, has := ctx.Deadline()
	earliest, _ := within.Deadline()
	return has && callers.Equal(earliest)
}

// Close ends all connections. Remember then returns ErrClosed.
func (s *Store) Close() { s.server.close() }

// ask sends the command, and again where a connection ended under it: the
// server closes idle ones, and a restart closes all.
func (s *Store) ask(ctx context.Context, id [32]byte, ttl time.Duration) (bool, error) {
	key := s.prefix + base64.RawURLEncoding.EncodeToString(id[:16])
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand
	own := string(random[:])
	for try := 1; ; try++ {
		client, err := s.server.client(ctx)
		if err != nil {
			return false, err
		}
		there, err := set(ctx, client, key, own, ttl)
		switch {
		case valkey.IsValkeyNil(err):
			return true, nil
		case err == nil && len(there) == len(own):
			return there == own, nil
		case err == nil:
			s.server.discard(client)
			return false, errors.New("bindredis: the server's answer does not fit the command SET with NX and GET")
		}
		if errors.Is(err, errPanicked) || isReadOnly(err) {
			s.server.discard(client)
		}
		if try == s.tries || ctx.Err() != nil || !connectionEnded(err) {
			return false, plain(err)
		}
	}
}

var errPanicked = errors.New("bindredis: the server's answer could not be read")

// set runs the one command. No answer of a server's may end the process.
func set(ctx context.Context, client valkey.Client, key, own string, ttl time.Duration) (there string, err error) {
	defer func() {
		if recover() != nil {
			err = errPanicked
		}
	}()
	command := client.B().Set().Key(key).Value(own).Nx().Get().Px(ttl.Round(time.Millisecond) + time.Millisecond).Build()
	return client.Do(ctx, command).ToString()
}

// connectionEnded reports whether a connection that there was has ended. A
// connection that could not be made is not tried again: the server is away.
func connectionEnded(err error) bool {
	if _, answered := valkey.IsValkeyErr(err); answered || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errReply) || errors.Is(err, errPanicked) {
		return false
	}
	var network *net.OpError
	return !errors.As(err, &network) || network.Op != "dial"
}

// isReadOnly: what was the primary is a replica now. A new client looks up its
// address again.
func isReadOnly(err error) bool {
	answer, ok := valkey.IsValkeyErr(err)
	return ok && strings.HasPrefix(answer.Error(), "READONLY")
}

// plain returns an error whose text is ours, or the net's, and not a server's,
// which may repeat what it was sent: of an error that the server answered the
// code is left (OOM, WRONGPASS, READONLY), which is a word in capitals.
func plain(err error) error {
	if answer, ok := valkey.IsValkeyErr(err); ok {
		code, _, _ := strings.Cut(answer.Error(), " ")
		if code == "" || len(code) > 20 || strings.ToUpper(code) != code || strings.ContainsFunc(code, func(r rune) bool { return r < 'A' || r > 'Z' }) {
			code = "an error"
		}
		return fmt.Errorf("bindredis: the server answered %s", code)
	}
	var network net.Error
	switch {
	case errors.Is(err, errPanicked), errors.Is(err, errReply):
		return err
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.As(err, &network):
		return fmt.Errorf("bindredis: the server could not be asked: %w", err)
	}
	return errors.New("bindredis: the connection to the server ended")
}
