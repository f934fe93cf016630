package binding_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"

	"github.com/certbound/certbound/binding"
)

// requestAttrs are what a log says of every request, in its context.
type requestAttrs struct{}

// named is middleware in front of the guard that puts them there.
func named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		attrs := []slog.Attr{
			slog.String("route", r.Method+" "+r.URL.Path),
			slog.String("remote", r.RemoteAddr),
			slog.String("request", r.Header.Get("X-Request-Id")),
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestAttrs{}, attrs)))
	})
}

// withRequest is a slog.Handler that adds them to each record of the request's context.
type withRequest struct{ slog.Handler }

func (h withRequest) Handle(ctx context.Context, record slog.Record) error {
	if attrs, ok := ctx.Value(requestAttrs{}).([]slog.Attr); ok {
		record.AddAttrs(attrs...)
	}
	return h.Handler.Handle(ctx, record)
}

// The observer gets the request's context: so a handler of your logger can add the route, the remote address and the
// request's id to what is told of a decision.
func ExampleLogEvents_request() {
	_, tokens := exampleClient()
	logger := slog.New(withRequest{slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTimes})})
	guard, err := binding.New(binding.Config{Tokens: tokens, Observe: binding.LogEvents(logger)})
	if err != nil {
		log.Fatal(err)
	}
	accounts := named(protect(guard, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "accounts") }))
	send(accounts, "unbound")
	// Output:
	// level=WARN msg="request refused" reason=token_unbound status=401 iss=https://auth.bank.example route="GET /accounts" remote=192.0.2.1:1234 request=""
}
