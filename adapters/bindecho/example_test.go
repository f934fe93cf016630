package bindecho_test

import (
	"errors"
	"log"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/certbound/certbound/adapters/bindecho"
	"github.com/certbound/certbound/adapters/internal/suite"
	"github.com/certbound/certbound/binding"
)

func accounts(c echo.Context) error {
	token, _ := binding.TokenFromContext(c.Request().Context())
	return c.String(http.StatusOK, "accounts of "+token.Subject())
}

func ExampleProtect() {
	demo := suite.NewDemo()
	defer demo.Close()
	guard, err := binding.New(binding.Config{Tokens: demo.Tokens}) // of jwks.New
	if err != nil {
		log.Fatal(err)
	}

	e := echo.New()
	e.Use(bindecho.Protect(guard))
	e.GET("/accounts", accounts)

	demo.Serve(e)
	demo.Client("/accounts")
	demo.Thief("/accounts")
	// Output:
	// client: 200 accounts of alice
	// thief: 401 {"error":"invalid_token","error_description":"the access token is bound to another client certificate"}
	//   Bearer error="invalid_token", error_description="the access token is bound to another client certificate"
}

// The application's error handler has the last word on the body, and on the status if it must. The challenge stays.
func ExampleProtect_errorHandler() {
	demo := suite.NewDemo()
	defer demo.Close()
	guard, err := binding.New(binding.Config{Tokens: demo.Tokens})
	if err != nil {
		log.Fatal(err)
	}

	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		var refusal *binding.Error
		if errors.As(err, &refusal) {
			_ = c.String(refusal.StatusCode(), "No: "+refusal.Description())
			return
		}
		e.DefaultHTTPErrorHandler(err, c)
	}
	e.GET("/accounts", accounts, bindecho.Protect(guard))

	demo.Serve(e)
	demo.Thief("/accounts")
	// Output:
	// thief: 401 No: the access token is bound to another client certificate
	//   Bearer error="invalid_token", error_description="the access token is bound to another client certificate"
}

func ExampleRequireScopes() {
	demo := suite.NewDemo()
	defer demo.Close()
	guard, err := binding.New(binding.Config{Tokens: demo.Tokens})
	if err != nil {
		log.Fatal(err)
	}

	e := echo.New()
	api := e.Group("/v1", bindecho.Protect(guard))
	api.GET("/accounts", accounts)
	api.GET("/admin", accounts, bindecho.RequireScopes("admin"))

	demo.Serve(e)
	demo.Client("/v1/accounts", "accounts")
	demo.Client("/v1/admin", "accounts")
	// Output:
	// client: 200 accounts of alice
	// client: 403 {"error":"insufficient_scope","error_description":"the access token lacks a scope that this request needs"}
	//   Bearer error="insufficient_scope", error_description="the access token lacks a scope that this request needs", scope="admin"
}

// A route that either of two scopes opens, and one that needs a user who was authenticated by more than a password.
func ExampleRequireAuthentication() {
	demo := suite.NewDemo()
	defer demo.Close()
	guard, err := binding.New(binding.Config{Tokens: demo.Tokens})
	if err != nil {
		log.Fatal(err)
	}
	twoFactors := binding.Authentication{ACRValues: []string{"urn:bank:two-factors"}}

	e := echo.New()
	api := e.Group("/v1", bindecho.Protect(guard))
	api.GET("/statements", accounts, bindecho.RequireAnyScope("accounts", "audit"))
	api.GET("/transfers", accounts, bindecho.RequireAuthentication(twoFactors))

	demo.Serve(e)
	demo.Client("/v1/statements", "accounts")
	demo.Client("/v1/transfers", "payments")
	// Output:
	// client: 200 accounts of alice
	// client: 401 {"error":"insufficient_user_authentication","error_description":"the authentication of the user is too weak or too old for this request"}
	//   Bearer error="insufficient_user_authentication", error_description="the authentication of the user is too weak or too old for this request", acr_values="urn:bank:two-factors"
}

// Incorrect: there is no guard in front, and so no token. Nobody gets in, and the status says whose mistake it is.
func ExampleRequireScopes_incorrect() {
	demo := suite.NewDemo()
	defer demo.Close()

	e := echo.New()
	e.GET("/accounts", accounts, bindecho.RequireScopes("accounts"))

	demo.Serve(e)
	demo.Client("/accounts", "accounts")
	// Output: client: 500 {"error":"server_error","error_description":"the resource server is misconfigured"}
}
