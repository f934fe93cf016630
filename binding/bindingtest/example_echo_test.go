package bindingtest_test

import (
	"fmt"
	"log"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/certbound/certbound/adapters/bindecho"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// newEcho is an API in echo: what you have.
func newEcho(tokens binding.TokenVerifier) *echo.Echo {
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	e := echo.New()
	e.Use(bindecho.Protect(guard))
	e.GET("/accounts", func(c echo.Context) error {
		token, _ := binding.TokenFromContext(c.Request().Context())
		return c.String(http.StatusOK, "accounts of "+token.Subject())
	})
	e.POST("/payments", func(c echo.Context) error { return c.NoContent(http.StatusCreated) }, bindecho.RequireScopes("payments"))
	return e
}

// An API in echo, and what a test of it looks like. In a test, t.Fatal comes in place of log.Fatal.
func Example_echo() {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer as.Close()
	tokens, err := jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport()})
	if err != nil {
		log.Fatal(err)
	}
	defer tokens.Close()
	api := as.Serve(newEcho(tokens))
	defer api.Close()

	fmt.Println(call(as.BoundClient("alice", "accounts"), api.URL+"/accounts"))
	fmt.Println(call(as.WronglyBoundClient("alice", "accounts"), api.URL+"/accounts"))
	response, err := as.BoundClient("alice", "accounts").Post(api.URL+"/payments", "application/json", nil)
	if err != nil {
		log.Fatal(err)
	}
	_ = response.Body.Close()
	fmt.Println(response.StatusCode)
	// Output:
	// 200 accounts of alice
	// 401 {"error":"invalid_token","error_description":"the access token is bound to another client certificate"}
	// 403
}
