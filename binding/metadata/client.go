package metadata

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The defaults of a Client.
const (
	DefaultTimeout = 5 * time.Second
	DefaultMaxBody = 512 << 10
)

// A Client asks an authorization server, under limits that hold for whatever it
// asks: https only, no redirects, status 200 only, a time and a number of bytes.
// It keeps nothing.
//
// The zero Client is ready to use. It is safe for concurrent use and must not
// be changed after its first use.
type Client struct {
	// Transport, if not nil, makes the requests: for roots of your own, a proxy,
	// or a client certificate. Nil is [NewTransport]'s, made for each request.
	Transport http.RoundTripper

	// DangerouslyAllowHTTP also allows http URLs, for development. Whoever is on
	// the path can then choose the keys that tokens are verified with.
	DangerouslyAllowHTTP bool

	// Timeout is how long [Client.Get] and [Client.PostForm] wait, from the
	// connection to the last byte, unless their context ends before. 0 is
	// [DefaultTimeout].
	Timeout time.Duration

	// MaxBody is how many bytes of an answer are read, decoded; a longer answer
	// is an error. 0 is [DefaultMaxBody].
	MaxBody int
}

// connectTimeout bounds a connection's dial, and again its TLS handshake. A
// request's own time does not: net/http goes on to connect for one that was
// given up, for the sake of the next, and a silent peer would hold it for ever.
const connectTimeout = 10 * time.Second

// NewTransport returns the transport for a Client: proxies by environment, TLS
// 1.2 or later, small response headers, 10 seconds to connect and 10 for the TLS
// handshake.
func NewTransport() *http.Transport {
	// Not a clone of http.DefaultTransport: an application may have replaced it,
	// or weakened its TLS for a purpose of its own.
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout:    connectTimeout,
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        10 * time.Second,
	}
}

// The errors of Get and PostForm, wrapped with what was asked for. Others are the
// transport's, as far as [Client.PostForm] lets them out.
var (
	ErrURL    = errors.New("the URL must be an absolute https URL in ASCII without user, fragment or space")
	ErrStatus = errors.New("the answer's status is not 200")
	ErrTooBig = errors.New("the answer is too long")
	ErrJWT    = errors.New("the answer is a JWT, which was not asked for") // of PostForm alone
)

// Get fetches a document. Its type is not looked at: authorization servers send
// many.
func (c *Client) Get(ctx context.Context, address string) ([]byte, error) {
	return c.send(ctx, http.MethodGet, address, nil, nil)
}

// send makes one request. What it sends with a form is in no error.
func (c *Client) send(ctx context.Context, method, address string, header http.Header, form io.Reader) ([]byte, error) {
	if err := c.CheckURL(address); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, DefaultTimeout))
	defer cancel()
	x := exchange{method: method, address: address}
	request, err := http.NewRequestWithContext(x.trace(ctx), method, address, form)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	maps.Copy(request.Header, header)
	request.Header.Set("Accept", "application/json")
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}

	transport := c.Transport
	if transport == nil {
		own := NewTransport()
		defer own.CloseIdleConnections()
		transport = own
	}
	client := http.Client{
		Transport: transport,
		// A redirect is another party's word on where the keys are (RFC 8414
		// §3.2 answers with 200).
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, x.failed(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		refused := &StatusError{Method: method, URL: address, Status: response.StatusCode}
		if form != nil {
			refused.Code = errorCode(response.Body)
		}
		return nil, refused
	}
	if form != nil && isJWT(response.Header) {
		return nil, fmt.Errorf("metadata: %s %s: %w", method, address, ErrJWT)
	}
	limit := cmp.Or(c.MaxBody, DefaultMaxBody)
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(limit)+1))
	if err == nil {
		// A server that ends a body because we hang up may yet be heard: what it
		// was cut to is no answer.
		err = ctx.Err()
	}
	if err != nil {
		return nil, x.failed(err)
	}
	if len(body) > limit {
		return nil, fmt.Errorf("metadata: %s %s: %w", method, address, ErrTooBig)
	}
	return body, nil
}

// CheckURL reports, without asking anybody, whether Get would ask for the URL.
func (c *Client) CheckURL(address string) error {
	u, err := url.Parse(address)
	secure := err == nil && (u.Scheme == "https" || u.Scheme == "http" && c.DangerouslyAllowHTTP)
	if !secure || u.Hostname() == "" || u.User != nil || u.Opaque != "" || strings.Contains(address, "#") {
		return fmt.Errorf("metadata: %w", ErrURL)
	}
	// Not even escaped in the host: net/http maps a name in Unicode to ASCII when
	// it dials, wide digits to an address, and checkNamed would not have seen it.
	if strings.ContainsFunc(address+u.Host, isNotPrintableASCII) {
		return fmt.Errorf("metadata: %w", ErrURL)
	}
	// An address of IPv6 may have a zone (RFC 6874). Anywhere else a percent sign
	// is one more way to write a host that no two readers read alike.
	if strings.Contains(u.Host, "%") && !strings.HasPrefix(u.Host, "[") {
		return fmt.Errorf("metadata: %w", ErrURL)
	}
	return nil
}

func isNotPrintableASCII(c rune) bool { return c <= ' ' || c >= 0x7f }

// checkNamed checks a URL that a document from the base URL names. Another host
// is usual. An address of the local network or the local machine is not, unless
// the document came from that very host: a document must not aim our requests
// at our own network.
func (c *Client) checkNamed(base, address string) error {
	if err := c.CheckURL(address); err != nil {
		return err
	}
	from, err := url.Parse(base)
	if err != nil {
		return fmt.Errorf("metadata: %w", ErrURL)
	}
	to, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("metadata: %w", ErrURL)
	}
	if to.Hostname() != from.Hostname() && isLocal(to.Hostname()) {
		return fmt.Errorf("metadata: %w", ErrLocal)
	}
	return nil
}

// ErrLocal: a document names an address of the local network or machine, and
// did not come from there.
var ErrLocal = errors.New("the URL names a local address, which its issuer does not have")

// isLocal reports whether a host is plainly no public one. It resolves no names:
// what a public name stands for is its owner's and the resolver's matter.
func isLocal(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		// A name whose last label begins with a digit is an address in a form
		// that some resolvers read (127.1, 0x7f000001) and no public name.
		last := host[strings.LastIndexByte(host, '.')+1:]
		return last == "" || '0' <= last[0] && last[0] <= '9'
	}
	address = address.Unmap()
	return !address.IsGlobalUnicast() || address.IsPrivate() ||
		slices.ContainsFunc(localPrefixes, func(p netip.Prefix) bool { return p.Contains(address) })
}

// localPrefixes are what netip does not know as local.
var localPrefixes = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),      // this network: RFC 1122 §3.2.1.3
	netip.MustParsePrefix("100.64.0.0/10"),  // shared: RFC 6598, and a cloud's metadata service
	netip.MustParsePrefix("::/96"),          // IPv4 in IPv6, deprecated: RFC 4291 §2.5.5.1
	netip.MustParsePrefix("64:ff9b::/96"),   // any IPv4 address, by NAT64: RFC 6052
	netip.MustParsePrefix("64:ff9b:1::/48"), // the same: RFC 8215
}
