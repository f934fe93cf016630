package metadata

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// The defaults of a Client.
const (
	DefaultTimeout = 5 * time.Second
	DefaultMaxBody = 512 << 10
)

// A Client fetches documents from an authorization server, under limits that
// hold for all of them: https only, no redirects, status 200 only, a time and a
// number of bytes. It keeps nothing.
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

	// Timeout is how long [Client.Get] waits, from the connection to the last
	// byte, unless its context ends before. 0 is [DefaultTimeout].
	Timeout time.Duration

	// MaxBody is how many bytes of an answer are read, decoded; a longer answer
	// is an error. 0 is [DefaultMaxBody].
	MaxBody int
}

// NewTransport returns the transport for a Client: proxies by environment, TLS
// 1.2 or later, small response headers.
func NewTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxResponseHeaderBytes = 64 << 10
	t.MaxIdleConnsPerHost = 1
	t.IdleConnTimeout = 10 * time.Second
	return t
}

// The errors of Get, wrapped with what was asked for.
var (
	ErrURL    = errors.New("the URL must be an absolute https URL without user, fragment or space")
	ErrStatus = errors.New("the answer's status is not 200")
	ErrTooBig = errors.New("the answer is too long")
)

// Get fetches a document. Its type is not looked at: authorization servers send
// many.
func (c *Client) Get(ctx context.Context, address string) ([]byte, error) {
	if err := c.CheckURL(address); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, DefaultTimeout))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	request.Header.Set("Accept", "application/json")

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
		return nil, fmt.Errorf("metadata: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, &StatusError{URL: address, Status: response.StatusCode}
	}
	limit := cmp.Or(c.MaxBody, DefaultMaxBody)
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("metadata: GET %s: %w", address, err)
	}
	if len(body) > limit {
		return nil, fmt.Errorf("metadata: GET %s: %w", address, ErrTooBig)
	}
	return body, nil
}

// A StatusError is an answer with another status than 200, a redirect included.
// It wraps [ErrStatus].
type StatusError struct {
	URL    string
	Status int
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("metadata: GET %s: status %d, want 200", e.URL, e.Status)
}

func (e *StatusError) Unwrap() error { return ErrStatus }

// CheckURL reports, without asking anybody, whether Get would ask for the URL.
func (c *Client) CheckURL(address string) error {
	u, err := url.Parse(address)
	secure := err == nil && (u.Scheme == "https" || u.Scheme == "http" && c.DangerouslyAllowHTTP)
	if !secure || u.Hostname() == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return fmt.Errorf("metadata: %w", ErrURL)
	}
	return nil
}

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
	return !address.IsGlobalUnicast() || address.IsPrivate()
}
