package bindredis

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/certbound/certbound/binding"
)

// Config says where used proofs are remembered. [New] validates it, copies it
// and reports every mistake at once, as a [binding.ConfigError] for each.
type Config struct {
	// Client says how to reach the server: InitAddress is required, with one
	// address, those of a cluster, or those of Sentinels with Sentinel.MasterSet;
	// TLSConfig, Username, Password or AuthCredentialsFn as needed. The store
	// sets pooling, buffers and caching itself, and ignores what Client says
	// about these.
	Client valkey.ClientOption

	// Prefix is what every key begins with. Empty means "certbound:dpop:". If the
	// guard of one verifier is inside the guard of another, and both verifiers
	// use the same server, they need two prefixes.
	Prefix string

	// Timeout is how long one Remember may take, connecting included. 0 means 250
	// ms; from 10 ms to 5 s.
	Timeout time.Duration

	// MaxConnections is the maximum number of connections to each server; each
	// serves one command at a time. 0 means 64; from 1 to 10,000.
	MaxConnections int

	// DangerouslyUseMemoryWhenAway makes each replica remember by itself while
	// the server cannot be asked: a proof can then be used once on every replica.
	DangerouslyUseMemoryWhenAway bool

	// Logger gets what an operator must know: that the server is too old, that it
	// may evict keys, and when an outage begins and ends. An outage that begins
	// less than 10 seconds after the last that was told is told only if it lasts.
	// Nil means slog.Default().
	Logger *slog.Logger
}

const (
	defaultPrefix      = "certbound:dpop:"
	defaultTimeout     = 250 * time.Millisecond
	defaultConnections = 64
)

// New returns a store, or an error for the Config. It does not connect: the
// first Remember does, so that a resource server can start while the Redis
// server is away.
func New(config Config) (*Store, error) {
	var mistakes []error
	mistake := func(field, format string, args ...any) {
		mistakes = append(mistakes, binding.ConfigError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if len(config.Client.InitAddress) == 0 {
		mistake("Client.InitAddress", "an address of the server is required")
	}
	if slices.ContainsFunc(config.Client.InitAddress, isURL) {
		mistake("Client.InitAddress", "an address is host:port and no URL, of which valkey.ParseURL makes a ClientOption")
	} else if !dials(config.Client) && slices.ContainsFunc(config.Client.InitAddress, isNoAddress) {
		mistake("Client.InitAddress", "an address is host:port, with a port from 1 to 65535")
	}
	if config.Client.ReplicaOnly || config.Client.SendToReplicas != nil {
		mistake("Client", "a replica cannot say what was used: only the primary is asked")
	}
	if config.Timeout == 0 {
		config.Timeout = defaultTimeout
	}
	if config.Timeout < 10*time.Millisecond || config.Timeout > 5*time.Second {
		mistake("Timeout", "must be 10 ms to 5 s")
	}
	if config.MaxConnections == 0 {
		config.MaxConnections = defaultConnections
	}
	if config.MaxConnections < 1 || config.MaxConnections > 10_000 {
		mistake("MaxConnections", "must be 1 to 10,000")
	}
	if len(mistakes) > 0 {
		return nil, fmt.Errorf("bindredis: the Config is wrong: %w", errors.Join(mistakes...))
	}
	if config.Prefix == "" {
		config.Prefix = defaultPrefix
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	option := clientOption(config)
	s := &Store{
		text:    config.text("Store"),
		prefix:  config.Prefix,
		timeout: config.Timeout,
		tries:   config.MaxConnections + 1,
		server:  server{newClient: func() (valkey.Client, error) { return valkey.NewClient(option) }, log: config.Logger},
		outage:  outage{log: config.Logger},
	}
	if config.DangerouslyUseMemoryWhenAway {
		s.memory = newMemory()
	}
	return s, nil
}
