package bindgrpc_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/certbound/certbound/adapters/bindgrpc"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// A method may need one of several scopes.
func ExampleCheckAnyScope() {
	_ = func(ctx context.Context, _ *testpb.Empty) (*testpb.Empty, error) {
		if err := bindgrpc.CheckAnyScope(ctx, "accounts", "accounts.read"); err != nil {
			return nil, err
		}
		return &testpb.Empty{}, nil
	}
}

// A payment needs a user who was authenticated within the last five minutes. The client learns it from www-authenticate in
// the trailer (RFC 9470), and asks its user once more.
func ExampleCheckAuthentication() {
	_ = func(ctx context.Context, _ *testpb.Empty) (*testpb.Empty, error) {
		if err := bindgrpc.CheckAuthentication(ctx, binding.Authentication{MaxAge: 5 * time.Minute}); err != nil {
			return nil, err
		}
		return &testpb.Empty{}, nil
	}
}

// Behind a proxy on the same machine: forwarded.TrustUnixSocket needs to know that a connection came over the socket.
func ExampleNewListener() {
	_ = func(server *grpc.Server) error {
		listener, err := net.Listen("unix", "/run/bank/api.sock")
		if err != nil {
			return err
		}
		return server.Serve(bindgrpc.NewListener(listener))
	}
}

// To throw one of the two away compiles, and leaves every stream open to everybody.
func ExampleProtect_incorrect() {
	demo := newDemo()
	defer demo.as.Close()
	tokens, err := jwks.New(jwks.Config{Issuer: demo.as.Issuer(), Audiences: []string{demo.as.Audience()}, Transport: demo.as.Transport()})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = tokens.Close() }()
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	unary, _ := bindgrpc.Protect(guard)
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(binding.TLSConfig(&tls.Config{Certificates: []tls.Certificate{demo.as.ServerCertificate()}}))),
		grpc.UnaryInterceptor(unary))
	testpb.RegisterTestServiceServer(server, accounts{})
	defer server.Stop()

	demo.serve(server)
	nobody := demo.dial(tls.Certificate{})
	defer func() { _ = nobody.Close() }()
	_, err = testpb.NewTestServiceClient(nobody).EmptyCall(context.Background(), &testpb.Empty{})
	fmt.Println("a unary call:", status.Code(err))
	stream, err := testpb.NewTestServiceClient(nobody).FullDuplexCall(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	_, err = stream.Recv()
	fmt.Println("a stream:", err == io.EOF)
	// Output:
	// a unary call: Unauthenticated
	// a stream: true
}
