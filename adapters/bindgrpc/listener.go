package bindgrpc

import "net"

// NewListener returns a listener whose connections say what they are to the
// rules of package forwarded: a proxy that connects over a unix socket is
// trusted by forwarded.TrustUnixSocket only if the server serves such a
// listener. It is what forwarded.ConnContext is to net/http.
//
//	listener, err := net.Listen("unix", "/run/bank/api.sock")
//	// ...
//	err = server.Serve(bindgrpc.NewListener(listener))
//
// For forwarded.TrustPeers it is not needed: grpc-go tells the address of the
// peer. With a listener that speaks the PROXY protocol, the address is the one
// that the PROXY header states, with and without it.
func NewListener(inner net.Listener) net.Listener { return listener{inner} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return connection{accepted}, nil
}

type connection struct{ net.Conn }

// RemoteAddr is how grpc-go comes to know of the connection: it hands on the
// addresses alone.
func (c connection) RemoteAddr() net.Addr {
	if address := c.Conn.RemoteAddr(); address != nil {
		return connAddr{address, c.Conn}
	}
	return nil
}

// NetConn returns the connection that was accepted.
func (c connection) NetConn() net.Conn { return c.Conn }

type connAddr struct {
	net.Addr
	connection net.Conn
}
