// Command nethttp is a protected API in its smallest form, with net/http.
//
//	ISSUER=https://auth.bank.example AUDIENCE=https://api.bank.example \
//	TLS_CERT=api.pem TLS_KEY=api-key.pem ADDRESS=127.0.0.1:8443 go run ./examples/minimal/nethttp
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
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
	protect := bindhttp.Protect(guard)

	mux := http.NewServeMux()
	mux.Handle("GET /accounts", protect(http.HandlerFunc(accounts)))
	mux.Handle("POST /payments", protect(bindhttp.RequireScopes("payments")(http.HandlerFunc(pay))))

	server := &http.Server{
		Addr:              os.Getenv("ADDRESS"),
		Handler:           mux,
		TLSConfig:         binding.TLSConfig(nil), // asks clients for a certificate
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.ListenAndServeTLS(os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY")))
}

func accounts(w http.ResponseWriter, r *http.Request) {
	token, _ := binding.TokenFromContext(r.Context()) // it is there: the guard has admitted the request
	fmt.Fprintln(w, "the accounts of", token.Subject())
}

func pay(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "paid") }
