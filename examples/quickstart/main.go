// Command quickstart tells the whole story in one process. A thief has stolen an
// access token: an API that takes bearer tokens serves them. Then the
// authorization server binds the token to its client's certificate (RFC 8705),
// or to its key (RFC 9449), and the API asks for proof of possession: the client
// is served, and the thief gets nowhere.
//
//	go run ./examples/quickstart
//
// Everything listens on loopback and is real: TLS, certificates, tokens, keys.
// It exits with 1 if any answer is not as it should be. The same story is told
// with other frameworks by the commands in the folders echo and gin.
package main

import (
	"fmt"
	"net/http"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/examples/quickstart/internal/story"
)

func main() { story.Main("net/http", newAPI) }

// newAPI is the protected API: this is what a user of the library writes.
func newAPI(guard *binding.Guard) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /accounts", func(w http.ResponseWriter, r *http.Request) {
		token, _ := binding.TokenFromContext(r.Context()) // it is there: the guard has admitted the request
		fmt.Fprintln(w, "the accounts of", token.ClientID())
	})
	mux.Handle("GET /payments", bindhttp.RequireScopes("payments")(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, "no payments")
		})))
	return bindhttp.Protect(guard)(mux)
}
