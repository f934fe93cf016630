package conformance

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/binding/bindingtest"
)

// client presents one certificate, or none.
type client struct {
	certificate *tls.Certificate
	roots       *x509.CertPool
	timeout     time.Duration
	one, two    *http.Client // HTTP/1.1 and HTTP/2
}

func (s *session) newClient(certificate *tls.Certificate) *client {
	c := &client{certificate: certificate, roots: s.roots, timeout: s.kit.config.Timeout}
	c.one, c.two = c.http(false), c.http(true)
	s.clients = append(s.clients, c)
	return c
}

// tlsConfig presents the certificate to every server that asks, whichever CAs
// the server names.
func (c *client) tlsConfig() *tls.Config {
	config := &tls.Config{RootCAs: c.roots, MinVersion: tls.VersionTLS12}
	if c.certificate != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.certificate, nil }
	}
	return config
}

func (c *client) http(http2 bool) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:     c.tlsConfig(),
			TLSHandshakeTimeout: c.timeout,
			ForceAttemptHTTP2:   http2,
		},
		Timeout: c.timeout,
		// A redirect is an answer like any other, and no reason to carry the
		// token elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (c *client) close() {
	c.one.CloseIdleConnections()
	c.two.CloseIdleConnections()
}

func (c *client) thumbprint() string { return bindingtest.Thumbprint(c.certificate.Leaf) }

// request is what a case sends. Its zero value is a GET of Config.Path, without
// credentials and without a certificate.
type request struct {
	client        *client
	http2         bool
	path          string // in place of Config.Path
	method        string
	query, body   string
	authorization []string // a field each
	proofs        []string // DPoP, a field each
	host          string   // in place of the URL's
	header        http.Header
	wire          string // fields as they stand, CRLF between them, in place of all that
	target        string // with wire: in place of Config.Path
}

func bearer(holder *client, token string) request {
	return request{client: holder, authorization: []string{"Bearer " + token}}
}

// maxBody is how much of an answer is looked at, in bytes.
const maxBody = 64 << 10

// send sends the request to the server under test.
func (s *session) send(r request) answer {
	var a answer
	if r.wire != "" {
		a = s.sendWire(r)
	} else {
		a = s.sendTo(s.url, r)
	}
	if tell := s.kit.config.Sent; tell != nil {
		for _, field := range slices.Concat(r.authorization, r.proofs, []string{r.wire}) {
			tell(field)
		}
	}
	if r.wire == "" && (r.http2 || s.kit.config.HTTP2) && a.status != 0 && a.version != 2 {
		return skip("the server does not speak HTTP/2")
	}
	s.watch(r, a)
	if s.learn != nil {
		s.learn(a)
	}
	return a
}

func (s *session) sendTo(base string, r request) answer {
	sender, built, err := s.build(base, r)
	if err != nil {
		return answer{problem: "the URL cannot be used"}
	}
	return s.do(sender, built)
}

func (s *session) build(base string, r request) (*http.Client, *http.Request, error) {
	if r.client == nil {
		r.client = s.nobody
	}
	path := s.kit.config.Path
	if r.path != "" {
		path = r.path
	}
	if r.query != "" {
		path += map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + r.query
	}
	built, err := http.NewRequestWithContext(s.ctx, cmp.Or(r.method, http.MethodGet), base+path, strings.NewReader(r.body))
	if err != nil {
		return nil, nil, err
	}
	for name, values := range r.header {
		built.Header[name] = slices.Clone(values)
	}
	if r.authorization != nil {
		built.Header["Authorization"] = slices.Clone(r.authorization)
	}
	if r.proofs != nil {
		built.Header["DPoP"] = slices.Clone(r.proofs)
	}
	built.Host = cmp.Or(r.host, built.Host)
	sender := r.client.one
	if r.http2 || s.kit.config.HTTP2 {
		sender = r.client.two
	}
	return sender, built, nil
}

func (s *session) do(sender *http.Client, r *http.Request) answer {
	response, err := sender.Do(r)
	if err != nil {
		return s.noAnswer(err)
	}
	return s.read(response)
}

// noAnswer also notes that the server may have ended.
func (s *session) noAnswer(err error) answer {
	s.silent = true
	return answer{problem: problemOf(err)}
}

func (s *session) read(response *http.Response) answer {
	defer func() { _ = response.Body.Close() }()
	// What cannot be read of a body changes nothing: the status is there.
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxBody))
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxBody)) // so that the connection can be used again
	if response.StatusCode == s.kit.config.Status {
		s.kit.accepted.Add(1)
	}
	return answer{
		status:   response.StatusCode,
		version:  response.ProtoMajor,
		header:   response.Header,
		body:     body,
		accepted: response.StatusCode == s.kit.config.Status,
		resumed:  response.TLS != nil && response.TLS.DidResume,
	}
}

// problemOf says why there is no answer, without the URL: a token may be in its
// query.
func problemOf(err error) string {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err
	}
	var alert tls.AlertError
	var timeout net.Error
	switch {
	case errors.As(err, &alert):
		return "TLS alert: " + alert.Error()
	case errors.Is(err, context.Canceled):
		return "the run was ended"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "it took too long"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	}
	var network *net.OpError
	if errors.As(err, &network) {
		return "the network: " + network.Err.Error()
	}
	return "no HTTP answer"
}

// sendWire writes the fields to a connection of their own, byte for byte.
func (s *session) sendWire(r request) answer {
	target, err := url.Parse(s.url)
	if err != nil || target.Scheme != "https" {
		return skip("the server is not reached by https")
	}
	if r.client == nil {
		r.client = s.nobody
	}
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: r.client.timeout}, Config: r.client.tlsConfig()}
	address := target.Host
	if target.Port() == "" {
		address = net.JoinHostPort(target.Hostname(), "443")
	}
	connection, err := dialer.DialContext(s.ctx, "tcp", address)
	if err != nil {
		return s.noAnswer(err)
	}
	defer func() { _ = connection.Close() }()
	_ = connection.SetDeadline(time.Now().Add(r.client.timeout))
	if _, err := fmt.Fprintf(connection, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\nConnection: close\r\n\r\n", cmp.Or(r.target, s.kit.config.Path), target.Host, r.wire); err != nil {
		return s.noAnswer(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return s.noAnswer(err)
	}
	return s.read(response)
}
