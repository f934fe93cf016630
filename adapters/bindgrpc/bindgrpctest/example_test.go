package bindgrpctest_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/certbound/certbound/adapters/bindgrpc"
	"github.com/certbound/certbound/adapters/bindgrpc/bindgrpctest"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
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

	call(bindgrpctest.BoundClient(as, address, "alice", "accounts"))
	call(bindgrpctest.BoundClient(as, address, "alice", "payments"))
	call(bindgrpctest.WronglyBoundClient(as, address, "alice", "accounts"))
	// Output:
	// "alice" OK
	// "" PermissionDenied
	// "" Unauthenticated
}

// call calls the service once, and prints what it answers.
func call(connection *grpc.ClientConn) {
	defer func() { _ = connection.Close() }()
	response, err := testpb.NewTestServiceClient(connection).UnaryCall(context.Background(), &testpb.SimpleRequest{})
	fmt.Printf("%q %v\n", response.GetUsername(), status.Code(err))
}

// Clients with a key, and with a token, a certificate and a key of the test's choice.
func Example_dpop() {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Origin: "https://api.bank.example"})
	if err != nil {
		log.Fatal(err)
	}
	defer as.Close()
	tokens, err := jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport()})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = tokens.Close() }()
	proofs, err := dpop.New(dpop.Config{Origins: []string{"https://api.bank.example"}})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := binding.New(binding.Config{Tokens: tokens, Proofs: proofs})
	if err != nil {
		log.Fatal(err)
	}
	unary, stream := bindgrpc.Protect(guard)
	server := grpc.NewServer(grpc.Creds(bindgrpctest.Credentials(as)), grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))
	testpb.RegisterTestServiceServer(server, accounts{})
	address := bindgrpctest.Serve(server)
	defer server.Stop()

	call(bindgrpctest.DPoPClient(as, address, "alice", "accounts"))
	call(bindgrpctest.WronglyProvenClient(as, address, "alice", "accounts"))
	old := bindingtest.TokenSpec{Subject: "alice", Scopes: []string{"accounts"}, ExpiresIn: -time.Hour}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	call(bindgrpctest.ClientFor(as, address, old, tls.Certificate{}, key))
	// Output:
	// "alice" OK
	// "" Unauthenticated
	// "" Unauthenticated
}

// A server that does not ask for certificates refuses everybody whose token is bound to one: the test would be right about
// the thief, and learn nothing of the owner.
func ExampleCredentials_incorrect() {
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
	certificate := as.ServerCertificate()
	server := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&certificate)), // incorrect: it is Credentials(as)
		grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))
	testpb.RegisterTestServiceServer(server, accounts{})
	address := bindgrpctest.Serve(server)
	defer server.Stop()

	call(bindgrpctest.BoundClient(as, address, "alice", "accounts"))
	// Output: "" Unauthenticated
}
