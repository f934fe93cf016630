package bindgrpc_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/certbound/certbound/adapters/bindgrpc"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// accounts is the reader's service. Another method of it needs more than a token.
type accounts struct {
	testpb.UnimplementedTestServiceServer
}

func (accounts) EmptyCall(ctx context.Context, _ *testpb.Empty) (*testpb.Empty, error) {
	token, _ := binding.TokenFromContext(ctx)
	fmt.Println("server: accounts of", token.Subject())
	return &testpb.Empty{}, nil
}

func (accounts) UnaryCall(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	if err := bindgrpc.CheckScopes(ctx, "payments"); err != nil {
		return nil, err
	}
	return &testpb.SimpleResponse{}, nil
}

// FullDuplexCall sends nothing and ends.
func (accounts) FullDuplexCall(grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
	return nil
}

func Example() {
	demo := newDemo()
	defer demo.as.Close()
	tokens, err := jwks.New(jwks.Config{
		Issuer:    demo.as.Issuer(),
		Audiences: []string{demo.as.Audience()},
		Transport: demo.as.Transport(), // of the test's authorization server; you need none
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = tokens.Close() }()
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	unary, stream := bindgrpc.Protect(guard)
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(binding.TLSConfig(&tls.Config{Certificates: []tls.Certificate{demo.as.ServerCertificate()}}))),
		grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))
	testpb.RegisterTestServiceServer(server, accounts{})
	defer server.Stop()

	demo.serve(server)
	demo.call("client", demo.client)
	demo.call("thief", demo.thief)
	// Output:
	// server: accounts of alice
	// client: accounts: <nil>
	// client: payments: rpc error: code = PermissionDenied desc = the access token lacks a scope that this request needs
	// thief: accounts: rpc error: code = Unauthenticated desc = the access token is bound to another client certificate
	// thief: payments: rpc error: code = Unauthenticated desc = the access token is bound to another client certificate
}

// What methods need may also be said in one place, and checked against the services of the server. Health checks are
// public here.
func ExampleRules() {
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
	var server *grpc.Server
	rules := bindgrpc.Rules{
		Methods: map[string]bindgrpc.Rule{
			testpb.TestService_EmptyCall_FullMethodName: {AnyScope: []string{"accounts", "accounts.read"}},
			testpb.TestService_UnaryCall_FullMethodName: {Scopes: []string{"payments"}},
		},
		Public:             []string{healthpb.Health_Check_FullMethodName},
		EndStreamsAtExpiry: true,
		Services:           func() map[string]grpc.ServiceInfo { return server.GetServiceInfo() },
	}
	unary, stream := bindgrpc.Protect(guard, rules)
	server = grpc.NewServer(
		grpc.Creds(credentials.NewTLS(binding.TLSConfig(&tls.Config{Certificates: []tls.Certificate{demo.as.ServerCertificate()}}))),
		grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))
	testpb.RegisterTestServiceServer(server, accounts{})
	healthpb.RegisterHealthServer(server, health.NewServer())
	if err := rules.Check(); err != nil { // a typing mistake in a name
		log.Fatal(err)
	}
	defer server.Stop()

	demo.serve(server)
	demo.call("client", demo.client)
	nobody := demo.dial(tls.Certificate{})
	defer func() { _ = nobody.Close() }()
	_, err = healthpb.NewHealthClient(nobody).Check(context.Background(), &healthpb.HealthCheckRequest{})
	fmt.Println("nobody: health:", err)
	// Output:
	// server: accounts of alice
	// client: accounts: <nil>
	// client: payments: rpc error: code = PermissionDenied desc = the access token lacks a scope that this request needs
	// nobody: health: <nil>
}

// A demo is what the examples need around them: an authorization server, a client with a certificate, and a thief who has
// the client's token and another certificate.
type demo struct {
	as            *bindingtest.AuthorizationServer
	client, thief tls.Certificate
	address       string
}

func newDemo() *demo {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	d := &demo{as: as}
	for name, certificate := range map[string]*tls.Certificate{"client": &d.client, "thief": &d.thief} {
		if *certificate, err = as.NewClientCertificate(name); err != nil {
			log.Fatal(err)
		}
	}
	return d
}

func (d *demo) serve(server *grpc.Server) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	d.address = listener.Addr().String()
	go func() { _ = server.Serve(listener) }()
}

func (d *demo) dial(certificate tls.Certificate) *grpc.ClientConn {
	config := &tls.Config{RootCAs: d.as.RootCAs(), MinVersion: tls.VersionTLS12}
	if certificate.Certificate != nil {
		config.Certificates = []tls.Certificate{certificate}
	}
	connection, err := grpc.NewClient("passthrough:///"+d.address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		log.Fatal(err)
	}
	return connection
}

func (d *demo) call(who string, certificate tls.Certificate) {
	token, err := d.as.Token(bindingtest.TokenSpec{Subject: "alice", Certificate: d.client.Leaf, Scopes: []string{"accounts"}})
	if err != nil {
		log.Fatal(err)
	}
	connection := d.dial(certificate)
	defer func() { _ = connection.Close() }()
	ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+token)
	client := testpb.NewTestServiceClient(connection)
	_, err = client.EmptyCall(ctx, &testpb.Empty{})
	fmt.Println(who+": accounts:", err)
	_, err = client.UnaryCall(ctx, &testpb.SimpleRequest{})
	fmt.Println(who+": payments:", err)
}
