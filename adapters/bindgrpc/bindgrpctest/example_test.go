package bindgrpctest_test

import (
	"context"
	"fmt"
	"log"

	"google.golang.org/grpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/certbound/certbound/adapters/bindgrpc"
	"github.com/certbound/certbound/adapters/bindgrpc/bindgrpctest"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// accounts is the service under test.
type accounts struct {
	testpb.UnimplementedTestServiceServer
}

func (accounts) UnaryCall(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	token, _ := binding.TokenFromContext(ctx)
	return &testpb.SimpleResponse{Username: token.Subject()}, bindgrpc.CheckScopes(ctx, "accounts")
}

// The test of a guarded service: the client, a client without the scope, and a thief.
func Example() {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer as.Close()
	tokens, err := jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport()})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = tokens.Close() }()
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	unary, stream := bindgrpc.Protect(guard)
	server := grpc.NewServer(grpc.Creds(bindgrpctest.Credentials(as)), grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))
	testpb.RegisterTestServiceServer(server, accounts{})
	address := bindgrpctest.Serve(server)
	defer server.Stop()

	for _, connection := range []*grpc.ClientConn{
		bindgrpctest.BoundClient(as, address, "alice", "accounts"),
		bindgrpctest.BoundClient(as, address, "alice", "payments"),
		bindgrpctest.WronglyBoundClient(as, address, "alice", "accounts"),
	} {
		response, err := testpb.NewTestServiceClient(connection).UnaryCall(context.Background(), &testpb.SimpleRequest{})
		fmt.Printf("%q %v\n", response.GetUsername(), status.Code(err))
		_ = connection.Close()
	}
	// Output:
	// "alice" OK
	// "" PermissionDenied
	// "" Unauthenticated
}
