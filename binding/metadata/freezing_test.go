package metadata_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/metadata"
)

// A relay forwards connections until freeze: those that are there then stay open
// and swallow everything, as behind a NAT that has forgotten them. New ones are
// forwarded.
type relay struct {
	net.Listener
	generation atomic.Int64
	running    sync.WaitGroup
	mu         sync.Mutex
	open       []net.Conn
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{Listener: listener}
	r.running.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			r.mu.Lock()
			r.open = append(r.open, in, out)
			r.mu.Unlock()
			generation := r.generation.Load()
			r.running.Go(func() { r.copy(in, out, generation) })
			r.running.Go(func() { r.copy(out, in, generation) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		r.mu.Lock()
		for _, c := range r.open {
			_ = c.Close()
		}
		r.mu.Unlock()
		r.running.Wait()
	})
	return r
}

func (r *relay) freeze() { r.generation.Add(1) }

func (r *relay) copy(to, from net.Conn, generation int64) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		frozen := r.generation.Load() != generation
		if err != nil {
			if !frozen {
				_ = to.Close()
			}
			return // or nobody is told
		}
		if !frozen {
			_, _ = to.Write(buffer[:n])
		}
	}
}

// M/398: connections that die silently fail what they carried, and no more, with
// whatever transport: within 10 seconds everything is back.
func TestConnectionsThatDieSilently(t *testing.T) {
	t.Parallel()
	for protocol, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		for name, transport := range map[string]func() *http.Transport{
			"our transport": metadata.NewTransport,
			"a clone of http.DefaultTransport": func() *http.Transport {
				return http.DefaultTransport.(*http.Transport).Clone()
			},
			"one that keeps connections": func() *http.Transport {
				return &http.Transport{ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 100}
			},
		} {
			for calls, atOnce := range map[string]int{"one by one": 1, "16 at a time": 16} {
				t.Run("M/398 "+protocol+", "+name+", "+calls, func(t *testing.T) {
					t.Parallel()
					testFreezing(t, http2, transport(), atOnce)
				})
			}
		}
	}
}

func testFreezing(t *testing.T, http2 bool, transport *http.Transport, atOnce int) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	server.EnableHTTP2 = http2
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	relay := newRelay(t, server.Listener.Addr().String())
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	t.Cleanup(transport.CloseIdleConnections)
	client := metadata.Client{Transport: transport, Timeout: time.Second}
	ask := func() bool {
		body, err := client.Get(t.Context(), "https://"+relay.Addr().String())
		return err == nil && (string(body) == "HTTP/2.0") == http2
	}
	all := func() bool {
		var failed atomic.Bool
		var asking sync.WaitGroup
		for range atOnce {
			asking.Go(func() {
				if !ask() {
					failed.Store(true)
				}
			})
		}
		asking.Wait()
		return !failed.Load()
	}
	require.True(t, all())
	relay.freeze()
	start := time.Now()
	for !all() {
		require.Less(t, time.Since(start), 30*time.Second)
	}
	t.Log("everything is back after", time.Since(start).Round(time.Millisecond))
	require.Less(t, time.Since(start), 12*time.Second, "10 s, and what a busy machine takes")
}
