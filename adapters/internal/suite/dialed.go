package suite

import (
	"context"
	"net"
	"sync"
)

// dialed are the connections of a fixture's clients. net/http dials more than it
// then uses, and a handshake that nobody answers would outlive the test.
type dialed struct {
	mu    sync.Mutex
	over  bool
	conns []net.Conn
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// by returns what dials as the function does, or as net does if that is nil.
func (d *dialed) by(dial dialFunc) dialFunc {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.over {
			_ = conn.Close()
			return nil, net.ErrClosed
		}
		d.conns = append(d.conns, conn)
		return conn, nil
	}
}

// end closes them all.
func (d *dialed) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	for _, conn := range d.conns {
		_ = conn.Close()
	}
}
