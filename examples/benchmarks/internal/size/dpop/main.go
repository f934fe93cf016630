// The same server, which also takes tokens with DPoP proofs.
package main

import (
	"log"
	"net/http"
	"time"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

func main() {
	tokens, err := jwks.New(jwks.Config{Issuer: "https://auth.bank.example", Audiences: []string{"https://api.bank.example"}})
	if err != nil {
		log.Fatal(err)
	}
	proofs, err := dpop.New(dpop.Config{Origins: []string{"https://api.bank.example"}})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := binding.New(binding.Config{Tokens: tokens, Proofs: proofs})
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Addr: ":8443", ReadHeaderTimeout: 10 * time.Second, TLSConfig: binding.TLSConfig(nil),
		Handler: bindhttp.Protect(guard)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})),
	}
	log.Fatal(server.ListenAndServeTLS("server.pem", "server-key.pem"))
}
