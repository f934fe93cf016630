// Command connect is a protected service in its smallest form, with connect-go:
// for clients that speak Connect, gRPC and gRPC-Web.
//
// The guard stands in front of the handlers as net/http middleware, not as an
// interceptor: an interceptor does not see the client's certificate. A refusal is
// written in the client's own protocol, so that its *connect.Error has the
// description as its message and the challenge in its metadata.
//
//	ISSUER=https://auth.bank.example AUDIENCE=https://api.bank.example \
//	TLS_CERT=api.pem TLS_KEY=api-key.pem ADDRESS=127.0.0.1:8443 go run ./connect
package main

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

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
	mux.Handle(payProcedure, requireScopes(connect.NewUnaryHandler(payProcedure, pay), "payments"))

	server := &http.Server{
		Addr:              os.Getenv("ADDRESS"),
		Handler:           protect(guard, mux),
		TLSConfig:         binding.TLSConfig(nil), // asks clients for a certificate
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.ListenAndServeTLS(os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY")))
}

// protect is bindhttp.Protect with another answer.
func protect(guard *binding.Guard, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		admitted, err := guard.Admit(r)
		if err != nil {
			refuse(w, r, err)
			return
		}
		binding.SetAdmittedHeader(w.Header(), admitted)
		next.ServeHTTP(w, admitted)
	})
}

// requireScopes is bindhttp.RequireScopes with another answer.
func requireScopes(next http.Handler, scopes ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := binding.CheckScopes(r.Context(), scopes...); err != nil {
			refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

var answers = connect.NewErrorWriter()

// refuse answers in the client's own protocol. The challenge is in the header,
// where clients of all protocols find it: as metadata of the error it would be
// among gRPC's trailers, and net/http sends no trailer WWW-Authenticate.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	refusal := binding.AsError(err)
	if !answers.IsSupported(r) {
		refusal.Write(w, r)
		return
	}
	status := refusal.StatusCode()
	code := connect.CodeUnauthenticated // 400 as well: the credentials are what is wrong
	switch status {
	case http.StatusForbidden:
		code = connect.CodePermissionDenied
	case http.StatusServiceUnavailable:
		code = connect.CodeUnavailable
	case http.StatusInternalServerError:
		code = connect.CodeInternal
	}
	refusal.SetHeader(w.Header())
	message := cmp.Or(refusal.Description(), http.StatusText(status))
	_ = answers.Write(w, r, connect.NewError(code, errors.New(message))) // the client may be gone
}

func list(ctx context.Context, _ *connect.Request[emptypb.Empty]) (*connect.Response[wrapperspb.StringValue], error) {
	token, _ := binding.TokenFromContext(ctx) // it is there: the guard has admitted the request
	return connect.NewResponse(wrapperspb.String("the accounts of " + token.Subject())), nil
}

func pay(context.Context, *connect.Request[emptypb.Empty]) (*connect.Response[wrapperspb.StringValue], error) {
	return connect.NewResponse(wrapperspb.String("paid")), nil
}
