// Command tenants is a protected API of several tenants, each with an issuer of
// its own. A token opens what is its own tenant's, and nothing of another's.
//
//	TENANTS='{"bank": "https://auth.bank.example", "shop": "https://auth.shop.example"}' \
//	AUDIENCE=https://api.example \
//	TLS_CERT=api.pem TLS_KEY=api-key.pem ADDRESS=127.0.0.1:8443 go run ./examples/minimal/tenants
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

func main() {
	var issuers map[string]string // by tenant; a table of a database, where tenants come and go
	if err := json.Unmarshal([]byte(os.Getenv("TENANTS")), &issuers); err != nil {
		log.Fatal(err)
	}
	tokens, err := jwks.ByIssuerFunc(jwks.IssuersConfig{
		Config: func(_ context.Context, issuer string) (jwks.Config, error) {
			if !slices.Contains(slices.Collect(maps.Values(issuers)), issuer) {
				return jwks.Config{}, &binding.Error{Reason: binding.ReasonTokenIssuer} // an error of the database's is 503
			}
			return jwks.Config{Issuer: issuer, Audiences: []string{os.Getenv("AUDIENCE")}}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.Handle("GET /{tenant}/accounts", bindhttp.Protect(guard)(ofTenant(issuers, accounts)))

	server := &http.Server{
		Addr:              os.Getenv("ADDRESS"),
		Handler:           mux,
		TLSConfig:         binding.TLSConfig(nil), // asks clients for a certificate
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.ListenAndServeTLS(os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY")))
}

// ofTenant is what makes tenants of issuers: the guard has admitted a token of
// any of them.
func ofTenant(issuers map[string]string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, ok := binding.TokenFromContext(r.Context())
		if issuer, known := issuers[r.PathValue("tenant")]; !ok || !known || token.Issuer() != issuer {
			http.Error(w, "not of this tenant", http.StatusForbidden) // also for a tenant that there is not
			return
		}
		next(w, r)
	}
}

func accounts(w http.ResponseWriter, r *http.Request) {
	token, _ := binding.TokenFromContext(r.Context()) // it is there: the guard has admitted the request
	fmt.Fprintf(w, "the accounts of %s at %s\n", token.Subject(), r.PathValue("tenant"))
}
