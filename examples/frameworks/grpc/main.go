// Command grpc is a protected service in its smallest form, with grpc-go: unary
// calls, a stream that ends when its token does, and health checks that
// everybody may ask for. ./client calls it.
//
// Tokens are bound to the client's certificate or, where ORIGIN says how clients
// know this server, to a DPoP key.
//
//	ISSUER=https://auth.bank.example AUDIENCE=https://api.bank.example ORIGIN=https://api.bank.example \
//	TLS_CERT=api.pem TLS_KEY=api-key.pem ADDRESS=127.0.0.1:8443 go run ./grpc
package main

import (
	"context"
	"crypto/tls"
	"log"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/certbound/certbound/adapters/bindgrpc"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

func main() {
	tokens, err := jwks.New(jwks.Config{
		Issuer:    os.Getenv("ISSUER"),
		Audiences: []string{os.Getenv("AUDIENCE")},
	})
	if err != nil {
		log.Fatal(err)
	}
	config := binding.Config{Tokens: tokens}
	if origin := os.Getenv("ORIGIN"); origin != "" {
		if config.Proofs, err = dpop.New(dpop.Config{Origins: []string{origin}, RequireNonce: true}); err != nil {
			log.Fatal(err)
		}
	}
	guard, err := binding.New(config)
	if err != nil {
		log.Fatal(err)
	}

	var server *grpc.Server
	unary, stream := bindgrpc.Protect(guard, bindgrpc.Rules{
		Methods:            map[string]bindgrpc.Rule{payMethod: {Scopes: []string{"payments"}}},
		Public:             []string{healthpb.Health_Check_FullMethodName},
		EndStreamsAtExpiry: true,
		Services:           func() map[string]grpc.ServiceInfo { return server.GetServiceInfo() },
	})
	certificate, err := tls.LoadX509KeyPair(os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY"))
	if err != nil {
		log.Fatal(err)
	}
	server = grpc.NewServer(
		// TLSConfig asks clients for a certificate.
		grpc.Creds(credentials.NewTLS(binding.TLSConfig(&tls.Config{Certificates: []tls.Certificate{certificate}}))),
		grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream),
		// What a client without a token can make the server decode: see package bindgrpc.
		grpc.MaxRecvMsgSize(1<<20), grpc.MaxConcurrentStreams(100), grpc.MaxHeaderListSize(64<<10))
	server.RegisterService(&accounts, nil)
	healthpb.RegisterHealthServer(server, health.NewServer())

	listener, err := net.Listen("tcp", os.Getenv("ADDRESS"))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(server.Serve(listener))
}

func list(ctx context.Context) (*wrapperspb.StringValue, error) {
	token, _ := binding.TokenFromContext(ctx) // it is there: the guard has admitted the call
	return wrapperspb.String("the accounts of " + token.Subject()), nil
}

func pay(context.Context) (*wrapperspb.StringValue, error) {
	return wrapperspb.String("paid"), nil
}

// watch sends what there is, and waits for more.
func watch(_ any, stream grpc.ServerStream) error {
	if err := stream.RecvMsg(new(emptypb.Empty)); err != nil {
		return err
	}
	if err := stream.SendMsg(wrapperspb.String("a payment came in")); err != nil {
		return err
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

// accounts is the service. With a .proto of your own, protoc-gen-go-grpc writes
// all that follows, and the constants of the methods' names.
var accounts = grpc.ServiceDesc{
	ServiceName: "bank.v1.Accounts",
	Methods:     []grpc.MethodDesc{method("List", list), method("Pay", pay)},
	Streams:     []grpc.StreamDesc{{StreamName: "Watch", Handler: watch, ServerStreams: true}},
}

const payMethod = "/bank.v1.Accounts/Pay"

func method(name string, call func(context.Context) (*wrapperspb.StringValue, error)) grpc.MethodDesc {
	return grpc.MethodDesc{MethodName: name, Handler: func(server any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		request := new(emptypb.Empty)
		if err := decode(request); err != nil {
			return nil, err
		}
		info := &grpc.UnaryServerInfo{Server: server, FullMethod: "/bank.v1.Accounts/" + name}
		return interceptor(ctx, request, info, func(ctx context.Context, _ any) (any, error) { return call(ctx) })
	}}
}
