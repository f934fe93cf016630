//go:build unix

package bindredis_test

import (
	"bytes"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/valkey-io/valkey-go"

	"github.com/certbound/certbound/adapters/bindredis"
)

// Of a managed server the policy is often an evicting one by default, and CONFIG is
// forbidden.
func TestServerThatMayEvict(t *testing.T) {
	t.Parallel()
	for name, forbidden := range map[string][]string{
		"that may be asked for its configuration": nil,
		"that may not":            {"--user", "default", "on", "nopass", "~*", "+@all", "-config"},
		"that says no INFO of it": {"--user", "default", "on", "nopass", "~*", "+@all", "-info"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis, log := startServer(t, append([]string{"--maxmemory-policy", "volatile-lru"}, forbidden...)...), new(journal)
			store := open(t, log, patient(redis.address))
			remember(t, store, newID())
			redis.kill()
			_, err := store.Remember(t.Context(), newID(), ttl)
			require.Error(t, err)
			redis.start(t)
			returns(t, store)
			assert.Equal(t, 1, strings.Count(log.String(), "may evict"), log.String())
			assert.Contains(t, log.String(), "set maxmemory-policy to noeviction")
			assert.Contains(t, log.String(), "volatile-lru")
		})
	}
}

// Redis before 7.0 does not have NX together with GET. The answer is rewritten on
// its way: what is tested is what the store makes of the version.
func TestServerThatIsTooOld(t *testing.T) {
	t.Parallel()
	for version, good := range map[string]bool{"6.2.14": false, "5.0.7 ": false, "7.0.15": true, "nonsens": true} {
		redis, log := startServer(t), new(journal)
		relay := startRelay(t, redis.address)
		relay.answers(saysVersion(version))
		store := open(t, log, patient(relay.address))
		_, err := store.Remember(t.Context(), newID(), ttl)
		if good {
			require.NoError(t, err, version)
			continue
		}
		require.ErrorContains(t, err, "older than Redis 7.0")
		assert.Contains(t, log.String(), "needs Redis 7.0")
	}
}

// Each proof finds out anew that the server is too old; the log is told once, and
// again when another version was there in between.
func TestServerThatIsTooOldIsLoggedOnce(t *testing.T) {
	t.Parallel()
	redis, log := startServer(t), new(journal)
	relay := startRelay(t, redis.address)
	store := open(t, log, patient(relay.address))
	records := 0
	isOld := func(version string) {
		t.Helper()
		relay.answers(saysVersion(version))
		for range 3 {
			_, err := store.Remember(t.Context(), newID(), ttl)
			require.ErrorContains(t, err, "older than Redis 7.0")
		}
		records++
		require.Equal(t, records, strings.Count(log.String(), "needs Redis 7.0"), log.String())
		require.Contains(t, log.String(), "major_version="+version[:1])
	}
	isOld("5.0.7 ")
	isOld("6.2.14")
	relay.answers(nil)
	remember(t, store, newID())
	redis.ask(t, "REPLICAOF", "127.0.0.1", "1") // the store then connects anew
	_, err := store.Remember(t.Context(), newID(), ttl)
	require.ErrorContains(t, err, "READONLY")
	isOld("6.2.14")
}

// saysVersion has the server say another version, of six characters.
func saysVersion(version string) func(net.Conn, []byte) []byte {
	return func(_ net.Conn, said []byte) []byte {
		at := bytes.Index(said, []byte("redis_version:7.0.1"))
		if at < 0 {
			return said
		}
		said = bytes.Clone(said)
		copy(said[at+len("redis_version:"):], version[:6])
		return said
	}
}

func TestUserAndPassword(t *testing.T) {
	t.Parallel()
	const password = "canary-password"
	redis, log := startServer(t, "--user", "certbound", "on", ">"+password, "~certbound:*", "+set", "+get", "+hello", "--user", "default", "off"), new(journal)
	config := patient(redis.address)
	config.Client.Username, config.Client.Password = "certbound", password
	config.Client.ForceSingleClient = true // CLUSTER is forbidden to this user, and so are INFO and CONFIG
	store := open(t, log, config)
	id := newID()
	assert.True(t, remember(t, store, id))
	assert.False(t, remember(t, store, id))

	config.Client.Password = "another-" + password
	_, err := open(t, log, config).Remember(t.Context(), newID(), ttl)
	require.ErrorContains(t, err, "WRONGPASS")
	assert.NotContains(t, err.Error(), password)
	assert.NotContains(t, log.String(), password)
}

func TestTLS(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	pool, certificate, key := certificateFor(t, "127.0.0.1")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "cert.pem"), certificate, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "key.pem"), key, 0o600))
	redis := startServer(t)
	redis.kill()
	_, port, err := net.SplitHostPort(redis.address)
	require.NoError(t, err)
	redis.options = []string{"--port", "0", "--tls-port", port, "--tls-cert-file", filepath.Join(folder, "cert.pem"),
		"--tls-key-file", filepath.Join(folder, "key.pem"), "--tls-auth-clients", "no"}
	redis.start(t)
	config := patient(redis.address)
	config.Client.TLSConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	store := open(t, new(journal), config)
	id := newID()
	assert.True(t, remember(t, store, id))
	assert.False(t, remember(t, store, id))

	config.Client.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	_, err = open(t, new(journal), config).Remember(t.Context(), newID(), ttl)
	assert.Error(t, err, "a server of an unknown CA")
}

func TestCluster(t *testing.T) {
	t.Parallel()
	a, b := startServer(t, "--cluster-enabled", "yes"), startServer(t, "--cluster-enabled", "yes")
	a.ask(t, "CLUSTER", "ADDSLOTSRANGE", "0", "8191")
	b.ask(t, "CLUSTER", "ADDSLOTSRANGE", "8192", "16383")
	b.ask(t, "CLUSTER", "SET-CONFIG-EPOCH", "2")
	host, port, err := net.SplitHostPort(b.address)
	require.NoError(t, err)
	a.ask(t, "CLUSTER", "MEET", host, port)
	require.Eventually(t, func() bool {
		return strings.Contains(a.ask(t, "CLUSTER", "INFO"), "cluster_state:ok") && strings.Contains(b.ask(t, "CLUSTER", "INFO"), "cluster_state:ok")
	}, 30*time.Second, 50*time.Millisecond)

	store, other := open(t, new(journal), patient(a.address)), open(t, new(journal), patient(b.address))
	for range 50 {
		id := newID()
		assert.True(t, remember(t, store, id))
		assert.False(t, remember(t, other, id))
	}
	assert.NotEqual(t, "0", a.ask(t, "DBSIZE"))
	assert.NotEqual(t, "0", b.ask(t, "DBSIZE"))
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	redis := startServer(t)
	host, port, err := net.SplitHostPort(redis.address)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "sentinel.conf") // which it writes to
	require.NoError(t, os.WriteFile(file, []byte("sentinel monitor proofs "+host+" "+port+" 1\n"), 0o600))
	sentinel := startSentinel(t, file)
	store := open(t, new(journal), bindredis.Config{
		Client:  valkey.ClientOption{InitAddress: []string{sentinel.address}, Sentinel: valkey.SentinelOption{MasterSet: "proofs"}},
		Timeout: 5 * time.Second,
	})
	id := newID()
	assert.True(t, remember(t, store, id))
	assert.False(t, remember(t, store, id))
	assert.Equal(t, "1", redis.ask(t, "DBSIZE"))
}
