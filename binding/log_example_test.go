package binding_test

import (
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
)

// A thief who tries three times is one record. The count follows with the first decision after a minute.
func ExampleLogEvents() {
	_, tokens := exampleClient()
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTimes}))
	guard, err := binding.New(binding.Config{Tokens: tokens, Observe: binding.LogEvents(logger)})
	if err != nil {
		log.Fatal(err)
	}
	accounts := bindhttp.Protect(guard)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "the accounts")
	}))
	for range 3 {
		send(accounts, "good") // stolen, and no certificate
	}
	// Output:
	// level=WARN msg="request refused" reason=certificate_missing status=401 method=GET path=/accounts peer=192.0.2.1 iss=https://auth.bank.example cause="binding: the TLS handshake brought no client certificate: the client has none to present, or the server did not ask for one: serve TLS with binding.TLSConfig"
}

// withoutTimes leaves out what is another in each run.
func withoutTimes(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey || a.Key == "duration" {
		return slog.Attr{}
	}
	return a
}
