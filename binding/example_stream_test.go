package binding_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/certbound/certbound/binding"
)

// A guard checks a request when it comes in. A stream of events (server-sent events, a WebSocket) ends when its token does.
func ExampleToken_Expiry() {
	certificate, tokens := exampleClient()
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	payments := make(chan string, 1)
	payments <- "data: a payment\n\n"
	stream := protect(guard, func(w http.ResponseWriter, r *http.Request) {
		token, _ := binding.TokenFromContext(r.Context())
		ctx, cancel := context.WithDeadline(r.Context(), endOfStream(token.Expiry()))
		defer cancel()
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			select {
			case payment := <-payments:
				_, _ = fmt.Fprint(w, payment)
				_ = http.NewResponseController(w).Flush()
			case <-ctx.Done():
				_, _ = fmt.Fprint(w, "event: expired\n\n") // the client comes again, with a new token
				return
			}
		}
	})
	fmt.Print(send(stream, "good", certificate).Body)
	// Output:
	// data: a payment
	//
	// event: expired
}

// endOfStream is the token's end; the example does not wait for it. A token that an authorization server was asked about
// may have none: such a stream needs an end of your own.
func endOfStream(time.Time) time.Time { return time.Now().Add(20 * time.Millisecond) }
