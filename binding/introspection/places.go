package introspection

import (
	"context"

	"github.com/certbound/certbound/binding"
)

// A client is known by what proves that it is the one: the thumbprint of its
// certificate, of its key, or of both. The zero client proves nothing.
type client struct {
	certificate binding.Thumbprint
	key         binding.KeyThumbprint
}

// clientOf is whom a token was issued to.
func clientOf(token *binding.Token) (c client) {
	c.certificate, _ = token.Thumbprint()
	c.key, _ = token.KeyThumbprint()
	return c
}

// An asker is who presents a token, by the certificate that it has proven, if it
// has one that can be believed, and by the key of its proof, which it may not hold.
type asker struct {
	presented client
	ctx       context.Context // of the request, to ask the guard
}

func askerOf(ctx context.Context) asker {
	certificate, _ := binding.PresentedCertificate(ctx)
	key, _ := binding.PresentedKey(ctx)
	return asker{client{certificate.Thumbprint, key}, ctx}
}

// holdsKey costs a signature: it is asked only about a key that is known to be
// that of a good token, which who makes one up does not know.
func (a asker) holdsKey() bool { return binding.ProvesPresentedKey(a.ctx) }

// is reports whether the asker proves to be the client. Who presents anything is
// not the client that proves nothing.
func (a asker) is(c client) bool {
	if c == (client{}) {
		return a.presented == client{}
	}
	return (c.certificate == binding.Thumbprint{} || c.certificate == a.presented.certificate) &&
		(c.key == binding.KeyThumbprint{} || c.key == a.presented.key && a.holdsKey())
}

// proves reports whether the asker proves the bindings of a token: a guard that
// lets it ask will not refuse it for them.
func (a asker) proves(token *binding.Token) bool { return token != nil && a.is(clientOf(token)) }

// places are those of the calls under way. A quarter is kept for who is known: a
// token that was active before, or a client that has presented one. And nobody
// takes more with tokens that were not than are left for all others: one client
// half of them, two a third each.
//
// It is guarded by its owner's lock.
type places struct {
	most      int
	taken     int
	strangers int
	byClient  map[client]int // of who has asked with tokens that were not active before
}

func newPlaces(most int) places { return places{most: most, byClient: make(map[client]int)} }

// A place is one that was taken.
type place struct {
	client              client
	byClient, strangers bool
}

// take returns a place, or false if there is none for this asker, of whom so much
// is known. anyKnown says that there is somebody to keep places for.
func (p *places) take(by knowledge, tokenKnown, anyKnown bool) (place, bool) {
	taken := place{client: by.client, byClient: !tokenKnown && by.client != client{}, strangers: !tokenKnown && !by.clientKnown}
	kept := 0
	if anyKnown {
		kept = p.most / 4
	}
	left := p.most - p.taken
	if left <= 0 || taken.byClient && p.byClient[taken.client] >= left || taken.strangers && p.strangers >= p.most-kept {
		return place{}, false
	}
	p.taken++
	if taken.byClient {
		p.byClient[taken.client]++
	}
	if taken.strangers {
		p.strangers++
	}
	return taken, true
}

func (p *places) giveBack(taken place) {
	p.taken--
	if taken.strangers {
		p.strangers--
	}
	if !taken.byClient {
		return
	}
	if p.byClient[taken.client]--; p.byClient[taken.client] == 0 {
		delete(p.byClient, taken.client)
	}
}
