// A server is frozen here, which needs signals.

//go:build unix

package bindredis_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valkey-io/valkey-go"
	"go.uber.org/goleak"

	"github.com/certbound/certbound/adapters/bindredis"
)

// A cluster's client that was closed may still wait, for up to a second, before
// it would look at the cluster again.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valkey-io/valkey-go.(*call).DelayDo.func1"))
}

// A server is a real redis-server that keeps nothing on disk.
type server struct {
	address string
	options []string
	command *exec.Cmd
}

// startServer starts redis-server on a free port. Without one the test is
// skipped aloud, but not where CERTBOUND_REDIS says that there must be one.
func startServer(t testing.TB, options ...string) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CERTBOUND_REDIS") != "" {
			t.Fatal("redis-server is not installed, and CERTBOUND_REDIS says that it must be")
		}
		t.Skip("redis-server is not installed: its package is redis-server on Debian")
	}
	s := &server{address: freeAddress(t), options: options}
	s.start(t)
	t.Cleanup(s.kill)
	return s
}

// Ports of this process, from whose first it keeps others away: a server may be away for a while, and begin again.
var ports struct {
	sync.Mutex
	lock       net.Listener // at base
	base, next int
}

// freeAddress has a port that systems give no connection by themselves, from
// 32768 on, and neither the one that is 10,000 above it, which a cluster takes.
// No other server gets it while this one is away.
func freeAddress(t testing.TB) string {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	const least, blocks, size = 20_000, 20, 100
	for _, block := range mathrand.Perm(blocks) {
		if ports.lock == nil {
			ports.base = least + block*size
			ports.lock, _ = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", ports.base))
		}
	}
	require.NotNil(t, ports.lock, "no ports are free")
	for range size {
		ports.next = ports.next%(size-1) + 1
		if port := ports.base + ports.next; isFree(port) && isFree(port+10_000) {
			return fmt.Sprintf("127.0.0.1:%d", port)
		}
	}
	t.Fatal("no port is free")
	return ""
}

func isFree(port int) bool {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	return err == nil && listener.Close() == nil
}

func (s *server) start(t testing.TB) {
	t.Helper()
	host, port, err := net.SplitHostPort(s.address)
	require.NoError(t, err)
	s.command = exec.Command("redis-server", append([]string{"--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", t.TempDir()}, s.options...)...)
	var output bytes.Buffer
	s.command.Stdout = &output
	require.NoError(t, s.command.Start())
	for range 300 {
		if conn, err := net.Dial("tcp", s.address); err == nil {
			conn.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.kill()
	t.Fatalf("redis-server did not start:\n%s", output.String())
}

func (s *server) kill() {
	if s.command == nil {
		return
	}
	_ = s.command.Process.Signal(syscall.SIGCONT)
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
	s.command = nil
}

func (s *server) signal(t testing.TB, signal os.Signal) {
	t.Helper()
	require.NoError(t, s.command.Process.Signal(signal))
}

// ask sends a command to the server, past any store.
func (s *server) ask(t testing.TB, words ...string) string {
	t.Helper()
	output, err := exec.Command("redis-cli", append([]string{"-h", "127.0.0.1", "-p", strings.TrimPrefix(s.address, "127.0.0.1:")}, words...)...).CombinedOutput()
	require.NoError(t, err, "%s", output)
	return strings.TrimSpace(string(output))
}

// open makes a store, and closes it when the test ends.
func open(t testing.TB, log *journal, config bindredis.Config) *bindredis.Store {
	t.Helper()
	config.Logger = slog.New(slog.NewTextHandler(log, nil))
	store, err := bindredis.New(config)
	require.NoError(t, err)
	t.Cleanup(store.Close)
	return store
}

func at(addresses ...string) bindredis.Config {
	return bindredis.Config{Client: valkey.ClientOption{InitAddress: addresses}}
}

// patient is a configuration whose store waits for a busy machine.
func patient(addresses ...string) bindredis.Config {
	config := at(addresses...)
	config.Timeout = 5 * time.Second
	return config
}

func newID() (id [32]byte) {
	_, _ = rand.Read(id[:])
	return id
}

const ttl = time.Minute

// returns asks until the store answers, which it must by itself.
func returns(t testing.TB, store *bindredis.Store) {
	t.Helper()
	for range 500 {
		if _, err := store.Remember(context.Background(), newID(), ttl); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the store did not come back")
}

// A relay stands between a store and a server, and does to what the server says
// what a test wants: nil passes it on.
type relay struct {
	address string
	answer  atomic.Pointer[func(client net.Conn, said []byte) []byte]
}

func startRelay(t testing.TB, target string) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{address: listener.Addr().String()}
	var open sync.Map
	var running sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		open.Range(func(conn, _ any) bool { conn.(net.Conn).Close(); return true })
		running.Wait()
	})
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				continue
			}
			open.Store(client, nil)
			open.Store(server, nil)
			running.Go(func() { pump(server, client, func(p []byte) []byte { return p }) })
			running.Go(func() {
				pump(client, server, func(p []byte) []byte {
					if answer := r.answer.Load(); answer != nil {
						return (*answer)(client, p)
					}
					return p
				})
			})
		}
	})
	return r
}

func (r *relay) answers(f func(client net.Conn, said []byte) []byte) {
	if f == nil {
		r.answer.Store(nil)
		return
	}
	r.answer.Store(&f)
}

func pump(to, from net.Conn, change func([]byte) []byte) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, err := to.Write(change(buffer[:n])); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// startSentinel starts a Sentinel with its configuration file.
func startSentinel(t testing.TB, file string) *server {
	t.Helper()
	s := &server{address: freeAddress(t)}
	_, port, err := net.SplitHostPort(s.address)
	require.NoError(t, err)
	s.command = exec.Command("redis-server", file, "--sentinel", "--bind", "127.0.0.1", "--port", port)
	require.NoError(t, s.command.Start())
	t.Cleanup(s.kill)
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", s.address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, 30*time.Second, 20*time.Millisecond)
	return s
}

// certificateFor makes a self-signed server certificate.
func certificateFor(t testing.TB, ip string) (pool *x509.CertPool, certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.ParseIP(ip)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool = x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(certificate))
	return pool, certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}
