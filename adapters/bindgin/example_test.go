package bindgin_test

import (
	"log"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/certbound/certbound/adapters/bindgin"
	"github.com/certbound/certbound/adapters/internal/suite"
	"github.com/certbound/certbound/binding"
)

func accounts(c *gin.Context) {
	token, _ := binding.TokenFromContext(c.Request.Context())
	c.String(http.StatusOK, "accounts of %s", token.Subject())
}

func ExampleProtect() {
	demo := suite.NewDemo()
	defer demo.Close()
	guard, err := binding.New(binding.Config{Tokens: demo.Tokens}) // of jwks.New
	if err != nil {
		log.Fatal(err)
	}

	r := gin.New()
	r.Use(bindgin.Protect(guard))
	r.GET("/accounts", accounts)

	demo.Serve(r)
	demo.Client("/accounts")
	demo.Thief("/accounts")
	// Output:
	// client: 200 accounts of alice
	// thief: 401 {"error":"invalid_token","error_description":"the access token is bound to another client certificate"}
	//   Bearer error="invalid_token", error_description="the access token is bound to another client certificate"
}

func ExampleRequireScopes() {
	demo := suite.NewDemo()
	defer demo.Close()
	guard, err := binding.New(binding.Config{Tokens: demo.Tokens})
	if err != nil {
		log.Fatal(err)
	}

	r := gin.New()
	api := r.Group("/v1", bindgin.Protect(guard))
	api.GET("/accounts", accounts)
	api.GET("/admin", bindgin.RequireScopes("admin"), accounts)

	demo.Serve(r)
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

	r := gin.New()
	api := r.Group("/v1", bindgin.Protect(guard))
	api.GET("/statements", bindgin.RequireAnyScope("accounts", "audit"), accounts)
	api.GET("/transfers", bindgin.RequireAuthentication(twoFactors), accounts)

	demo.Serve(r)
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

	r := gin.New()
	r.GET("/accounts", bindgin.RequireScopes("accounts"), accounts)

	demo.Serve(r)
	demo.Client("/accounts", "accounts")
	// Output: client: 500 {"error":"server_error","error_description":"the resource server is misconfigured"}
}
