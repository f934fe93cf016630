// Command gin tells the story of the quickstart with an API of gin:
//
//	go run ./examples/quickstart/gin
package main

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/certbound/certbound/adapters/bindgin"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/examples/quickstart/internal/story"
)

func main() { story.Main("gin", newAPI) }

func newAPI(guard *binding.Guard) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(bindgin.Protect(guard))
	r.GET("/accounts", func(c *gin.Context) {
		token, _ := binding.TokenFromContext(c.Request.Context())
		c.String(http.StatusOK, "the accounts of "+token.ClientID()+"\n")
	})
	r.GET("/payments", bindgin.RequireScopes("payments"), func(c *gin.Context) {
		c.String(http.StatusOK, "no payments\n")
	})
	return r
}
