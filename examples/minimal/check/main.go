// Command check uses a guard without an adapter: Check for a route that answers
// everybody, but holders of a token better, and Admit for one that is protected.
//
//	ISSUER=https://auth.bank.example AUDIENCE=https://api.bank.example \
//	TLS_CERT=api.pem TLS_KEY=api-key.pem ADDRESS=127.0.0.1:8443 go run ./examples/minimal/check
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

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

	mux := http.NewServeMux()
	mux.HandleFunc("GET /rates", func(w http.ResponseWriter, r *http.Request) { rates(w, r, guard) })
	mux.HandleFunc("GET /accounts", func(w http.ResponseWriter, r *http.Request) { accounts(w, r, guard) })

	server := &http.Server{
		Addr:              os.Getenv("ADDRESS"),
		Handler:           mux,
		TLSConfig:         binding.TLSConfig(nil), // asks clients for a certificate
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.ListenAndServeTLS(os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY")))
}

// rates are public, and better for who has a token. Only its absence makes a
// request public: a token that is not good is a mistake, or a theft.
func rates(w http.ResponseWriter, r *http.Request, guard *binding.Guard) {
	token, err := guard.Check(r)
	refusal := binding.AsError(err)
	switch {
	case err == nil:
		fmt.Fprintln(w, "your rate,", token.Subject(), "is 3.1")
	case refusal.Reason == binding.ReasonCredentialsMissing:
		fmt.Fprintln(w, "the rate is 3.5")
	default:
		refusal.Write(w, r)
	}
}

// accounts is what every adapter does.
func accounts(w http.ResponseWriter, r *http.Request, guard *binding.Guard) {
	admitted, err := guard.Admit(r)
	if err != nil {
		binding.AsError(err).Write(w, r)
		return
	}
	token, _ := binding.TokenFromContext(admitted.Context())
	fmt.Fprintln(w, "the accounts of", token.Subject())
}
