package binding_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
)

// panickers are guards of which one function of the application's panics with v, when it is asked.
func panickers(v any) map[string]binding.Config {
	return map[string]binding.Config{
		"TokenVerifier": {Tokens: verifierFunc(func(context.Context, string) (*binding.Token, error) { panic(v) })},
		"CertificateSource": {Certificates: &source{find: func(*http.Request) (binding.Certificate, error) {
			panic(v)
		}}},
		"Authorize": {Authorize: func(context.Context, *binding.Token, binding.Certificate) error { panic(v) }},
		"Observe":   {Observe: func(context.Context, binding.Event) { panic(v) }},
	}
}

// K/268: a panic is a refusal, no handler runs, and its value and stack are in no answer.
func TestPanicIsARefusal(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	token := bearer(claims(t, boundTo(certificate)))
	for kind, v := range map[string]any{
		"string": "canary", "error": errors.New("canary"), "nil": nil, "not comparable": []string{"canary"},
		"an Error that looks like a pass": &binding.Error{}, "a nil *Error": (*binding.Error)(nil),
	} {
		for name, config := range panickers(v) {
			t.Run("K/268 "+name+", "+kind, func(t *testing.T) {
				t.Parallel()
				guard := newGuard(t, config)
				got, err := guard.Check(request(token, certificate))
				require.Nil(t, got)
				requireRefused(t, err, binding.ReasonPanicked, 500)
				var panicked *binding.PanicError
				require.ErrorAs(t, err, &panicked)
				if v == nil {
					require.ErrorContains(t, panicked, "*runtime.PanicNilError")
				} else {
					require.Equal(t, v, panicked.Value)
				}
				require.Contains(t, string(panicked.Stack), "panic_test.go")
				require.NotContains(t, panicked.Error(), "canary")
				require.NotContains(t, err.Error(), "canary")

				w := httptest.NewRecorder()
				bindhttp.Protect(guard)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
					t.Error("the handler ran")
				})).ServeHTTP(w, request(token, certificate))
				require.Equal(t, 500, w.Code)
				require.Empty(t, w.Header().Get("WWW-Authenticate"))
				require.JSONEq(t, `{"error":"server_error","error_description":"the resource server failed"}`, w.Body.String())
			})
		}
	}
}

// Old programs can have a panic(nil) that leaves nothing to recover. Not parallel, for the setting is the whole process's.
func TestPanicWithNothingToRecoverIsARefusal(t *testing.T) {
	t.Setenv("GODEBUG", "panicnil=1")
	certificate := newCertificate(t, "client-1").Leaf
	for name, config := range panickers(nil) {
		t.Run(name, func(t *testing.T) {
			guard := newGuard(t, config)
			got, err := guard.Check(request(bearer(claims(t, boundTo(certificate))), certificate))
			require.Nil(t, got)
			requireRefused(t, err, binding.ReasonPanicked, 500)
			var panicked *binding.PanicError
			require.ErrorAs(t, err, &panicked)
			require.Nil(t, panicked.Value)
		})
	}
}

// http.ErrAbortHandler asks net/http to drop the connection. It goes on, and no handler runs either.
func TestErrAbortHandlerGoesOn(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	for name, config := range panickers(http.ErrAbortHandler) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handler := bindhttp.Protect(newGuard(t, config))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				t.Error("the handler ran")
			}))
			w := httptest.NewRecorder()
			require.PanicsWithValue(t, http.ErrAbortHandler, func() {
				handler.ServeHTTP(w, request(bearer(claims(t, boundTo(certificate))), certificate))
			})
			require.False(t, w.Flushed)
			require.Empty(t, w.Body.String())
		})
	}
}

// An observer that panics on a refusal turns it into 500, and not into a pass.
func TestObserverThatPanicsOnARefusal(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, binding.Config{
		Policy: binding.DangerouslyAcceptUnbound,
		Observe: func(_ context.Context, event binding.Event) {
			if !event.Accepted() {
				panic("canary")
			}
		},
	})
	_, err := guard.Check(withFields(nil))
	requireRefused(t, err, binding.ReasonPanicked, 500)
	admitted, err := guard.Admit(request(bearer(claims(t, nil))))
	require.NoError(t, err)
	err = binding.CheckScopes(admitted.Context(), "admin")
	requireRefused(t, err, binding.ReasonPanicked, 500)
	require.NoError(t, binding.CheckScopes(admitted.Context(), "accounts"))
}

// noNonce is a ProofVerifier whose Nonce panics.
type noNonce struct{ proofs }

func (*noNonce) Nonce() string { panic("canary") }

// A nonce is asked for where the answer is decided: without one it is the same answer.
func TestPanicInNonceChangesNoDecision(t *testing.T) {
	t.Parallel()
	token := bearer(claims(t, boundToKey("alice", nil)))
	for name, row := range map[string]struct {
		proof string
		want  int
	}{
		"K/268 Nonce, a refused request":            {"", 401},
		"K/268 Nonce, a proof whose nonce is wrong": {"old-nonce", 401},
		"K/268 Nonce, an admitted request":          {"alice stale", 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			bindhttp.Protect(newGuard(t, binding.Config{Proofs: new(noNonce)}))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).
				ServeHTTP(w, dpopRequest("DPoP", token, row.proof))
			require.Equal(t, row.want, w.Code)
			require.NotContains(t, w.Header(), http.CanonicalHeaderKey("DPoP-Nonce"))
			require.Equal(t, row.want == 401, w.Header().Get("WWW-Authenticate") != "")
		})
	}
}
