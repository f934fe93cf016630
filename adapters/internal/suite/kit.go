package suite

import (
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/bindingtest/conformance"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

// Why a row's requests are refused, one row a line: its number and the reasons.
//
//go:embed testdata/reasons.tsv
var reasonsText string

// kit sends every token that the public conformance kit has through the
// framework, over both versions of HTTP: what a user's server is asked is what
// our adapters are. Each visit of the handler is counted, every token is a
// secret of the log, and a row is refused for its own reasons and no other.
func (s *suite) kit(t *testing.T) {
	// One of them also wants nonces of DPoP proofs.
	for name, second := range map[string]bool{"HTTP 1": false, "HTTP 2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			probe, seen := new(Probe), new(reasons)
			conformance.Run(t, conformance.Config{
				Path: "/api/accounts", ScopePath: "/payments", HTTP2: second, DPoP: true, Origin: Audience, Nonces: second,
				StartWait: patience, KeyWait: patience, Timeout: patience, RemovedKeyAfter: patience,
				Visits: probe.count, Sent: s.sent,
				Observe: func(result conformance.Result) { seen.settle(t, result) },
			}, conformance.Handler(func(as *bindingtest.AuthorizationServer) (http.Handler, error) {
				tokens, err := jwks.New(jwks.Config{
					Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport(), Fresh: 5 * time.Second,
				})
				if err != nil {
					return nil, err
				}
				t.Cleanup(func() { _ = tokens.Close() })
				proofs, err := dpop.New(dpop.Config{Origins: []string{Audience}, RequireNonce: second})
				if err != nil {
					return nil, err
				}
				guard := Protect(s.Guard(t, binding.Config{Tokens: tokens, Proofs: proofs, Observe: seen.observe}))
				return s.build(s.Log,
					Route{Path: "/api/accounts", Steps: []Step{guard}, Handler: probe},
					Route{Path: "/payments", Steps: []Step{guard, RequireScopes("payments")}, Handler: probe}), nil
			}))
			t.Run("L/382 nothing of a proof in a log or an event", func(t *testing.T) {
				s.Log.check(t)
				require.NotContains(t, s.Log.String(), "evil.example", "an htu is in a log")
			})
		})
	}
}

// sent makes a secret of what the kit sent: tokens, proofs, and the jti and nonce of
// a proof (row 382).
func (s *suite) sent(field string) {
	s.Log.secret(field)
	parts := strings.Split(field, ".")
	if len(parts) != 3 || strings.Contains(field, " ") {
		return
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		ID    any `json:"jti"`
		Nonce any `json:"nonce"`
	}
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return
	}
	for _, value := range []any{claims.ID, claims.Nonce} {
		if text, isText := value.(string); isText {
			s.Log.secret(text)
		}
	}
}

// reasons are those of one case of the kit.
type reasons struct {
	mu   sync.Mutex
	seen []binding.Reason
}

func (r *reasons) observe(_ context.Context, event binding.Event) {
	if event.Err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, event.Err.Reason)
}

// settle compares what was seen with what the row's line allows.
func (r *reasons) settle(t *testing.T, result conformance.Result) {
	t.Helper()
	r.mu.Lock()
	seen := r.seen
	r.seen = nil
	r.mu.Unlock()
	if result.Row == 0 {
		return
	}
	for _, reason := range seen {
		switch {
		case reason == binding.ReasonKeyFetchLimited: // nobody has looked yet
			reason = binding.ReasonTokenKeyUnknown
		case reason == binding.ReasonKeysUnavailable && result.Start: // nor fetched
			continue
		}
		require.Contains(t, reasonsOf()[result.Row], string(reason), "the reason of %v", result.Case)
	}
}

var reasonsOf = sync.OnceValue(func() map[int][]string {
	rows := make(map[int][]string)
	for line := range strings.Lines(reasonsText) {
		cells := strings.Fields(line)
		if number, err := strconv.Atoi(cells[0]); err == nil {
			rows[number] = slices.Clone(cells[1:])
		}
	}
	return rows
})
