// Command issuers is a protected API that accepts the tokens of two issuers, each
// by its own keys and rules. The partner's have the type JWT and their scopes in
// scp.
//
//	ISSUER=https://auth.bank.example PARTNER=https://login.partner.example \
//	AUDIENCE=https://api.bank.example \
//	TLS_CERT=api.pem TLS_KEY=api-key.pem ADDRESS=127.0.0.1:8443 go run ./examples/minimal/issuers
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
	bank, err := jwks.New(jwks.Config{
		Issuer:    os.Getenv("ISSUER"),
		Audiences: []string{os.Getenv("AUDIENCE")},
	})
	if err != nil {
		log.Fatal(err)
	}
	partner, err := jwks.New(jwks.Config{
		Issuer:      os.Getenv("PARTNER"),
		Audiences:   []string{os.Getenv("AUDIENCE")},
		TokenTypes:  []string{"JWT"},
		ScopeClaims: []string{"scp"},
	})
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := jwks.ByIssuer(bank, partner)
	if err != nil {
		log.Fatal(err)
	}
	guard, err := binding.New(binding.Config{Tokens: tokens, Scopes: []string{"accounts"}})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.Handle("GET /accounts", bindhttp.Protect(guard)(http.HandlerFunc(accounts)))

	server := &http.Server{
		Addr:              os.Getenv("ADDRESS"),
		Handler:           mux,
		TLSConfig:         binding.TLSConfig(nil), // asks clients for a certificate
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.ListenAndServeTLS(os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY")))
}

// accounts tells subjects of two issuers apart: each issuer names its own, and
// two may have the same name.
func accounts(w http.ResponseWriter, r *http.Request) {
	token, _ := binding.TokenFromContext(r.Context()) // it is there: the guard has admitted the request
	fmt.Fprintf(w, "the accounts of %s at %s\n", token.Subject(), token.Issuer())
}
