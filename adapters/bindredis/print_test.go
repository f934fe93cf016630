package bindredis_test

import (
	"crypto/ed25519"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valkey-io/valkey-go"

	"github.com/certbound/certbound/adapters/bindredis"
	"github.com/certbound/certbound/binding"
)

// What an operator may see of a store is printed and logged; nothing else of what
// its client was given.
func TestPrinted(t *testing.T) {
	t.Parallel()
	key := ed25519.NewKeyFromSeed([]byte("canary-seed, of thirty-two bytes"))
	identity := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		ServerName:   "canary-name",
		Certificates: []tls.Certificate{{Certificate: [][]byte{[]byte("canary-certificate")}, PrivateKey: key}},
	}
	config := bindredis.Config{
		Client: valkey.ClientOption{
			InitAddress: []string{"redis-1.internal:6379", "redis-2.internal:6379"},
			TLSConfig:   identity,
			Username:    "canary-user",
			Password:    "canary-password",
			ClientName:  "canary-client",
			Sentinel:    valkey.SentinelOption{TLSConfig: identity, Username: "canary-sentinel", Password: "canary-sentinels-password"},
		},
		Prefix:                       "proofs:",
		Timeout:                      time.Second,
		MaxConnections:               7,
		DangerouslyUseMemoryWhenAway: true,
	}
	store, err := bindredis.New(config)
	require.NoError(t, err)
	defer store.Close()
	const shown = `{InitAddress: ["redis-1.internal:6379" "redis-2.internal:6379"], Prefix: "proofs:", Timeout: 1s, MaxConnections: 7, DangerouslyUseMemoryWhenAway: true}`

	for name, row := range map[string]struct {
		value any
		shows string
	}{
		"a Config":            {config, "bindredis.Config" + shown},
		"a *Config":           {&config, "bindredis.Config" + shown},
		"a *Store":            {store, "bindredis.Store" + shown},
		"a Store, copied":     {reflect.ValueOf(store).Elem().Interface(), ""},
		"a store in a struct": {struct{ Replays any }{store}, "bindredis.Store" + shown},
		"a store in a field that is not exported": {struct{ replays *bindredis.Store }{store}, ""},
		"Configs in a struct": {struct {
			C bindredis.Config
			P *bindredis.Config
		}{config, &config}, "bindredis.Config" + shown},
		"Configs in a list": {[]any{config, &config, store}, "bindredis.Config" + shown},
		"Configs in a map":  {map[string]any{"config": config}, "bindredis.Config" + shown},
	} {
		t.Run("M/417 "+name, func(t *testing.T) {
			var printed, logged strings.Builder
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				text := fmt.Sprintf(verb, row.value)
				require.Contains(t, text, row.shows, verb)
				printed.WriteString(text + "\n")
			}
			slog.New(slog.NewTextHandler(&logged, nil)).Info("it", "value", row.value)
			slog.New(slog.NewJSONHandler(&logged, nil)).Info("it", "value", row.value)
			text := printed.String() + logged.String()
			for _, secret := range [][]byte{[]byte("canary"), key} {
				require.NotContains(t, text, string(secret))
				require.NotContains(t, text, fmt.Sprintf("%x", secret))
				require.NotContains(t, text, strings.Trim(fmt.Sprint(secret), "[]"))
				require.NotContains(t, text, strings.Trim(fmt.Sprintf("%#v", secret), "[]byte{}"))
				require.NotContains(t, text, base64.StdEncoding.EncodeToString(secret[:6]))
			}
			if strings.HasPrefix(name, "a Config") || strings.HasPrefix(name, "a *") { // itself, and not in something
				require.Equal(t, 2, strings.Count(logged.String(), fmt.Sprintf("%q", row.shows)), logged.String())
			}
		})
	}
	require.Equal(t, "<nil>", fmt.Sprint((*bindredis.Store)(nil)))
}

// A Config is printed as it is, and a Store with what it took by default.
func TestPrintedDefaults(t *testing.T) {
	t.Parallel()
	config := bindredis.Config{Client: valkey.ClientOption{InitAddress: []string{"redis.internal:6379"}}}
	store, err := bindredis.New(config)
	require.NoError(t, err)
	defer store.Close()
	require.Equal(t, `bindredis.Config{InitAddress: ["redis.internal:6379"], Prefix: "", Timeout: 0s, MaxConnections: 0, DangerouslyUseMemoryWhenAway: false}`,
		fmt.Sprint(config))
	require.Equal(t, `bindredis.Store{InitAddress: ["redis.internal:6379"], Prefix: "certbound:dpop:", Timeout: 250ms, MaxConnections: 64, DangerouslyUseMemoryWhenAway: false}`,
		fmt.Sprint(store))
}

// A URL is no address, but who writes one may write a password into it.
func TestPrintedURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"redis://user:canary@redis.internal:6379", "redis://redis.internal?password=canary", "redis://redis.internal:6379", "canary@redis.internal:6379"} {
		config := bindredis.Config{Client: valkey.ClientOption{InitAddress: []string{"a.internal:6379", url}}}
		require.Contains(t, fmt.Sprint(config), `InitAddress: ["a.internal:6379" "(not an address)"]`)
		require.NotContains(t, fmt.Sprint(config), "canary")
		_, err := bindredis.New(config)
		var mistake binding.ConfigError
		require.ErrorAs(t, err, &mistake)
		require.Equal(t, "Client.InitAddress", mistake.Field)
		require.NotContains(t, err.Error(), "canary")
	}
}
