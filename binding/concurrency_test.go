package binding_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// K/275: one guard, 1,000 goroutines, each with a client and a token of its own: every answer is that of its own request.
func TestOneGuardForManyGoroutines(t *testing.T) {
	t.Parallel()
	const goroutines, requests, clients = 1_000, 4, 8
	var accepted, refusals atomic.Int64
	forwarded := &headerSource{names: []string{"X-Client-Cert"}}
	shared := &binding.Error{Reason: binding.ReasonTokenExpired, Cause: errors.New("shared"), Scopes: []string{"a"}}
	guard := newGuard(t, binding.Config{
		Certificates: forwarded, Realm: "r", Scopes: []string{"accounts"}, Audiences: []string{audience},
		Tokens: verifierFunc(func(ctx context.Context, token string) (*binding.Token, error) {
			if token == "expired" {
				return nil, shared
			}
			return plain{}.VerifyToken(ctx, token)
		}),
		Authorize: func(_ context.Context, token *binding.Token, c binding.Certificate) error {
			token.Scopes()[0] = "changed"
			if bound, _ := token.Thumbprint(); bound != c.Thumbprint {
				return errors.New("the certificate of another request")
			}
			return nil
		},
		Observe: func(_ context.Context, event binding.Event) {
			if event.Accepted() {
				accepted.Add(1)
				return
			}
			refusals.Add(1)
			event.Err.Reason, event.Err.Cause = "changed", nil
		},
		OnError: func(w http.ResponseWriter, _ *http.Request, refusal *binding.Error) { refusal.Scopes = nil },
	})
	certificates := make([]string, clients)
	tokens := make([]string, clients)
	leaves := make([]binding.Thumbprint, clients)
	for i := range clients {
		leaf := newCertificate(t, fmt.Sprintf("client-%d", i)).Leaf
		certificates[i], leaves[i] = base64Of(leaf), binding.ThumbprintOf(leaf)
		changes := boundTo(leaf)
		changes["client_id"] = fmt.Sprintf("client-%d", i)
		tokens[i] = bearer(claims(t, changes))
	}
	var group sync.WaitGroup
	start := make(chan struct{})
	failures := make(chan string, goroutines*requests)
	for g := range goroutines {
		group.Go(func() {
			<-start
			me, other := g%clients, (g+1)%clients
			for i := range requests {
				token, reason := tokens[me], binding.Reason("")
				if i%4 == 2 {
					token, reason = tokens[other], binding.ReasonThumbprintMismatch
				} else if i%4 == 3 {
					token, reason = "expired", binding.ReasonTokenExpired
				}
				r := request(token)
				r.Header.Set("X-Client-Cert", certificates[me])
				w, got := nest(r, guard, guard)
				switch {
				case reason == "" && (got == nil || w.Code != http.StatusNoContent):
					failures <- fmt.Sprintf("refused: %d", w.Code)
				case reason == "":
					if token, _ := binding.TokenFromContext(got.Context()); token.ClientID() != fmt.Sprintf("client-%d", me) {
						failures <- "the token of another request"
					}
				case got != nil || w.Code != http.StatusUnauthorized:
					failures <- fmt.Sprintf("accepted: %s", reason)
				default:
					_, err := guard.Check(r)
					refusal := binding.AsError(err)
					if refusal.Reason != reason {
						failures <- fmt.Sprintf("%s in place of %s", refusal.Reason, reason)
					}
					if reason == binding.ReasonThumbprintMismatch && (refusal.Expected != leaves[other] || refusal.Presented != leaves[me]) {
						failures <- "the thumbprints of another request"
					}
					refusal.Write(httptest.NewRecorder(), r)
				}
			}
		})
	}
	close(start)
	group.Wait()
	close(failures)
	for failure := range failures {
		require.Fail(t, failure)
	}
	require.EqualValues(t, goroutines*2*2, accepted.Load(), "two guards for each request that is accepted")
	require.EqualValues(t, goroutines*2*2, refusals.Load())
	require.Equal(t, &binding.Error{Reason: binding.ReasonTokenExpired, Cause: errors.New("shared"), Scopes: []string{"a"}}, shared)
}
