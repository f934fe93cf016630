// Command gin is a protected API in its smallest form, with gin.
//
//	ISSUER=https://auth.bank.example AUDIENCE=https://api.bank.example \
//	TLS_CERT=api.pem TLS_KEY=api-key.pem ADDRESS=127.0.0.1:8443 go run ./examples/minimal/gin
package main

import (
	"log"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/certbound/certbound/adapters/bindgin"
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

	r := gin.New()
	r.Use(gin.Recovery(), bindgin.Protect(guard))
	r.GET("/accounts", accounts)
	r.POST("/payments", bindgin.RequireScopes("payments"), pay)

	// r.RunTLS would not ask clients for a certificate.
	server := &http.Server{
		Addr:              os.Getenv("ADDRESS"),
		Handler:           r,
		TLSConfig:         binding.TLSConfig(nil),
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.ListenAndServeTLS(os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY")))
}

func accounts(c *gin.Context) {
	token, _ := binding.TokenFromContext(c.Request.Context()) // it is there: the guard has admitted the request
	c.String(http.StatusOK, "the accounts of %s\n", token.Subject())
}

func pay(c *gin.Context) { c.String(http.StatusOK, "paid\n") }
