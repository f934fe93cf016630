package forwarded_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A proxyListener speaks the PROXY protocol, version 2, as listeners in front of net/http do: a connection says its addresses
// once it has read what its client says of them, and waits for that.
type proxyListener struct{ net.Listener }

func (l proxyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	p := &proxyConn{Conn: c}
	p.addresses = sync.OnceValues(p.readHeader)
	return p, nil
}

type proxyConn struct {
	net.Conn
	addresses func() (from, to net.Addr)
}

func (p *proxyConn) NetConn() net.Conn { return p.Conn }

func (p *proxyConn) Read(b []byte) (int, error) {
	p.addresses()
	return p.Conn.Read(b)
}

func (p *proxyConn) RemoteAddr() net.Addr {
	from, _ := p.addresses()
	return from
}

func (p *proxyConn) LocalAddr() net.Addr {
	_, to := p.addresses()
	return to
}

const (
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	overTCP        = 0x11
	overUnix       = 0x31
	unixNameBytes  = 108
)

func (p *proxyConn) readHeader() (from, to net.Addr) {
	head := make([]byte, 16)
	if _, err := io.ReadFull(p.Conn, head); err != nil {
		return p.Conn.RemoteAddr(), p.Conn.LocalAddr()
	}
	body := make([]byte, binary.BigEndian.Uint16(head[14:]))
	if _, err := io.ReadFull(p.Conn, body); err != nil {
		return p.Conn.RemoteAddr(), p.Conn.LocalAddr()
	}
	if head[13] == overUnix {
		name := func(b []byte) net.Addr {
			return &net.UnixAddr{Net: "unix", Name: string(bytes.TrimRight(b, "\x00"))}
		}
		return name(body[:unixNameBytes]), name(body[unixNameBytes:])
	}
	address := func(ip, port []byte) net.Addr {
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip)), binary.BigEndian.Uint16(port)))
	}
	return address(body[:4], body[8:10]), address(body[4:8], body[10:12])
}

// proxyHeader is what a client says of itself in the family of addresses.
func proxyHeader(family byte, body []byte) []byte {
	head := append([]byte(proxySignature), 0x21, family)
	return append(binary.BigEndian.AppendUint16(head, uint16(len(body))), body...)
}

func unixHeader(from, to string) []byte {
	body := make([]byte, 2*unixNameBytes)
	copy(body, from)
	copy(body[unixNameBytes:], to)
	return proxyHeader(overUnix, body)
}

func tcpHeader(from string) []byte {
	address := netip.MustParseAddrPort(from)
	ip := address.Addr().As4()
	body := append(ip[:], 192, 0, 2, 250)
	return proxyHeader(overTCP, append(binary.BigEndian.AppendUint16(body, address.Port()), 0, 80))
}

// speakingPROXY has the server's listener speak the PROXY protocol.
func speakingPROXY(s *httptest.Server, _ http.Handler) { s.Listener = proxyListener{s.Listener} }

// saying has a client begin every connection with the header.
func saying(t *testing.T, client *http.Client, header []byte) *http.Client {
	t.Helper()
	transport, ok := client.Transport.(*http.Transport)
	require.True(t, ok)
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			_, err = c.Write(header)
		}
		return c, err
	}
	return client
}
