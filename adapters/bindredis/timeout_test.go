package bindredis_test

import (
	"context"
	"crypto/fips140"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindredis"
)

// However long a server keeps it waiting, a request waits 250 ms, or as long as the configuration says.
func TestHowLongARequestWaits(t *testing.T) {
	t.Parallel()
	if fips140.Enabled() {
		t.Skip("the DRBG of FIPS 140-3 mode measures the time that it takes, which stands still here")
	}
	for name, dial := range map[string]func(context.Context) (net.Conn, error){
		"for a connection": func(ctx context.Context) (net.Conn, error) {
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Second):
			}
			return nil, context.DeadlineExceeded
		},
		"for an answer": func(context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, theirs) }()
			return ours, nil
		},
	} {
		t.Run("L/376 "+name, func(t *testing.T) {
			t.Parallel()
			for timeout, want := range map[time.Duration]time.Duration{0: 250 * time.Millisecond, time.Second: time.Second} {
				synctest.Test(t, func(t *testing.T) {
					config := bindredis.Config{Timeout: timeout, Logger: slog.New(slog.DiscardHandler)}
					config.Client.InitAddress, config.Client.ForceSingleClient = []string{"redis.internal:6379"}, true
					config.Client.DialCtxFn = func(ctx context.Context, _ string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) { return dial(ctx) }
					store, err := bindredis.New(config)
					require.NoError(t, err)
					defer store.Close()
					for range 2 {
						start := time.Now()
						_, err = store.Remember(t.Context(), [32]byte{1}, time.Minute)
						require.ErrorIs(t, err, context.DeadlineExceeded)
						require.Equal(t, want, time.Since(start))
					}
				})
			}
		})
	}
}
