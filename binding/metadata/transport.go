package metadata

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// connectTimeout bounds a connection's dial, and again its TLS handshake. A
// request's own timeout does not: after a request is given up, net/http goes on
// connecting for the next one, and a silent peer would hold it for ever.
const connectTimeout = 10 * time.Second

// How long an HTTP/2 connection on which something is asked may be silent before
// it is pinged, and then before it is given up (RFC 9113 §6.7): together as long
// as a request waits by default.
const (
	silentBeforePing = 3 * time.Second
	silentAfterPing  = 2 * time.Second
)

// idlePerHost is how many idle connections are kept, as many as there may be
// introspection calls by default: with HTTP/1.1, every call beyond that would
// need a handshake.
const idlePerHost = 64

// NewTransport returns a transport for a Client: proxies from the environment
// ([http.ProxyFromEnvironment]), TLS 1.2 or later, response headers of at most
// 64 KiB, 10 seconds to connect and 10 more for the TLS handshake, and at most
// 64 idle connections to a host, each for at most 10 seconds. A silent HTTP/2
// connection is pinged after 3 seconds and given up 2 seconds later. The caller
// may change it before its first use.
func NewTransport() *http.Transport {
	// Not a clone of http.DefaultTransport: an application may have replaced it,
	// or weakened its TLS for a purpose of its own.
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout:    connectTimeout,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: silentBeforePing, PingTimeout: silentAfterPing},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        10 * time.Second,
	}
}
