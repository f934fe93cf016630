// Command connect is a protected service in its smallest form, with connect-go:
// for clients that speak Connect, gRPC and gRPC-Web.
//
// The guard stands in front of the handlers as net/http middleware, not as an
// interceptor: an interceptor does not see the client's certificate. A refusal
// is then an HTTP answer, and clients read 401 as unauthenticated and 403 as
// permission_denied.
//
//	ISSUER=https://auth.bank.example AUDIENCE=https://api.bank.example \
//	TLS_CERT=api.pem TLS_KEY=api-key.pem ADDRESS=127.0.0.1:8443 go run ./connect
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// The procedures; with a .proto of your own, protoc-gen-connect-go names them.
const (
	listProcedure = "/bank.v1.Accounts/List"
	payProcedure  = "/bank.v1.Accounts/Pay"
)

func main() {
	tokens, err := jwks.New(jwks.Config{
		Issuer:    os.Getenv("ISSUER"),
		Audiences: []string{os.Getenv("AUDIENCE")},
	})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.Handle(listProcedure, connect.NewUnaryHandler(listProcedure, list))
	mux.Handle(payProcedure, bindhttp.RequireScopes("payments")(connect.NewUnaryHandler(payProcedure, pay)))

	server := &http.Server{
		Addr:              os.Getenv("ADDRESS"),
		Handler:           bindhttp.Protect(guard)(mux),
		TLSConfig:         binding.TLSConfig(nil), // asks clients for a certificate
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.ListenAndServeTLS(os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY")))
}

func list(ctx context.Context, _ *connect.Request[emptypb.Empty]) (*connect.Response[wrapperspb.StringValue], error) {
	token, _ := binding.TokenFromContext(ctx) // it is there: the guard has admitted the request
	return connect.NewResponse(wrapperspb.String("the accounts of " + token.Subject())), nil
}

func pay(context.Context, *connect.Request[emptypb.Empty]) (*connect.Response[wrapperspb.StringValue], error) {
	return connect.NewResponse(wrapperspb.String("paid")), nil
}
