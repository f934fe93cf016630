package jwks_test

import (
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/certbound/certbound/jwks"
)

// The records of a bad day: the issuer is away, then it has other keys.
func ExampleLogEvents() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // another in each run
			}
			return a
		},
	}))
	observe := jwks.LogEvents(logger) // for Config.Observe, which is told these:
	observe(jwks.Event{
		Kind: jwks.KeysFailed, Issuer: "https://auth.bank.example", Duration: 5 * time.Second,
		Err: errors.New("status 502"), Usable: true,
	})
	observe(jwks.Event{
		Kind: jwks.KeysFetched, Issuer: "https://auth.bank.example", Duration: 80 * time.Millisecond,
		Keys: 1, Added: []string{"key-2"}, Removed: []string{"key-1"}, Usable: true,
	})
	// Output:
	// level=WARN msg="keys not fetched" iss=https://auth.bank.example error="status 502" usable=true duration=5s
	// level=INFO msg="keys fetched" iss=https://auth.bank.example keys=1 added=[key-2] removed=[key-1] duration=80ms
}
