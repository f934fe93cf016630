package subject

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
)

// The names of the contenders that are no peers.
const (
	BareName  = "bare"
	FirstName = "certbound-first"
	SeenName  = "certbound-seen"
)

// A Contender does the work, each time with the next token of a pool. It is for one goroutine.
type Contender struct {
	Name string

	// Check does the work for any request with a token of the same issuer.
	Check func(r *http.Request) error

	once  func(i int) error // Check, with token i of the pool
	renew func() error      // nil: it makes no difference that a token was there before
	pool  int
	next  int
}

// Once does the work once. An error means that it was not done, and that its time is none.
func (c *Contender) Once() error {
	if c.next == c.pool {
		if c.renew != nil {
			return errSpent
		}
		c.next = 0
	}
	c.next++
	return c.once(c.next - 1)
}

var errSpent = errors.New("subject: no token is left that was not there before")

// Left returns how often the work can be done before Renew: as often as there are tokens, or without end.
func (c *Contender) Left() int {
	if c.renew == nil {
		return int(^uint(0) >> 1)
	}
	return c.pool - c.next
}

// Renew goes back to the beginning of the pool, and has a contender that remembers tokens forget all of them.
func (c *Contender) Renew() error {
	c.next = 0
	if c.renew == nil {
		return nil
	}
	return c.renew()
}

// A Contest is all the contenders for one algorithm, and a pool of tokens that are all different.
type Contest struct {
	Algorithm   string
	Issuer      *Issuer
	Certificate *x509.Certificate // the client's
	Contenders  []*Contender

	requests []*http.Request
	signed   []Signed
	cancel   context.CancelFunc
	guards   []*Guard
}

// seenPool is how many tokens a resource server sees again and again.
const seenPool = 64

// NewContest makes a contest with a pool of that many tokens. Close it when done.
func NewContest(algorithm string, pool int) (_ *Contest, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	c := &Contest{Algorithm: algorithm, cancel: cancel}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if c.Issuer, err = NewIssuer(algorithm, 0); err != nil {
		return nil, err
	}
	client, err := c.Issuer.NewClientCertificate("tpp-4711")
	if err != nil {
		return nil, err
	}
	c.Certificate = client.Leaf
	for range pool {
		token, err := c.Issuer.NewToken(c.Certificate)
		if err != nil {
			return nil, err
		}
		signed, err := TakeApart(token)
		if err != nil {
			return nil, err
		}
		c.requests = append(c.requests, NewRequest(token, c.Certificate))
		c.signed = append(c.signed, signed)
	}

	c.addBare()
	if err := c.addFirst(); err != nil {
		return nil, err
	}
	if err := c.addSeen(); err != nil {
		return nil, err
	}
	for _, peer := range Peers() {
		check, err := peer.Check(ctx, c.Issuer)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", peer.Name, err)
		}
		c.add(peer.Name, check, nil)
	}
	for _, contender := range c.Contenders { // each has its keys, and warm caches
		for range min(pool, 2*seenPool) {
			if err := contender.Once(); err != nil {
				return nil, fmt.Errorf("%s: %w", contender.Name, err)
			}
		}
		if err := contender.Renew(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Contender returns the one of the name.
func (c *Contest) Contender(name string) *Contender {
	for _, contender := range c.Contenders {
		if contender.Name == name {
			return contender
		}
	}
	panic("subject: no contender " + name)
}

// Close ends the issuer and whatever fetches its keys.
func (c *Contest) Close() error {
	c.cancel()
	var errs []error
	for _, guard := range c.guards {
		errs = append(errs, guard.Close())
	}
	if c.Issuer != nil {
		c.Issuer.Close()
	}
	return errors.Join(errs...)
}

func (c *Contest) add(name string, check func(*http.Request) error, renew func() error) *Contender {
	contender := &Contender{Name: name, Check: check, renew: renew, pool: len(c.requests)}
	contender.once = func(i int) error { return check(c.requests[i]) }
	c.Contenders = append(c.Contenders, contender)
	return contender
}

func (c *Contest) addBare() {
	algorithm, key := c.Algorithm, c.Issuer.PublicKey
	contender := c.add(BareName, func(r *http.Request) error {
		token, err := bearer(r)
		if err != nil {
			return err
		}
		signed, err := TakeApart(token)
		if err != nil {
			return err
		}
		return Bare(algorithm, key, signed)
	}, nil)
	contender.once = func(i int) error { return Bare(algorithm, key, c.signed[i]) }
}

// addFirst: every token is one that the guard has not seen. The guard remembers it, as in real life, and when the pool is
// at its end a new guard takes the place of the old one.
func (c *Contest) addFirst() error {
	transport := c.Issuer.Transport()
	slot := len(c.guards)
	c.guards = append(c.guards, nil)
	renew := func() error {
		if old := c.guards[slot]; old != nil {
			if err := old.Close(); err != nil {
				return err
			}
		}
		guard, err := NewGuard(c.Issuer, transport)
		if err != nil {
			c.guards = append(c.guards[:slot], c.guards[slot+1:]...)
			return err
		}
		c.guards[slot] = guard
		return nil
	}
	c.add(FirstName, func(r *http.Request) error {
		_, err := c.guards[slot].Check(r)
		return err
	}, renew)
	return renew()
}

// addSeen: the guard has seen every token before. The way goes through bindhttp.Protect to a handler, as that is what a
// request of a client at work takes.
func (c *Contest) addSeen() error {
	guard, err := NewGuard(c.Issuer, c.Issuer.Transport())
	if err != nil {
		return err
	}
	c.guards = append(c.guards, guard)
	var proven bool
	handler := bindhttp.Protect(guard.Guard)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, proven = binding.TokenFromContext(r.Context())
	}))
	w := NewWriter()
	contender := c.add(SeenName, func(r *http.Request) error {
		proven = false
		handler.ServeHTTP(w, r)
		if !proven {
			return errNotProven
		}
		return nil
	}, nil)
	contender.pool = min(len(c.requests), seenPool)
	return nil
}
