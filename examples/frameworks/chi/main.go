// Command chi is a protected API in its smallest form, with chi, whose middleware
// is net/http's.
//
//	ISSUER=https://auth.bank.example AUDIENCE=https://api.bank.example \
//	TLS_CERT=api.pem TLS_KEY=api-key.pem ADDRESS=127.0.0.1:8443 go run ./chi
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/go-chi/chi/v5"

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

	r := chi.NewRouter()
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	r.Group(func(r chi.Router) {
		r.Use(bindhttp.Protect(guard))
		r.Get("/accounts", accounts)
		r.With(bindhttp.RequireScopes("payments")).Post("/payments", pay)
	})

	server := &http.Server{
		Addr:              os.Getenv("ADDRESS"),
		Handler:           r,
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
