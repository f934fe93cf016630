package bindredis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valkey-io/valkey-go"
)

// A server is the client of a server, made when it is first needed, and made
// anew after a failure.
type server struct {
	// newClient holds the options, since fmt prints those of a field, secrets
	// included, where it does not call Format.
	newClient func() (valkey.Client, error)
	log       *slog.Logger

	mu      sync.Mutex
	current valkey.Client
	dialing *dialing // under way
	closed  bool
	told    bool   // that the server may evict
	major   string // first part of the version that the server last said
}

// A dialing makes a client, for all that wait.
type dialing struct {
	done   chan struct{} // closed when client and err are there
	client valkey.Client
	err    error
}

// connectTimeout bounds the making of a client. It outlives the requests that
// wait for it, each for as long as it may.
const connectTimeout = 5 * time.Second

// client returns the client, or makes one. It waits no longer than ctx allows.
func (s *server) client(ctx context.Context) (valkey.Client, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, ErrClosed
	}
	if s.current != nil {
		defer s.mu.Unlock()
		return s.current, nil
	}
	d := s.dialing
	if d == nil {
		d = &dialing{done: make(chan struct{})}
		s.dialing = d
		go s.dial(d)
	}
	s.mu.Unlock()
	select {
	case <-d.done:
		return d.client, d.err
	case <-ctx.Done():
		return nil, plain(ctx.Err())
	}
}

// dial ends also if a function of the user's ends the goroutine (runtime.Goexit).
func (s *server) dial(d *dialing) {
	d.err = errPanicked
	defer func() {
		s.mu.Lock()
		s.dialing = nil
		if s.closed && d.client != nil {
			d.client.Close()
			d.client, d.err = nil, ErrClosed
		}
		s.current = d.client
		s.mu.Unlock()
		close(d.done)
	}()
	d.client, d.err = s.connect()
}

// connect makes a client and finds out whether the server can do what it must.
func (s *server) connect() (client valkey.Client, err error) {
	err = errPanicked // stays after panic(nil)
	defer func() {
		if recover() != nil {
			err = errPanicked
		}
		if err != nil && client != nil {
			client.Close()
			client = nil
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	made, failed := s.newClient()
	if client = made; failed != nil {
		return client, plain(failed)
	}
	if failed = s.old(ctx, client); failed != nil {
		return client, failed
	}
	s.mayEvict(ctx, client)
	return client, nil
}

// old returns an error if the server is older than Redis 7.0. One that does not
// say its version is tried.
func (s *server) old(ctx context.Context, client valkey.Client) error {
	info, err := client.Do(ctx, client.B().Info().Section("server").Build()).ToString()
	if _, answered := valkey.IsValkeyErr(err); answered {
		return nil // forbidden to us, or not known
	}
	if err != nil {
		return plain(err)
	}
	version := field(info, "redis_version")
	major, _, _ := strings.Cut(version, ".")
	before := s.major
	s.major = major
	if n, err := strconv.Atoi(major); err != nil || n >= 7 {
		return nil
	}
	if major != before { // each proof connects anew
		s.log.Error("bindredis: the server is too old: SET with NX and GET needs Redis 7.0 or Valkey; every DPoP proof is answered 503", "major_version", major)
	}
	return errors.New("bindredis: the server is older than Redis 7.0")
}

// mayEvict warns, once, of a server that may forget what it must remember.
func (s *server) mayEvict(ctx context.Context, client valkey.Client) {
	name := evictionPolicy(ctx, client)
	if name == "" || name == "noeviction" || s.told {
		return
	}
	s.told = true
	s.log.Warn("bindredis: the server may evict a record: a DPoP proof whose record is gone can be used a second time; set maxmemory-policy to noeviction",
		"maxmemory_policy", fmt.Sprintf("%.40q", name))
}

// evictionPolicy returns the server's maxmemory-policy, or "" if it does not say.
// Managed servers, of which some evict by default, often forbid CONFIG.
func evictionPolicy(ctx context.Context, client valkey.Client) string {
	if info, err := client.Do(ctx, client.B().Info().Section("memory").Build()).ToString(); err == nil {
		if name := field(info, "maxmemory_policy"); name != "" {
			return name
		}
	}
	policy, err := client.Do(ctx, client.B().ConfigGet().Parameter("maxmemory-policy").Build()).AsStrMap()
	if err != nil {
		return ""
	}
	return policy["maxmemory-policy"]
}

// field returns what INFO says under a name.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// discard closes a client that is of no more use, so that the next is made anew.
func (s *server) discard(client valkey.Client) {
	s.mu.Lock()
	if s.current == client {
		s.current = nil
	}
	s.mu.Unlock()
	client.Close()
}

func (s *server) close() {
	s.mu.Lock()
	client, d := s.current, s.dialing
	s.current, s.closed = nil, true
	s.mu.Unlock()
	if client != nil {
		client.Close()
	}
	if d != nil {
		<-d.done
	}
}

// clientOption is the user's, with what the store decides: a connection serves
// one command at a time, and its answer is read where it is waited for.
func clientOption(config Config) valkey.ClientOption {
	option := config.Client
	option.InitAddress = append([]string(nil), option.InitAddress...)
	option.DisableAutoPipelining = true
	option.DisableCache = true
	option.BlockingPoolSize = config.MaxConnections
	option.BlockingPoolCleanup = time.Minute
	option.BlockingPoolMinSize = 1
	option.ReadBufferEachConn, option.WriteBufferEachConn = 4<<10, 4<<10
	option.RingScaleEachConn = 8
	option.OnInvalidations = nil
	keepAlive := option.Dialer.KeepAlive
	option.Dialer.KeepAlive = -1 // no pings in the background: each command has its deadline
	option.Dialer.Timeout = connectTimeout
	if option.Sentinel.MasterSet != "" && option.Sentinel.TopologyRefreshInterval == 0 {
		option.Sentinel.TopologyRefreshInterval = connectTimeout
	}
	dial := option.DialCtxFn
	if dial == nil {
		dial = func(ctx context.Context, address string, dialer *net.Dialer, secure *tls.Config) (net.Conn, error) {
			own := *dialer
			own.KeepAlive = keepAlive
			if secure != nil {
				return (&tls.Dialer{NetDialer: &own, Config: secure}).DialContext(ctx, "tcp", address)
			}
			return own.DialContext(ctx, "tcp", address)
		}
	}
	option.DialCtxFn = func(ctx context.Context, address string, dialer *net.Dialer, secure *tls.Config) (net.Conn, error) {
		conn, err := dial(ctx, address, dialer, secure)
		if err != nil {
			return nil, err
		}
		return &replies{Conn: conn}, nil
	}
	return option
}
