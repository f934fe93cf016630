package bindingtest_test

import (
	"fmt"
	"log"
	"net/http"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// newAPI is an API in net/http: what you have.
func newAPI(tokens binding.TokenVerifier) http.Handler {
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /accounts", func(w http.ResponseWriter, r *http.Request) {
		token, _ := binding.TokenFromContext(r.Context())
		_, _ = fmt.Fprintf(w, "accounts of %s", token.Subject())
	})
	return bindhttp.Protect(guard)(mux)
}

// An API in net/http, and what a test of it looks like. In a test, t.Fatal comes in place of log.Fatal.
func Example_netHTTP() {
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
	api := as.Serve(newAPI(tokens))
	defer api.Close()

	fmt.Println(call(as.BoundClient("alice"), api.URL+"/accounts"))
	fmt.Println(call(as.WronglyBoundClient("alice"), api.URL+"/accounts"))
	// Output:
	// 200 accounts of alice
	// 401 {"error":"invalid_token","error_description":"the access token is bound to another client certificate"}
}
