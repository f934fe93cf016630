// The same server, whose tokens golang-jwt verifies still and a guard judges.
package main

import (
	"context"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
)

func main() {
	keys, err := keyfunc.NewDefault([]string{"https://auth.bank.example/jwks"})
	if err != nil {
		log.Fatal(err)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}))
	guard, err := binding.New(binding.Config{
		Tokens: binding.TokenVerifierFunc(func(_ context.Context, token string) (*binding.Token, error) {
			if _, err := parser.Parse(token, keys.Keyfunc); err != nil {
				return nil, &binding.Error{Reason: binding.ReasonTokenInvalid}
			}
			payload, err := parser.DecodeSegment(strings.Split(token, ".")[1])
			if err != nil {
				return nil, &binding.Error{Reason: binding.ReasonTokenInvalid}
			}
			claims, err := binding.ParseClaims(payload)
			if err != nil {
				return nil, err
			}
			return claims.Validate(binding.Expect{
				Issuer: "https://auth.bank.example", Audiences: []string{"https://api.bank.example"}, Now: time.Now(),
			})
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Addr: ":8443", ReadHeaderTimeout: 10 * time.Second, TLSConfig: binding.TLSConfig(nil),
		Handler: bindhttp.Protect(guard)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})),
	}
	log.Fatal(server.ListenAndServeTLS("server.pem", "server-key.pem"))
}
