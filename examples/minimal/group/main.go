// Command group is an API with groups of routes, each with a policy and scopes of
// its own, with echo. One verifier serves all of them.
//
//	ISSUER=https://auth.bank.example AUDIENCE=https://api.bank.example \
//	TLS_CERT=api.pem TLS_KEY=api-key.pem ADDRESS=127.0.0.1:8443 go run ./examples/minimal/group
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
	// The zero Policy: a token must be bound, and match.
	strict, err := binding.New(binding.Config{Tokens: tokens, Scopes: []string{"accounts"}})
	if err != nil {
		log.Fatal(err)
	}
	// For the time in which the old clients change over: a token without a
	// binding passes, and whoever steals one can use it. A bound one must match.
	changing, err := binding.New(binding.Config{Tokens: tokens, Policy: binding.DangerouslyAcceptUnbound})
	if err != nil {
		log.Fatal(err)
	}

	e := echo.New()
	e.GET("/healthz", func(c echo.Context) error { return c.String(http.StatusOK, "ok\n") })

	v1 := e.Group("/v1", bindecho.Protect(changing))
	v1.GET("/accounts", accounts)

	v2 := e.Group("/v2", bindecho.Protect(strict))
	v2.GET("/accounts", accounts)
	v2.POST("/payments", pay, bindecho.RequireScopes("payments")) // besides the group's

	server := &http.Server{
		Addr:              os.Getenv("ADDRESS"),
		Handler:           e,
		TLSConfig:         binding.TLSConfig(nil), // asks clients for a certificate
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.ListenAndServeTLS(os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY")))
}

func accounts(c echo.Context) error {
	token, _ := binding.TokenFromContext(c.Request().Context()) // it is there: the guard has admitted the request
	return c.String(http.StatusOK, "the accounts of "+token.Subject()+"\n")
}

func pay(c echo.Context) error { return c.String(http.StatusOK, "paid\n") }
