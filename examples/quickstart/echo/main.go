// Command echo tells the story of the quickstart with an API of echo v4:
//
//	go run ./examples/quickstart/echo
package main

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/certbound/certbound/adapters/bindecho"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/examples/quickstart/internal/story"
)

func main() { story.Main("echo", newAPI) }

func newAPI(guard *binding.Guard) http.Handler {
	e := echo.New()
	e.Use(bindecho.Protect(guard))
	e.GET("/accounts", func(c echo.Context) error {
		token, _ := binding.TokenFromContext(c.Request().Context())
		return c.String(http.StatusOK, "the accounts of "+token.ClientID()+"\n")
	})
	e.GET("/payments", func(c echo.Context) error {
		return c.String(http.StatusOK, "no payments\n")
	}, bindecho.RequireScopes("payments"))
	return e
}
