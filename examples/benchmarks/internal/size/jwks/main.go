// The same server with the guard and its own verifier of tokens.
package main

import (
	"log"
	"net/http"
	"time"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

func main() {
	tokens, err := jwks.New(jwks.Config{Issuer: "https://auth.bank.example", Audiences: []string{"https://api.bank.example"}})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Addr: ":8443", ReadHeaderTimeout: 10 * time.Second, TLSConfig: binding.TLSConfig(nil),
		Handler: bindhttp.Protect(guard)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})),
	}
	log.Fatal(server.ListenAndServeTLS("server.pem", "server-key.pem"))
}
