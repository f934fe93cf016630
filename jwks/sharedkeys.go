package jwks

import (
	"net/http"
	"reflect"
	"slices"
	"sync"
	"time"
)

// sharing is all that decides a fetch of keys: verifiers for which it is the same
// share the keys, and nobody else does.
type sharing struct {
	url                          string
	transport                    http.RoundTripper
	allowHTTP                    bool
	fresh, maxStale, timeout     time.Duration
	maxBody, maxKeys, maxWaiters int
}

// sharingOf returns what decides the fetches of a Config, unless there is nothing
// to share: keys that are found by the issuer's own metadata are its own, and
// what cannot be compared, as a Transport that is a function, is never the same.
func sharingOf(c Config) (s sharing, ok bool) {
	if c.URL == "" || c.Transport != nil && !reflect.ValueOf(c.Transport).Comparable() {
		return sharing{}, false
	}
	return sharing{
		url: c.URL, transport: c.Transport, allowHTTP: c.DangerouslyAllowHTTP,
		fresh: c.Fresh, maxStale: c.MaxStale, timeout: c.FetchTimeout,
		maxBody: c.MaxBody, maxKeys: c.MaxKeys, maxWaiters: c.MaxWaiters,
	}, true
}

// sharedKeys are keys with those who use them, who may be very many, and may all
// leave at once.
type sharedKeys struct {
	keys *remoteKeys

	mu        sync.Mutex
	users     map[*Config]bool
	observers []*Config // users that have an observer, as they came, and some that have left
}

// observe tells an event to the first user that has an observer, under that
// user's name.
func (s *sharedKeys) observe(event Event) {
	s.mu.Lock()
	var user *Config
	if first := slices.IndexFunc(s.observers, func(c *Config) bool { return s.users[c] }); first >= 0 {
		user = s.observers[first]
	}
	s.mu.Unlock()
	if user != nil {
		event.Issuer = user.Issuer
		user.Observe(event)
	}
}

func (s *sharedKeys) join(user *Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[user] = true
	if user.Observe != nil {
		s.observers = append(s.observers, user)
	}
}

// leave reports whether nobody is left.
func (s *sharedKeys) leave(user *Config) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.users, user)
	if len(s.observers) >= 2*len(s.users) {
		s.observers = slices.DeleteFunc(s.observers, func(c *Config) bool { return !s.users[c] })
	}
	return len(s.users) == 0
}

// keysFor returns the keys of a Config, and what lets go of them: they are closed
// when nobody uses them any more. The caller holds mu.
func (d *DynamicIssuers) keysFor(c Config) (keys *remoteKeys, release func()) {
	key, ok := sharingOf(c)
	if !ok {
		keys = newKeys(c)
		return keys, keys.close
	}
	s := d.shared[key]
	if s == nil {
		s = &sharedKeys{users: make(map[*Config]bool)}
		d.shared[key] = s
	}
	user := &c
	s.join(user) // before its keys are made: the first fetch may be told of at once
	if s.keys == nil {
		config := c
		config.Observe = s.observe
		s.keys = newKeys(config)
	}
	return s.keys, func() {
		d.mu.Lock()
		last := s.leave(user)
		if last {
			delete(d.shared, key)
		}
		d.mu.Unlock()
		if last {
			s.keys.close()
		}
	}
}
