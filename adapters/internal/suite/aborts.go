package suite

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// aborts are clients that break off: after so many bytes of a handshake, of a
// request or of its body, before the answer, and while the guard waits for
// somebody else. Nothing is left of them, no handler runs that should not,
// nobody panics, and the next request is served. That no goroutine is left
// goleak says, in every package that runs the suite.
func (s *suite) aborts(t *testing.T) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.abortedHandshakes(t, version)
		})
	}
	for _, protocol := range protocols {
		t.Run(protocol.name, func(t *testing.T) {
			t.Parallel()
			s.abortedRequests(t, protocol)
		})
		t.Run(protocol.name+" with a handler", func(t *testing.T) {
			t.Parallel()
			s.abortedHandlers(t, protocol)
		})
	}
	s.abortedWaits(t)
}

// A protocol writes a request with a body of 20 bytes, as far as its client
// gets. It says how long it is without the body.
type protocol struct {
	name, alpn string
	version    int
	request    func(token string) (bytes []byte, head int)
}

var protocols = []protocol{
	{"HTTP 1.1", "http/1.1", 1, func(token string) ([]byte, int) {
		head := "POST / HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer " + token + "\r\nContent-Length: 20\r\n\r\n"
		return []byte(head + strings.Repeat("x", 20)), len(head)
	}},
	{"HTTP 2", "h2", 2, func(token string) ([]byte, int) {
		head := slices.Concat([]byte(clientPreface), frame(frameSettings, 0, 0, nil), frame(frameHeaders, flagEndHeaders, 1, fields(
			":method", "POST", ":scheme", "https", ":authority", "api.example", ":path", "/", "authorization", "Bearer "+token,
		)))
		return slices.Concat(head, frame(frameData, flagEndStream, 1, []byte(strings.Repeat("x", 20)))), len(head)
	}},
}

// A watched server tells what its guard decided, and when a connection is over.
type watched struct {
	site

	events chan binding.Event
	closed chan struct{}
}

// watch starts a server of the framework with a Fixture of its own. Without a
// handler it is the Probe.
func (s *suite) watch(t *testing.T, f *Fixture, config binding.Config, handler http.Handler) watched {
	t.Helper()
	w := watched{site{Probe: new(Probe)}, make(chan binding.Event, 1000), make(chan struct{}, 1000)}
	config.Observe = func(_ context.Context, event binding.Event) { w.events <- event }
	if handler == nil {
		handler = w.Probe
	}
	built := s.build(f.Log, Route{Path: "/", Steps: []Step{Protect(f.Guard(t, config))}, Handler: handler})
	w.Server = f.serveWatched(t, built, nil, func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			w.closed <- struct{}{}
		}
	})
	return w
}

// next returns what comes next, and fails the test when nothing comes.
func next[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case one := <-from:
		return one
	case <-time.After(patience):
		require.Fail(t, "nothing came", what)
		panic("not reached")
	}
}

// over waits until the server is done with a connection, and asserts that its
// guard was asked nothing more.
func (w watched) over(t *testing.T) {
	t.Helper()
	next(t, "a connection that is closed", w.closed)
	require.Empty(t, w.events)
}

// wellAfter asserts that the server serves as before, the Holder and nobody
// else, and that nobody panicked. ran is how often the Probe had to run until
// now.
func (w watched) wellAfter(t *testing.T, ran int) {
	t.Helper()
	f := w.fixture
	require.Equal(t, ran, w.Probe.count(), "how often the handler ran")
	good := f.Good(t)
	client, other := f.newClient(f.Holder.Certificate), f.newClient(f.Other.Certificate)
	for _, version := range []int{1, 2} {
		w.check(t, w.Probe, Bearer(client, good), OK, version)
		w.check(t, w.Probe, Bearer(other, good), OtherCertificate, version)
	}
	for range 4 {
		next(t, "an event", w.events)
	}
	for _, one := range []*Client{client, other} {
		for _, version := range []int{1, 2} {
			one.HTTP(version).CloseIdleConnections()
			next(t, "a connection that is closed", w.closed)
		}
	}
	assert.NotContains(t, f.Log.String(), "panic")
}

// raw connects as the client and speaks the protocol.
func (w watched) raw(t *testing.T, client *Client, protocol protocol) *tls.Conn {
	t.Helper()
	connection, err := tls.Dial("tcp", w.http.Listener.Addr().String(), &tls.Config{
		RootCAs: w.fixture.AS.RootCAs(), Certificates: []tls.Certificate{*client.Certificate},
		NextProtos: []string{protocol.alpn}, MinVersion: tls.VersionTLS12,
	})
	require.NoError(t, err)
	require.Equal(t, protocol.version == 2, connection.ConnectionState().NegotiatedProtocol == "h2")
	return connection
}

// hangUp ends a connection in one of two ways: as who is done, or with a reset,
// as who is dead.
func hangUp(t *testing.T, connection net.Conn, withReset bool) {
	t.Helper()
	if !withReset {
		_ = connection.Close() // close_notify, as far as anybody is there to read it
		return
	}
	if over, ok := connection.(*tls.Conn); ok {
		connection = over.NetConn()
	}
	require.NoError(t, connection.(*net.TCPConn).SetLinger(0))
	require.NoError(t, connection.Close())
}

// points are numbers of bytes to break off after: those near the beginning,
// those around the end of the head, all of the body, and some between.
func points(length, head int) []int {
	var all []int
	for k := range length + 1 {
		if k <= 50 || k%13 == 0 || k >= head-3 {
			all = append(all, k)
		}
	}
	return all
}

// abortedRequests breaks off after k bytes of a request, for many k. Until all
// of its head is there nobody is asked anything. Then the guard decides; the
// token is the Holder's, the client is another, and so no handler ever runs.
func (s *suite) abortedRequests(t *testing.T, protocol protocol) {
	f := NewFixture(t)
	w := s.watch(t, f, binding.Config{}, nil)
	w.wellAfter(t, 0)
	request, head := protocol.request(f.Good(t))
	for i, k := range points(len(request), head) {
		t.Run(fmt.Sprintf("after %d bytes", k), func(t *testing.T) {
			client := f.Holder
			if k >= head {
				client = f.Other
			}
			connection := w.raw(t, client, protocol)
			_, err := connection.Write(request[:k])
			require.NoError(t, err)
			if k < head {
				hangUp(t, connection, i%2 == 1)
				w.over(t)
				return
			}
			// At once, where the guard may learn of it before it has decided,
			// or when it has.
			want := []binding.Reason{binding.ReasonThumbprintMismatch}
			if i%2 == 1 {
				want = append(want, binding.ReasonCanceled)
				require.NoError(t, connection.CloseWrite())
			}
			event := next(t, "an event", w.events)
			hangUp(t, connection, i%4 > 1)
			assert.Contains(t, want, event.Reason())
			w.over(t)
		})
	}
	w.wellAfter(t, 2)
}

// abortedHandlers breaks off while a handler runs that may: it learns of it,
// whatever it is at.
func (s *suite) abortedHandlers(t *testing.T, protocol protocol) {
	f := NewFixture(t)
	started, ended := make(chan struct{}, 1), make(chan error, 1)
	w := s.watch(t, f, binding.Config{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started <- struct{}{}
		_, err := io.Copy(io.Discard, r.Body)
		for err == nil {
			_, err = w.Write(make([]byte, 1<<16))
		}
		ended <- err
	}))
	request, head := protocol.request(f.Good(t))
	for k := head; k <= len(request); k++ {
		for _, withReset := range []bool{false, true} {
			t.Run(fmt.Sprintf("after %d bytes, reset %v", k, withReset), func(t *testing.T) {
				connection := w.raw(t, f.Holder, protocol)
				_, err := connection.Write(request[:k])
				require.NoError(t, err)
				assert.True(t, next(t, "an event", w.events).Accepted())
				next(t, "a handler that runs", started)
				if k == len(request) && withReset { // in the middle of the answer
					_, err = io.ReadFull(connection, make([]byte, 1<<10))
					require.NoError(t, err)
				}
				hangUp(t, connection, withReset)
				require.Error(t, next(t, "the handler's end", ended))
				w.over(t)
			})
		}
	}
	assert.NotContains(t, f.Log.String(), "panic")
}

// A cut connection fails the write of all that is more than the bytes left.
type cut struct {
	net.Conn

	left    int
	ends    []int // of the writes
	written int
}

func (c *cut) Write(b []byte) (int, error) {
	n := min(len(b), c.left)
	n, err := c.Conn.Write(b[:n])
	c.left -= n
	c.written += n
	c.ends = append(c.ends, c.written)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return n, err
}

// abortedHandshakes breaks off after k bytes of a client's side of a handshake,
// for many k, as a client with a certificate.
func (s *suite) abortedHandshakes(t *testing.T, version uint16) {
	f := NewFixture(t)
	w := s.watch(t, f, binding.Config{}, nil)
	shake := func(t *testing.T, k int, withReset bool) (*cut, error) {
		t.Helper()
		connection, err := net.Dial("tcp", w.http.Listener.Addr().String())
		require.NoError(t, err)
		c := &cut{Conn: connection, left: k}
		client := tls.Client(c, &tls.Config{
			RootCAs: f.AS.RootCAs(), ServerName: "127.0.0.1", Certificates: []tls.Certificate{*f.Holder.Certificate},
			MinVersion: version, MaxVersion: version,
		})
		err = client.Handshake()
		hangUp(t, connection, withReset)
		next(t, "a connection that is closed", w.closed)
		return c, err
	}
	whole, err := shake(t, 1<<20, false)
	require.NoError(t, err)
	var all []int
	for k := range whole.written {
		near := slices.ContainsFunc(whole.ends, func(end int) bool { return k-end >= -1 && k-end <= 6 })
		if k < 8 || k%31 == 0 || near {
			all = append(all, k)
		}
	}
	for i, k := range all {
		t.Run(fmt.Sprintf("after %d bytes", k), func(t *testing.T) {
			if _, err := shake(t, k, i%2 == 1); k < whole.written-8 { // signatures are not always as long
				require.Error(t, err)
			}
			require.Empty(t, w.events)
		})
	}
	w.wellAfter(t, 0)
}
