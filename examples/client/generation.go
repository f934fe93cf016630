package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// A generation is one certificate with all that depends on it: the connections
// that were made with it, and the tokens that are bound to it. They are replaced
// together, never one without the other:
//
//   - A connection keeps the certificate of its handshake for as long as it is
//     kept alive, so that a new token over an old connection is refused.
//   - A resumed TLS session is not asked for a certificate: it has that of the
//     session's first handshake. Here no session is ever resumed, because there
//     is no ClientSessionCache; one would have to be the generation's own.
//   - A token is bound to the certificate that it was asked for with, so that an
//     old token is refused with a new certificate, even for the same key pair.
type generation struct {
	certificate tls.Certificate // or none, with -dpop alone
	transport   *http.Transport
	api         *http.Client // asks for a token as needed, and sends it
}

func (c *client) newGeneration(ctx context.Context, certificate tls.Certificate) *generation {
	transport := newTransport(c.options)
	// tls.Config.Certificates would silently present none to a server whose list
	// of CAs lacks the issuer.
	transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &certificate, nil
	}
	var sender http.RoundTripper = transport
	if c.options.proofs != nil {
		sender = prover{c.options.proofs, transport}
	}
	asker := newHTTPClient(sender)
	tokens := oauth2.ReuseTokenSource(nil, tokenSource{
		client: c,
		ctx:    context.WithValue(ctx, oauth2.HTTPClient, asker),
	})
	return &generation{
		certificate: certificate,
		transport:   transport,
		api:         newHTTPClient(&oauth2.Transport{Source: tokens, Base: sender}),
	}
}

// newHTTPClient returns a client that follows no redirect: oauth2.Transport
// would send the token along, wherever that leads.
func newHTTPClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// A tokenSource asks the token endpoint anew each time.
type tokenSource struct {
	client *client
	ctx    context.Context //nolint:containedctx // x/oauth2 takes its HTTP client by it
}

func (s tokenSource) Token() (*oauth2.Token, error) {
	token, err := s.ask()
	// RFC 9449 §8: the server wants a nonce in the proof, and has given one. The
	// proof and the assertion of the request were used.
	var refusal *oauth2.RetrieveError
	if s.client.options.proofs != nil && errors.As(err, &refusal) && refusal.ErrorCode == useNonce {
		token, err = s.ask()
	}
	if err != nil {
		return nil, err
	}
	if s.client.options.proofs != nil && !strings.EqualFold(token.TokenType, "DPoP") { // RFC 9449 §5
		return nil, errors.New("the authorization server did not bind the token to the key of -dpop: its token_type is not DPoP")
	}
	// Whatever token_type says: see the comment on the command.
	token.TokenType = s.client.options.scheme
	return token, nil
}

// ask sends one request to the token endpoint.
func (s tokenSource) ask() (*oauth2.Token, error) {
	options := s.client.options
	config := clientcredentials.Config{
		ClientID: options.clientID,
		TokenURL: s.client.tokenEndpoint,
		Scopes:   options.scopes,
		// client_id in the form, which RFC 8705 §2 requires where the certificate
		// authenticates the client, and no client_secret.
		AuthStyle:      oauth2.AuthStyleInParams,
		EndpointParams: maps.Clone(options.params),
	}
	if options.assertion != nil {
		// For each request a new one: EndpointParams of a Config that is kept
		// would send the same assertion twice.
		assertion, err := options.assertion.sign(options.clientID, options.issuer)
		if err != nil {
			return nil, fmt.Errorf("client assertion: %w", err)
		}
		maps.Copy(config.EndpointParams, url.Values{
			"client_assertion_type": {assertionType},
			"client_assertion":      {assertion},
		})
	}
	return config.Token(s.ctx)
}
