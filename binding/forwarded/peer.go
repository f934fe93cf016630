package forwarded

import (
	"context"
	"net"
	"net/http"
	"net/netip"
)

// ConnContext remembers who is at the other end of a connection, for
// [TrustPeers]. Set it as the server's ConnContext:
//
//	server := &http.Server{Handler: handler, ConnContext: forwarded.ConnContext}
//
// or call it in your own. It runs when a connection is accepted, before any
// middleware: what rewrites http.Request.RemoteAddr from X-Forwarded-For, as
// many do, does not reach it. Without it TrustPeers has RemoteAddr alone.
//
// A listener that speaks the PROXY protocol states the address of its peer's
// client here. If it accepts that from anyone, anyone chooses the address.
func ConnContext(ctx context.Context, connection net.Conn) context.Context {
	var p peer
	if remote := connection.RemoteAddr(); remote != nil {
		p = parsePeer(remote.String())
	}
	return context.WithValue(ctx, peerKey{}, p)
}

type peerKey struct{}

// A peer is the other end of a connection: an IP address without zone, IPv4 as
// such, or no valid address.
type peer struct{ address netip.Addr }

// peerOf returns the other end of the connection that a request came over. It
// never reads a header.
func peerOf(r *http.Request) peer {
	if p, ok := r.Context().Value(peerKey{}).(peer); ok {
		return p // also when it has no IP address: then nothing else has a say
	}
	// Only the form that net/http gives it, IP:port. A bare address is what
	// middleware leaves there that has taken it from a header.
	return parsePeer(r.RemoteAddr)
}

func parsePeer(address string) peer {
	parsed, err := netip.ParseAddrPort(address)
	if err != nil {
		return peer{}
	}
	// GO-2024-2917: ::ffff:192.0.2.1 is 192.0.2.1, or a range of IPv4 addresses
	// would not contain it; a zone would be in no range at all.
	return peer{parsed.Addr().Unmap().WithZone("")}
}

// String names the peer for a log: never by text that came from elsewhere.
func (p peer) String() string {
	if !p.address.IsValid() {
		return "a peer without IP address"
	}
	return p.address.String()
}
