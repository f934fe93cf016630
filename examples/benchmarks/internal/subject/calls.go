package subject

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/certbound/certbound/adapters/bindgrpc"
	"github.com/certbound/certbound/binding"
)

// Calls are two gRPC servers over mutual TLS, one guarded and one bare, and a connection to each, all in this process.
type Calls struct {
	issuer  *Issuer
	guard   *Guard
	servers []*grpc.Server
	context context.Context

	guarded, bare *grpc.ClientConn
}

// NewCalls starts them. What is sent is the same to both: a call with a token of the client's. Close it when done.
func NewCalls() (_ *Calls, err error) {
	c := new(Calls)
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if c.issuer, err = NewIssuer("ES256", 0); err != nil {
		return nil, err
	}
	client, err := c.issuer.NewClientCertificate("tpp-4711")
	if err != nil {
		return nil, err
	}
	if c.guard, err = NewGuard(c.issuer, c.issuer.Transport()); err != nil {
		return nil, err
	}
	token, err := c.issuer.NewToken(client.Leaf)
	if err != nil {
		return nil, err
	}
	c.context = metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+token)
	unary, stream := bindgrpc.Protect(c.guard.Guard)
	if c.guarded, err = c.serve(client, true, grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream)); err != nil {
		return nil, err
	}
	c.bare, err = c.serve(client, false)
	return c, err
}

func (c *Calls) serve(client tls.Certificate, guarded bool, options ...grpc.ServerOption) (*grpc.ClientConn, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer(append(options, grpc.Creds(credentials.NewTLS(binding.TLSConfig(&tls.Config{
		Certificates: []tls.Certificate{c.issuer.ServerCertificate()},
	}))))...)
	testpb.RegisterTestServiceServer(server, &service{guarded: guarded})
	c.servers = append(c.servers, server)
	go func() { _ = server.Serve(listener) }()
	return grpc.NewClient("passthrough:///"+listener.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		RootCAs: c.issuer.RootCAs(), Certificates: []tls.Certificate{client}, MinVersion: tls.VersionTLS12,
	})))
}

// Guarded makes a call of the guarded server.
func (c *Calls) Guarded() error { return c.call(c.guarded) }

// Bare makes a call of the server without a guard.
func (c *Calls) Bare() error { return c.call(c.bare) }

func (c *Calls) call(connection *grpc.ClientConn) error {
	_, err := testpb.NewTestServiceClient(connection).EmptyCall(c.context, &testpb.Empty{})
	return err
}

// Close ends all that was started.
func (c *Calls) Close() error {
	var errs []error
	for _, connection := range []*grpc.ClientConn{c.guarded, c.bare} {
		if connection != nil {
			errs = append(errs, connection.Close())
		}
	}
	for _, server := range c.servers {
		server.Stop()
	}
	if c.guard != nil {
		errs = append(errs, c.guard.Close())
	}
	if c.issuer != nil {
		c.issuer.Close()
	}
	return errors.Join(errs...)
}

type service struct {
	testpb.UnimplementedTestServiceServer
	guarded bool
}

// EmptyCall looks for the token.
func (s *service) EmptyCall(ctx context.Context, _ *testpb.Empty) (*testpb.Empty, error) {
	if _, has := binding.TokenFromContext(ctx); has != s.guarded {
		return nil, errors.New("subject: the method did not see what it should")
	}
	return &testpb.Empty{}, nil
}
