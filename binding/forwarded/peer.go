package forwarded

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
)

// ConnContext remembers the connection that a request comes over, for
// [TrustPeers] and [TrustUnixSocket]: without it they trust nobody. Set it as
// the server's ConnContext:
//
//	server := &http.Server{Handler: handler, ConnContext: forwarded.ConnContext}
//
// or call it in your own. It looks at the connection itself: it does not matter
// what middleware copies from X-Forwarded-For to http.Request.RemoteAddr. It
// does not delay the server's accept loop: the connection is asked for its
// address once, by the first request that needs it.
//
// With a listener that speaks the PROXY protocol, the address is the one that
// the PROXY header states. If the listener accepts that header from anyone,
// anyone can choose the address.
func ConnContext(ctx context.Context, connection net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, &peer{
		address:    sync.OnceValue(func() netip.Addr { return addressOf(connection.RemoteAddr()) }),
		unixSocket: sync.OnceValue(func() bool { return isUnixSocket(connection) }),
	})
}

// PeerContext is [ConnContext] for servers that do not use net/http: remote is
// the address of the connection's other end, as the listener accepted it. Do
// not pass an address from a header or from metadata of the request. It never
// makes [TrustUnixSocket] trust a connection.
func PeerContext(ctx context.Context, remote net.Addr) context.Context {
	address := addressOf(remote)
	return context.WithValue(ctx, peerKey{}, &peer{
		address:    func() netip.Addr { return address },
		unixSocket: func() bool { return false },
	})
}

type peerKey struct{}

// A peer is the other end of a connection. A nil peer is unknown.
type peer struct {
	address    func() netip.Addr // without zone, IPv4 as such; invalid if there is none
	unixSocket func() bool       // the connection is over a unix socket that has a file
}

// peerOf returns the other end of the connection that a request came over, or
// nil if nobody has said who it is. It never reads a header.
func peerOf(r *http.Request) *peer {
	p, _ := r.Context().Value(peerKey{}).(*peer)
	return p
}

// remoteAddr returns the peer that http.Request.RemoteAddr names. It takes only
// the form that net/http gives it, IP:port. A bare address was written there by
// middleware that took it from a header.
func remoteAddr(r *http.Request) *peer {
	address := parseAddress(r.RemoteAddr)
	return &peer{address: func() netip.Addr { return address }}
}

// addressOf does not read the name of a unix socket, which its owner chose: it
// may look like an address.
func addressOf(remote net.Addr) netip.Addr {
	if remote == nil || !strings.HasPrefix(remote.Network(), "tcp") && !strings.HasPrefix(remote.Network(), "udp") {
		return netip.Addr{}
	}
	return parseAddress(remote.String())
}

func parseAddress(address string) netip.Addr {
	parsed, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.Addr{}
	}
	// GO-2024-2917: ::ffff:192.0.2.1 is 192.0.2.1, or a range of IPv4 addresses
	// would not contain it; a zone would be in no range at all.
	return parsed.Addr().Unmap().WithZone("")
}

// isUnixSocket looks below what wraps the connection, TLS for one. It does not
// ask the wrapper for its addresses: a listener that speaks the PROXY protocol
// over TCP reports a unix socket there if its client says so.
func isUnixSocket(connection net.Conn) bool {
	const mostLayers = 16
	for range mostLayers {
		switch c := connection.(type) {
		case *net.UnixConn:
			local, ok := c.LocalAddr().(*net.UnixAddr)
			return ok && local.Net == "unix" && local.Name != "" && local.Name[0] != '@'
		case interface{ NetConn() net.Conn }:
			connection = c.NetConn()
		}
	}
	return false
}

// String names the peer for a log: never by text that came from elsewhere.
func (p *peer) String() string {
	switch {
	case p == nil:
		return "an unknown peer"
	case !p.address().IsValid():
		return "a peer without IP address"
	}
	return p.address().String()
}
