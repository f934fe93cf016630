package bindredis

import (
	"fmt"
	"io"
	"log/slog"
)

// Printed or logged, in whatever verb, a Config and a Store show what an operator
// must know and no more: Client holds credentials and keys.

// Format writes the addresses and what the Config says besides Client and Logger,
// for every verb: the rest of Client is secret. Package fmt does not call it for a
// Config in a field that is not exported.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.text("Config")) }

// LogValue returns what Format writes.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.text("Config")) }

// Format writes what a [Config] writes, with the defaults that the Store took.
func (s *Store) Format(f fmt.State, _ rune) {
	if s == nil {
		_, _ = io.WriteString(f, "<nil>")
		return
	}
	_, _ = io.WriteString(f, s.text)
}

// LogValue returns what Format writes.
func (s *Store) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(s)) }

func (c Config) text(what string) string {
	addresses := make([]string, len(c.Client.InitAddress))
	for i, address := range c.Client.InitAddress {
		if isURL(address) {
			address = "(not an address)"
		}
		addresses[i] = address
	}
	return fmt.Sprintf("bindredis.%s{InitAddress: %q, Prefix: %q, Timeout: %v, MaxConnections: %d, DangerouslyUseMemoryWhenAway: %t}",
		what, addresses, c.Prefix, c.Timeout, c.MaxConnections, c.DangerouslyUseMemoryWhenAway)
}
