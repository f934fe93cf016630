package binding_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/certbound/certbound/binding"
)

// requestID is the key of the request's id, in its context.
type requestID struct{}

var served atomic.Int64

// identified is middleware in front of the guard that puts it there.
func identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := strconv.FormatInt(served.Add(1), 10)
		w.Header().Set("X-Request-Id", id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestID{}, id)))
	})
}

// withRequest is a slog.Handler that adds it to each record of the request's context.
type withRequest struct{ slog.Handler }

func (h withRequest) Handle(ctx context.Context, record slog.Record) error {
	if id, ok := ctx.Value(requestID{}).(string); ok {
		record.AddAttrs(slog.String("request", id))
	}
	return h.Handler.Handle(ctx, record)
}

// The observer gets the request's context: so a handler of your logger can add the request's id, and whatever else your
// middleware knows of it, to what is told of a decision.
func ExampleLogEvents_request() {
	_, tokens := exampleClient()
	logger := slog.New(withRequest{slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTimes})})
	guard, err := binding.New(binding.Config{Tokens: tokens, Observe: binding.LogEvents(logger)})
	if err != nil {
		log.Fatal(err)
	}
	accounts := identified(protect(guard, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "accounts") }))
	send(accounts, "unbound")
	// Output:
	// level=WARN msg="request refused" reason=token_unbound status=401 method=GET path=/accounts peer=192.0.2.1 iss=https://auth.bank.example request=1
}
