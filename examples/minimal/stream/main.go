// Command stream is a protected stream of server-sent events. A guard checks a
// request when it comes in: a stream goes on until the handler ends it, and this
// one ends when its token does.
//
//	ISSUER=https://auth.bank.example AUDIENCE=https://api.bank.example \
//	TLS_CERT=api.pem TLS_KEY=api-key.pem ADDRESS=127.0.0.1:8443 go run ./examples/minimal/stream
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

func main() {
	tokens, err := jwks.New(jwks.Config{
		Issuer:    os.Getenv("ISSUER"),
		Audiences: []string{os.Getenv("AUDIENCE")},
	})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /payments", payments)

	server := &http.Server{
		Addr:              os.Getenv("ADDRESS"),
		Handler:           bindhttp.Protect(guard)(mux),
		TLSConfig:         binding.TLSConfig(nil), // asks clients for a certificate
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.ListenAndServeTLS(os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY")))
}

// payments ends at the token's exp, or when the client goes. An opaque token may
// have no exp: then Expiry is in the past, and the stream needs an end of yours.
func payments(w http.ResponseWriter, r *http.Request) {
	token, _ := binding.TokenFromContext(r.Context()) // it is there: the guard has admitted the request
	ctx, cancel := context.WithDeadline(r.Context(), token.Expiry())
	defer cancel()
	events := time.NewTicker(100 * time.Millisecond) // what happens in the bank
	defer events.Stop()

	w.Header().Set("Content-Type", "text/event-stream")
	stream := http.NewResponseController(w)
	for {
		select {
		case <-events.C:
			fmt.Fprintf(w, "data: a payment to %s\n\n", token.Subject())
			if err := stream.Flush(); err != nil {
				return
			}
		case <-ctx.Done():
			fmt.Fprint(w, "event: expired\ndata:\n\n") // the client comes again, with a new token
			return
		}
	}
}
