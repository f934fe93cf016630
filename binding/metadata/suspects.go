package metadata

import (
	"sync"
	"time"
)

const (
	// endEvery is the shortest time between two such ends: somebody whose tokens
	// make the authorization server slow must not make us connect all the time.
	endEvery = 2 * time.Second

	// settle is how long net/http may still count a request that was given up as
	// under way: for that time its connection is not idle.
	settle = 50 * time.Millisecond
)

// EndConnections makes requests use new connections soon: the next request
// closes the idle ones, and is the last on its own connection. A Client does
// the same by itself when a request got no answer on its connection. It happens
// at most once in 2 seconds, and needs a Transport that can close its idle
// connections, or that honors [http.Request.Close].
func (c *Client) EndConnections() { c.suspects.add() }

// suspects says whether there are connections on which a request got no answer.
type suspects struct {
	mu       sync.Mutex    // for what follows; never held while anybody is asked
	since    time.Time     // when there was the last; zero: none
	ended    time.Time     // when connections were last ended; zero: never
	settling chan struct{} // closed when they are being ended no more; nil: they are not
}

func (s *suspects) add() {
	s.mu.Lock()
	s.since = time.Now()
	s.mu.Unlock()
}

// end ends connections if it is time to, and reports whether it did. Requests
// that come meanwhile wait for it.
func (s *suspects) end(closeIdle func()) bool {
	s.mu.Lock()
	if settling := s.settling; settling != nil {
		s.mu.Unlock()
		<-settling
		return false
	}
	if s.since.IsZero() || time.Since(s.ended) < endEvery {
		s.mu.Unlock()
		return false
	}
	wait := settle - time.Since(s.since)
	s.settling = make(chan struct{})
	s.mu.Unlock()
	defer func() { // also if closeIdle, the Transport's, panics
		s.mu.Lock()
		s.since, s.ended = time.Time{}, time.Now()
		close(s.settling)
		s.settling = nil
		s.mu.Unlock()
	}()
	time.Sleep(wait)
	closeIdle()
	return true
}
