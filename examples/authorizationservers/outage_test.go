package authorizationservers_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// What becomes of those who take a road.
type traffic int

const (
	arrives traffic = iota
	refused         // at once
	lost            // nobody ever hears of it
)

// nobody listens there.
const nobody = "127.0.0.1:1"

// A road leads one API to its authorization server, and can be closed for it
// alone.
type road struct {
	listener net.Listener // the API's end
	to       string
	all      sync.WaitGroup

	mu      sync.Mutex
	traffic traffic
	open    map[net.Conn]bool
}

func newRoad(t *testing.T, issuer string, first traffic) *road {
	t.Helper()
	to, err := url.Parse(issuer)
	require.NoError(t, err)
	r := &road{listener: listen(t), to: to.Host, traffic: first, open: make(map[net.Conn]bool)}
	r.all.Go(func() {
		for {
			connection, err := r.listener.Accept()
			if err != nil {
				return // closed
			}
			r.all.Go(func() { r.carry(connection) })
		}
	})
	t.Cleanup(func() {
		_ = r.listener.Close()
		r.change(refused)
		r.all.Wait()
	})
	return r
}

// transport takes the road wherever it leads to.
func (r *road) transport(w *world) *http.Transport {
	transport := w.pki.Transport()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		address := r.listener.Addr().String()
		if r.now() == refused {
			address = nobody
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return transport
}

func (r *road) now() traffic {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.traffic
}

// change ends what is under way.
func (r *road) change(to traffic) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.traffic = to
	for connection := range r.open {
		_ = connection.Close()
	}
	clear(r.open)
}

func (r *road) carry(connection net.Conn) {
	defer connection.Close()
	switch r.keep(connection) {
	case refused:
		return
	case lost:
		_, _ = io.Copy(io.Discard, connection) // until it is closed
		return
	}
	there, err := net.Dial("tcp", r.to)
	if err != nil {
		return
	}
	defer there.Close()
	if r.keep(there) != arrives {
		return
	}
	r.all.Go(func() {
		_, _ = io.Copy(there, connection)
		_ = there.Close()
	})
	_, _ = io.Copy(connection, there)
}

// keep notes a connection, to be closed by change, and returns what becomes of it.
func (r *road) keep(connection net.Conn) traffic {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[connection] = true
	return r.traffic
}

const (
	// outage is so long that the wait between attempts is the longest there is.
	outage = 30 * time.Second

	// busy is how much longer than promised a machine may take that is.
	busy = 15 * time.Second
)

// While an authorization server is away, an API that knows its keys loses no
// request, and one that was started meanwhile serves soon after its return. All
// of them wait at the same time.
func testOutage(t *testing.T, w *world) {
	r := w.clients["ES256."+tlsClientAuth]
	client, token := newClient(t, w.pki, r), getToken(t, w, r, w.forResource(audience))
	var all sync.WaitGroup
	for name, row := range map[string]struct {
		traffic traffic
		started traffic       // what there was then
		status  int           // meanwhile
		within  time.Duration // of its return
	}{
		"refuses":            {refused, arrives, http.StatusOK, 0},
		"is silent":          {lost, arrives, http.StatusOK, 0},
		"refuses at first":   {refused, refused, http.StatusServiceUnavailable, 5 * time.Second},
		"is silent at first": {lost, lost, http.StatusServiceUnavailable, 10 * time.Second},
	} {
		issuer := newRoad(t, w.issuer, row.started)
		a := watch(t, w, binding.Config{Tokens: newJWTs(t, w, func(c *jwks.Config) {
			c.Transport, c.Fresh, c.FetchTimeout = issuer.transport(w), 2*time.Second, 0
		})})
		if row.started == arrives {
			require.Equal(t, http.StatusOK, a.whoami(t, client, token).status, a.last.Load())
		}
		all.Go(func() {
			again := time.NewTicker(50 * time.Millisecond)
			defer again.Stop()
			issuer.change(row.traffic)
			for end := time.Now().Add(outage); time.Now().Before(end); <-again.C {
				if !assert.Equal(t, row.status, a.whoami(t, client, token).status, "%s: %v", name, a.last.Load()) {
					return
				}
			}
			issuer.change(arrives)
			back := time.Now()
			for a.whoami(t, client, token).status != http.StatusOK {
				if !assert.Less(t, time.Since(back), row.within+busy, "%s: %v", name, a.last.Load()) {
					return
				}
				<-again.C
			}
			t.Logf("%s: served %v after its return", name, time.Since(back).Round(time.Millisecond))
		})
	}
	all.Wait()
}
