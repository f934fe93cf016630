// Command echo is a protected API in its smallest form, with echo.
//
//	ISSUER=https://auth.bank.example AUDIENCE=https://api.bank.example \
//	TLS_CERT=api.pem TLS_KEY=api-key.pem ADDRESS=127.0.0.1:8443 go run ./examples/minimal/echo
package main

import (
	"log"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/certbound/certbound/adapters/bindecho"
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

	e := echo.New()
	e.Use(bindecho.Protect(guard))
	e.GET("/accounts", accounts)
	e.POST("/payments", pay, bindecho.RequireScopes("payments"))

	// e.StartTLS would not ask clients for a certificate.
	server := &http.Server{
		Addr:              os.Getenv("ADDRESS"),
		Handler:           e,
		TLSConfig:         binding.TLSConfig(nil),
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.ListenAndServeTLS(os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY")))
}

func accounts(c echo.Context) error {
	token, _ := binding.TokenFromContext(c.Request().Context()) // it is there: the guard has admitted the request
	return c.String(http.StatusOK, "the accounts of "+token.Subject()+"\n")
}

func pay(c echo.Context) error { return c.String(http.StatusOK, "paid\n") }
