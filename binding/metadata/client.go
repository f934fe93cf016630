package metadata

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"
)

// The defaults of a Client.
const (
	DefaultTimeout = 5 * time.Second
	DefaultMaxBody = 512 << 10 // bytes
)

// A Client sends requests to an authorization server, all under the same
// limits: only https, no redirects, only status 200, a timeout, and a maximum
// length of the answer.
//
// A connection on which a request got no answer is soon given up: see
// [Client.EndConnections]. So a connection that died silently, because a NAT or
// a load balancer forgot it, fails only the requests that were already on it.
//
// The zero Client is ready to use. A Client is safe for concurrent use, and
// must not be changed or copied after its first use.
type Client struct {
	// Transport, if not nil, makes the requests: for root certificates of your
	// own, a proxy, a client certificate, or header fields, such as a User-Agent
	// other than "certbound/" and its version. Nil means a new transport of
	// [NewTransport] for each request, which keeps no connection.
	//
	// If the Transport panics, or ends its goroutine (runtime.Goexit), the
	// request fails with [ErrTransport].
	Transport http.RoundTripper

	// DangerouslyAllowHTTP also allows http URLs, for development. Whoever is on
	// the path can then choose the keys that tokens are verified with.
	DangerouslyAllowHTTP bool

	// Timeout is how long a request may take, from the connection to the last
	// byte, unless its context ends before. 0 means [DefaultTimeout].
	Timeout time.Duration

	// MaxBody is the length of the longest answer that is read, in bytes after
	// decompression; a longer answer is an error. 0 means [DefaultMaxBody].
	MaxBody int

	suspects suspects
}

// The errors of Get, GetKeySet and PostForm, wrapped with the method and the
// URL. Other errors are the transport's; [Client.PostForm] hides part of those.
var (
	ErrURL    = errors.New("the URL must be an absolute https URL in ASCII without user, fragment or space")
	ErrStatus = errors.New("the answer's status is not 200")
	ErrTooBig = errors.New("the answer is too long")
	ErrJWT    = errors.New("the answer is a JWT, which was not asked for") // of PostForm alone
	ErrNoJSON = errors.New("the answer is not a JSON object")              // of GetKeySet and AuthorizationServer alone

	// ErrNoConnection: the request got no connection, so that no server has seen
	// it. A Transport that does not report its connections (net/http/httptrace)
	// is assumed to have had one.
	ErrNoConnection = errors.New("no connection")

	// ErrConnectionEnded: a reused connection ended, or was reset, before any of
	// the answer came. The server may have closed it before it saw the request
	// (RFC 9112 §9.5).
	ErrConnectionEnded = errors.New("the connection ended")

	// ErrTransport: the Transport panicked, or ended its goroutine.
	ErrTransport = errors.New("the Transport did not return")
)

// The media types of what is asked for. Servers that negotiate answer 406 to a
// request that does not name theirs (RFC 9110 §12.5.1).
const (
	acceptJSON   = "application/json"
	acceptKeySet = "application/jwk-set+json, application/json" // RFC 7517 §8.5.2
)

// Get fetches a JSON document. The answer's Content-Type is not checked:
// authorization servers send many. Nor is its body: it may not be JSON.
func (c *Client) Get(ctx context.Context, address string) ([]byte, error) {
	return c.send(ctx, question{method: http.MethodGet, address: address, accept: acceptJSON})
}

// GetKeySet fetches a JWK set (RFC 7517 §5). Unlike Get, it also accepts
// application/jwk-set+json, and returns [ErrNoJSON] if the answer does not
// begin as a JSON object: it may be the page of a proxy or a login, for
// instance.
func (c *Client) GetKeySet(ctx context.Context, address string) ([]byte, error) {
	document, err := c.send(ctx, question{method: http.MethodGet, address: address, accept: acceptKeySet})
	if err == nil && !beginsObject(document) {
		return nil, fmt.Errorf("GET %s: %w", address, ErrNoJSON)
	}
	return document, err
}

// A question is what a request asks.
type question struct {
	method, address, accept string
	header                  http.Header
	form                    io.Reader // nil: none
}

// send makes one request, in a goroutine of its own: the Transport, and the
// body that it returns, may be foreign code.
func (c *Client) send(ctx context.Context, q question) (body []byte, err error) {
	if err := c.CheckURL(q.address); err != nil {
		return nil, err
	}
	err = fmt.Errorf("%s %s: %w", q.method, q.address, ErrTransport)
	var asking sync.WaitGroup
	asking.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				body, err = nil, fmt.Errorf("%s %s: %w: it panicked with a %T", q.method, q.address, ErrTransport, p)
			}
		}()
		body, err = c.ask(ctx, q)
	})
	asking.Wait()
	return body, err
}

// ask makes one request. No error contains what it sends with a form.
func (c *Client) ask(ctx context.Context, q question) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, DefaultTimeout))
	defer cancel()
	x := exchange{method: q.method, address: q.address}
	request, err := http.NewRequestWithContext(x.trace(ctx), q.method, q.address, q.form)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	maps.Copy(request.Header, q.header)
	request.Header.Set("Accept", q.accept)
	request.Header.Set("User-Agent", userAgent())
	if q.form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}

	transport := c.Transport
	if transport == nil {
		own := NewTransport()
		own.DisableKeepAlives = true     // an HTTP/2 connection whose request was canceled could outlive it
		defer own.CloseIdleConnections() // net/http goes on to connect for a request that was given up
		transport = own
	}
	client := http.Client{
		Transport: transport,
		// A redirect would let another party say where the keys are (RFC 8414 §3.2
		// answers with 200).
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if c.suspects.end(client.CloseIdleConnections) {
		request.Close = true // see EndConnections
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, c.failed(&x, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		refused := &StatusError{Method: q.method, URL: q.address, Status: response.StatusCode}
		if q.form != nil {
			refused.Code = errorCode(response.Body)
		}
		return nil, refused
	}
	if q.form != nil && isJWT(response.Header) {
		return nil, fmt.Errorf("%s %s: %w", q.method, q.address, ErrJWT)
	}
	limit := cmp.Or(c.MaxBody, DefaultMaxBody)
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(limit)+1))
	if err == nil {
		// A server that ends the body because we hang up may still be heard: a body
		// that was cut short is not an answer.
		err = ctx.Err()
	}
	if err != nil {
		return nil, c.failed(&x, err)
	}
	if len(body) > limit {
		return nil, fmt.Errorf("%s %s: %w", q.method, q.address, ErrTooBig)
	}
	return body, nil
}

// failed returns our error for one of the transport's, and suspects the
// connection that gave no answer, unless the caller gave up.
func (c *Client) failed(x *exchange, err error) error {
	if x.connected.Load() && !errors.Is(err, context.Canceled) {
		c.suspects.add()
	}
	return x.failed(err)
}
