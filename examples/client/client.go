package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/metadata"
)

// timeout is how long a request may take, a token's or the API's.
const timeout = 30 * time.Second

// maxBody is how much of an answer is printed.
const maxBody = 64 << 10

// A client knows where the authorization server's endpoints are, and who it is
// at present.
type client struct {
	options       *options
	tokenEndpoint string
	stdout        io.Writer
	stderr        io.Writer
	current       *generation
}

// newClient reads the authorization server's metadata. ctx is the program's.
func newClient(ctx context.Context, options *options, stdout, stderr io.Writer) (*client, error) {
	transport := newTransport(options)
	defer transport.CloseIdleConnections()
	asker := metadata.Client{Transport: transport}
	server, err := asker.AuthorizationServer(ctx, options.issuer)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(stdout, "issuer %s\n", server.Issuer)
	for _, name := range []string{
		"token_endpoint",
		"pushed_authorization_request_endpoint", // not this client's, but the next one's
	} {
		endpoint := server.MTLSEndpoint(name)
		_, aliased := server.MTLSEndpointAliases[name]
		switch {
		case endpoint == "":
		case aliased:
			fmt.Fprintf(stdout, "%s %s (its mTLS alias)\n", name, endpoint)
		default:
			// RFC 8705 §5: a client with a certificate uses the endpoint itself.
			fmt.Fprintf(stdout, "%s %s (itself: it has no mTLS alias)\n", name, endpoint)
		}
	}
	c := &client{
		options:       options,
		tokenEndpoint: server.MTLSEndpoint("token_endpoint"),
		stdout:        stdout,
		stderr:        stderr,
	}
	if options.certFile == "" {
		c.tokenEndpoint = server.TokenEndpoint
	}
	if options.proofs != nil {
		fmt.Fprintf(stdout, "key %s\n", options.proofs.thumbprint)
	}
	if c.tokenEndpoint == "" {
		return nil, errors.New("the issuer's metadata has no token endpoint that may be asked")
	}
	if options.proofs == nil && !server.CertificateBoundAccessTokens {
		fmt.Fprintln(stderr, "the issuer does not say that it binds tokens to certificates")
	}
	if methods := server.TokenEndpointAuthMethods; len(methods) > 0 && !slices.Contains(methods, options.auth) {
		fmt.Fprintf(stderr, "the issuer does not say that it knows %s\n", options.auth)
	}
	return c, nil
}

// newTransport returns a transport without a client certificate.
func newTransport(options *options) *http.Transport {
	transport := metadata.NewTransport()
	transport.TLSClientConfig = &tls.Config{RootCAs: options.roots}
	return transport
}

// renew takes up the certificate that is in the files now. A pair that cannot be
// read, perhaps because only one half of it has been written yet, changes
// nothing: the certificate in use stays.
func (c *client) renew(ctx context.Context) error {
	if c.options.certFile == "" {
		if c.current == nil {
			c.current = c.newGeneration(ctx, tls.Certificate{})
		}
		return nil
	}
	certificate, err := tls.LoadX509KeyPair(c.options.certFile, c.options.keyFile)
	if err != nil {
		return fmt.Errorf("the certificate in use stays: %w", err)
	}
	if c.current != nil && bytes.Equal(certificate.Leaf.Raw, c.current.certificate.Leaf.Raw) {
		return nil
	}
	c.close()
	c.current = c.newGeneration(ctx, certificate)
	fmt.Fprintf(c.stdout, "certificate %s\n", binding.ThumbprintOf(certificate.Leaf))
	return nil
}

func (c *client) close() {
	if c.current != nil {
		c.current.transport.CloseIdleConnections()
	}
}

// call sends one request to the API and prints its answer. An answer that is not
// 2xx is an error.
func (c *client) call(ctx context.Context) error {
	if err := c.renew(ctx); err != nil {
		if c.current == nil {
			return err
		}
		fmt.Fprintln(c.stderr, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.options.url, nil)
	if err != nil {
		return err
	}
	response, err := c.current.api.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "GET %s -> %s\n%s\n", c.options.url, response.Status, bytes.TrimSpace(body))
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("the API answered %s %s", response.Status, response.Header.Get("WWW-Authenticate"))
	}
	return nil
}
