package main

import (
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v4"

	"github.com/certbound/certbound/adapters/bindecho"
	"github.com/certbound/certbound/adapters/bindgin"
	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
)

// newAPI is the protected API, in one of the frameworks: this is what a user of
// the library writes.
func newAPI(framework string, guard *binding.Guard) http.Handler {
	switch framework {
	case "echo":
		e := echo.New()
		e.Use(bindecho.Protect(guard))
		e.GET("/accounts", func(c echo.Context) error {
			return c.String(http.StatusOK, accounts(c.Request()))
		})
		e.GET("/payments", func(c echo.Context) error {
			return c.String(http.StatusOK, "no payments")
		}, bindecho.RequireScopes("payments"))
		return e

	case "gin":
		gin.SetMode(gin.ReleaseMode)
		r := gin.New()
		r.Use(bindgin.Protect(guard))
		r.GET("/accounts", func(c *gin.Context) {
			c.String(http.StatusOK, accounts(c.Request))
		})
		r.GET("/payments", bindgin.RequireScopes("payments"), func(c *gin.Context) {
			c.String(http.StatusOK, "no payments")
		})
		return r

	default:
		mux := http.NewServeMux()
		mux.HandleFunc("GET /accounts", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, accounts(r))
		})
		mux.Handle("GET /payments", bindhttp.RequireScopes("payments")(
			http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, "no payments")
			})))
		return bindhttp.Protect(guard)(mux)
	}
}

func accounts(r *http.Request) string {
	token, _ := binding.TokenFromContext(r.Context()) // it is there: the guard has admitted the request
	return "the accounts of " + token.ClientID() + "\n"
}
