package bindingtest_test

import (
	"crypto/tls"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/certbound/certbound/adapters/bindgin"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// newGin is an API in gin: what you have.
func newGin(tokens binding.TokenVerifier) *gin.Engine {
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(bindgin.Protect(guard))
	r.GET("/accounts", func(c *gin.Context) {
		token, _ := binding.TokenFromContext(c.Request.Context())
		c.String(http.StatusOK, "accounts of "+token.Subject())
	})
	return r
}

// An API in gin, and what a test of it looks like. In a test, t.Fatal comes in place of log.Fatal.
func Example_gin() {
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
	api := as.Serve(newGin(tokens))
	defer api.Close()

	fmt.Println(call(as.BoundClient("alice", "accounts"), api.URL+"/accounts"))

	// Any token with any certificate: here one that expired, and one without a binding.
	certificate, err := as.NewClientCertificate("alice")
	if err != nil {
		log.Fatal(err)
	}
	expired := as.ClientFor(bindingtest.TokenSpec{Certificate: certificate.Leaf, ExpiresIn: -time.Hour}, certificate)
	fmt.Println(call(expired, api.URL+"/accounts"))
	unbound := as.ClientFor(bindingtest.TokenSpec{}, tls.Certificate{})
	fmt.Println(call(unbound, api.URL+"/accounts"))
	// Output:
	// 200 accounts of alice
	// 401 {"error":"invalid_token","error_description":"the access token expired"}
	// 401 {"error":"invalid_token","error_description":"the access token is not bound to a client certificate"}
}
