package bindgrpctest

import (
	"context"
	"crypto"
	"net/http"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/certbound/certbound/binding/bindingtest"
)

// A caller adds a token to the calls of a connection, and a proof if it has a key.
type caller struct {
	as     *bindingtest.AuthorizationServer
	spec   bindingtest.TokenSpec
	key    crypto.Signer // nil: no proofs
	origin string
	broken error // what went wrong before there was anything to sign

	mu     sync.Mutex
	newest string // nonce
}

func (c *caller) unary(ctx context.Context, method string, request, response any, connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	var trailer metadata.MD
	options = append(slices.Clip(options), grpc.Trailer(&trailer))
	called, nonce, err := c.authorized(ctx, method)
	if err != nil {
		return err
	}
	err = invoke(called, method, request, response, connection, options...)
	if c.learn(trailer); err == nil || !wantsNonce(trailer) || c.nonce() == nonce {
		return err
	}
	if called, _, err = c.authorized(ctx, method); err != nil {
		return err
	}
	return invoke(called, method, request, response, connection, options...)
}

func (c *caller) stream(ctx context.Context, description *grpc.StreamDesc, connection *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	called, _, err := c.authorized(ctx, method)
	if err != nil {
		return nil, err
	}
	stream, err := open(called, description, connection, method, options...)
	if err != nil {
		return nil, err
	}
	return &learning{stream, c}, nil
}

// authorized returns the context of a call with its token and proof, and the nonce
// in the proof. A call that has an authorization of its own keeps it.
func (c *caller) authorized(ctx context.Context, method string) (called context.Context, nonce string, err error) {
	if c.broken != nil {
		return nil, "", c.broken
	}
	if fields, _ := metadata.FromOutgoingContext(ctx); len(fields["authorization"]) > 0 {
		return ctx, "", nil
	}
	token, err := c.as.Token(c.spec)
	if err != nil {
		return nil, "", err
	}
	if c.key == nil {
		return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token), "", nil
	}
	nonce = c.nonce()
	proof, err := c.as.Proof(bindingtest.ProofSpec{Key: c.key, Method: http.MethodPost, URL: c.origin + method, Token: token, Nonce: nonce})
	if err != nil {
		return nil, "", err
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "DPoP "+token, "dpop", proof), nonce, nil
}

func (c *caller) nonce() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.newest
}

func (c *caller) learn(trailer metadata.MD) {
	if nonces := trailer["dpop-nonce"]; len(nonces) == 1 {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.newest = nonces[0]
	}
}

// wantsNonce is RFC 9449 §9.
func wantsNonce(trailer metadata.MD) bool {
	return slices.ContainsFunc(trailer["www-authenticate"], func(challenge string) bool {
		return strings.Contains(challenge, `error="use_dpop_nonce"`)
	})
}

// A learning stream learns the nonce in its trailer, when it ends.
type learning struct {
	grpc.ClientStream
	caller *caller
}

// RecvMsg receives a message.
func (s *learning) RecvMsg(message any) error {
	err := s.ClientStream.RecvMsg(message)
	if err != nil {
		s.caller.learn(s.Trailer())
	}
	return err
}
