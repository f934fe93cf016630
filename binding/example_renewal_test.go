package binding_test

import (
	"fmt"
	"log"
	"net/http"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// A renewed certificate, also for the same key pair, needs a new connection and a new token: see renewal.md.
func ExampleTLSConfig_renewedCertificate() {
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
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	api := as.Serve(bindhttp.Protect(guard)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	defer api.Close()

	first, err := as.NewClientCertificate("client-1")
	if err != nil {
		log.Fatal(err)
	}
	renewed, err := as.RenewClientCertificate(first)
	if err != nil {
		log.Fatal(err)
	}
	boundToFirst := bindingtest.TokenSpec{Certificate: first.Leaf}
	boundToRenewed := bindingtest.TokenSpec{Certificate: renewed.Leaf}
	for _, client := range []*http.Client{
		as.ClientFor(boundToFirst, first),
		as.ClientFor(boundToFirst, renewed),
		as.ClientFor(boundToRenewed, first), // as over a connection that is kept alive
		as.ClientFor(boundToRenewed, renewed),
	} {
		response, err := client.Get(api.URL)
		if err != nil {
			log.Fatal(err)
		}
		_ = response.Body.Close()
		fmt.Println(response.StatusCode)
	}
	// Output:
	// 200
	// 401
	// 401
	// 200
}
