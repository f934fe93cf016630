package binding_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"regexp"

	"github.com/certbound/certbound/binding"
)

// An access is what the access log says of a request beside its line. The client of a refused one is whose token it was.
type access struct {
	id, client string
	reason     binding.Reason
}

type accessKey struct{}

// knowsClients is the guard's observer: it has the context of the request, and writes into its access what the guard found.
func knowsClients(ctx context.Context, event binding.Event) {
	if a, ok := ctx.Value(accessKey{}).(*access); ok {
		a.client, a.reason = cmp.Or(event.ClientID, a.client), event.Reason()
	}
}

// withAccessLog is middleware in front of the guard: refusals are in the log too, and bear the id.
func withAccessLog(logger *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &access{id: interactionID(r.Header)}
		w.Header().Set("X-Fapi-Interaction-Id", a.id)
		answer := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			logger.Info(r.Method+" "+r.URL.Path, "status", answer.status, "client", a.client, "reason", a.reason, "id", a.id)
		}()
		next.ServeHTTP(answer, r.WithContext(context.WithValue(r.Context(), accessKey{}, a)))
	})
}

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// interactionID is the client's, if that is a UUID and nothing else, or a new one (FAPI 1.0 Baseline §6.2.1).
func interactionID(header http.Header) string {
	if sent := header.Values("X-Fapi-Interaction-Id"); len(sent) == 1 && uuid.MatchString(sent[0]) {
		return sent[0]
	}
	var b [16]byte
	_, _ = rand.Read(b[:])                      // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // RFC 9562 §5.4
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// statusWriter remembers the status. Unwrap lets handlers flush and hijack.
type statusWriter struct {
	http.ResponseWriter

	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// An access log, and a request id (x-fapi-interaction-id), stand in front of the guard and yet know whose requests these
// are: the observer tells them.
func ExampleConfig_accessLog() {
	certificate, _ := exampleClient()
	tokens := opaque{"good": fmt.Sprintf(`{%s,"client_id":"app-7","cnf":{"x5t#S256":%q}}`, alice, binding.ThumbprintOf(certificate))}
	guard, err := binding.New(binding.Config{Tokens: tokens, Observe: knowsClients})
	if err != nil {
		log.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTimes}))
	api := withAccessLog(logger, protect(guard, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, "accounts")
	}))
	from := func(id string) http.Handler { // a client that sends the id
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("X-Fapi-Interaction-Id", id)
			api.ServeHTTP(w, r)
		})
	}
	const id = "93bac548-d2de-4546-b106-880a5018460d"
	fmt.Println(send(from(id), "good", certificate).Header()["X-Fapi-Interaction-Id"])
	fmt.Println(send(from(id), "good").Header()["X-Fapi-Interaction-Id"])
	fmt.Println(uuid.MatchString(interactionID(http.Header{"X-Fapi-Interaction-Id": {id + "\nanother line"}})))
	// Output:
	// level=INFO msg="GET /accounts" status=200 client=app-7 reason="" id=93bac548-d2de-4546-b106-880a5018460d
	// [93bac548-d2de-4546-b106-880a5018460d]
	// level=INFO msg="GET /accounts" status=401 client=app-7 reason=certificate_missing id=93bac548-d2de-4546-b106-880a5018460d
	// [93bac548-d2de-4546-b106-880a5018460d]
	// true
}
