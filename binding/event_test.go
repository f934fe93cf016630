package binding_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

func TestObserveGetsOneEventForEachDecision(t *testing.T) {
	t.Parallel()
	leaf, another := newCertificate(t, "client-1").Leaf, newCertificate(t, "client-2").Leaf
	bound := bearer(claims(t, boundTo(leaf)))
	named := binding.Event{Issuer: issuer, ClientID: "client-1", Binding: "certificate"}
	with := func(reason binding.Reason) binding.Event {
		event := named
		event.Err = &binding.Error{Reason: reason}
		return event
	}
	mismatch := with(binding.ReasonThumbprintMismatch)
	mismatch.Err.Expected, mismatch.Err.Presented = binding.ThumbprintOf(leaf), binding.ThumbprintOf(another)
	unbound := with(binding.ReasonTokenUnbound)
	unbound.Binding = "none"
	for name, test := range map[string]struct {
		r      *http.Request
		config binding.Config
		want   binding.Event
	}{
		"accepted":             {request(bound, leaf), binding.Config{}, named},
		"accepted, unbound":    {request(bearer(claims(t, nil))), binding.Config{Policy: binding.DangerouslyAcceptUnbound}, binding.Event{Issuer: issuer, ClientID: "client-1", Binding: "none"}},
		"accepted, by key":     {dpopRequest("DPoP", bearer(claims(t, boundToKey("alice", nil))), "alice"), binding.Config{Proofs: new(proofs)}, binding.Event{Issuer: issuer, ClientID: "client-1", Binding: "key"}},
		"accepted, by both":    {dpopRequest("DPoP", bearer(claims(t, boundToKey("alice", leaf))), "alice", leaf), binding.Config{Proofs: new(proofs)}, binding.Event{Issuer: issuer, ClientID: "client-1", Binding: "both"}},
		"no credentials":       {withFields(nil), binding.Config{}, binding.Event{Err: &binding.Error{Reason: binding.ReasonCredentialsMissing}}},
		"mismatch":             {request(bound, another), binding.Config{}, mismatch},
		"no certificate":       {request(bound), binding.Config{}, with(binding.ReasonCertificateMissing)},
		"unbound":              {request(bearer(claims(t, nil))), binding.Config{}, unbound},
		"audience of a guard":  {request(bound, leaf), binding.Config{Audiences: []string{"x"}}, with(binding.ReasonTokenAudience)},
		"scope":                {request(bound, leaf), binding.Config{Scopes: []string{"admin"}}, with(binding.ReasonScopeMissing)},
		"the rule":             {request(bound, leaf), binding.Config{Authorize: func(context.Context, *binding.Token, binding.Certificate) error { return errors.New("no") }}, with(binding.ReasonForbidden)},
		"a panic in the rule":  {request(bound, leaf), binding.Config{Authorize: func(context.Context, *binding.Token, binding.Certificate) error { panic(1) }}, with(binding.ReasonPanicked)},
		"a panic in verifying": {request(bound, leaf), binding.Config{Tokens: verifierFunc(func(context.Context, string) (*binding.Token, error) { panic(1) })}, binding.Event{Err: &binding.Error{Reason: binding.ReasonPanicked}}},

		// Nobody's unsigned word: the claims of a token that its verifier refused, or failed on, are in no event.
		"expired":        {request(bearer(claims(t, members{"exp": 1}))), binding.Config{}, binding.Event{Err: &binding.Error{Reason: binding.ReasonTokenExpired}}},
		"another issuer": {request(bearer(claims(t, members{"iss": "https://evil.example"}))), binding.Config{}, binding.Event{Err: &binding.Error{Reason: binding.ReasonTokenIssuer}}},
		"verifier failed, and gave a token": {request(bound, leaf), binding.Config{Tokens: verifierFunc(func(context.Context, string) (*binding.Token, error) {
			return valid(t, claims(t, boundTo(leaf))), errors.New("no")
		})}, binding.Event{Err: &binding.Error{Reason: binding.ReasonUnavailable}}},
		"verifier refused, and gave a token": {request(bound, leaf), binding.Config{Tokens: verifierFunc(func(context.Context, string) (*binding.Token, error) {
			return valid(t, claims(t, boundTo(leaf))), &binding.Error{Reason: binding.ReasonTokenSignature}
		})}, binding.Event{Err: &binding.Error{Reason: binding.ReasonTokenSignature}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var events []binding.Event
			type key struct{}
			config := test.config
			config.Observe = func(ctx context.Context, event binding.Event) {
				require.Equal(t, "value", ctx.Value(key{}))
				events = append(events, event)
			}
			guard := newGuard(t, config)
			r := test.r.WithContext(context.WithValue(t.Context(), key{}, "value"))
			_, err := guard.Check(r)
			require.Len(t, events, 1)
			got := events[0]
			require.Equal(t, test.want.Accepted(), got.Accepted())
			require.Equal(t, test.want.Reason(), got.Reason())
			require.Equal(t, err == nil, got.Accepted())
			if err != nil {
				require.Equal(t, refusalOf(t, err), got.Err)
				require.Equal(t, test.want.Err.Expected, got.Err.Expected)
				require.Equal(t, test.want.Err.Presented, got.Err.Presented)
				test.want.Method, test.want.Path, test.want.Peer = test.r.Method, test.r.URL.Path, "192.0.2.1"
			}
			require.Positive(t, got.Duration)
			got.Err, got.Duration, test.want.Err = nil, 0, nil
			require.Equal(t, test.want, got)

			_, _ = guard.Admit(r)
			require.Len(t, events, 2)
		})
	}
}

// An event says how long the decision took, waiting included.
func TestDurationOfADecision(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got binding.Event
		guard := newGuard(t, binding.Config{
			Observe: func(_ context.Context, event binding.Event) { got = event },
			Tokens: verifierFunc(func(context.Context, string) (*binding.Token, error) {
				time.Sleep(3 * time.Second)
				return nil, &binding.Error{Reason: binding.ReasonTokenSignature}
			}),
		})
		_, err := guard.Check(request("t"))
		require.Error(t, err)
		require.Equal(t, 3*time.Second, got.Duration)
	})
}

// An Error without a reason of the list is a refusal for its observer, too.
func TestObserveOfARefusalWithoutAReason(t *testing.T) {
	t.Parallel()
	for _, reason := range []binding.Reason{"", "no such reason"} {
		var got binding.Event
		guard := refusing(t, binding.Config{Observe: func(_ context.Context, event binding.Event) { got = event }}, &binding.Error{Reason: reason})
		_, err := guard.Check(request("t"))
		require.Error(t, err)
		require.False(t, got.Accepted())
		require.Equal(t, 500, got.Err.StatusCode())
	}
}

// K/266: whatever way an event is written, no token, no signature and no certificate is in it.
func TestEventHoldsNoTokenAndNoCertificate(t *testing.T) {
	t.Parallel()
	leaf, another := newCertificate(t, "client-1").Leaf, newCertificate(t, "client-2").Leaf
	var log bytes.Buffer
	texts, structured := slog.New(slog.NewTextHandler(&log, nil)), slog.New(slog.NewJSONHandler(&log, nil))
	events := 0
	config := binding.Config{
		Scopes: []string{"accounts"},
		Observe: func(ctx context.Context, event binding.Event) {
			events++
			text, err := json.Marshal(event)
			require.NoError(t, err)
			fmt.Fprintf(&log, "%v %+v %#v %s\n", event, event, event, text)
			texts.InfoContext(ctx, "decision", "event", event, "err", event.Err)
			structured.InfoContext(ctx, "decision", "event", event, "err", event.Err)
			if event.Err != nil {
				fmt.Fprintf(&log, "%v %+v %#v %s %s\n", event.Err, event.Err, event.Err, challengeOf(t, event.Err), event.Err.Description())
			}
		},
	}
	guard := newGuard(t, config)
	var canaries []string
	for _, changes := range []members{
		boundTo(leaf), nil, {"exp": 1}, {"scope": nil, "cnf": boundTo(leaf)["cnf"]}, {"cnf": null}, {"iss": "https://canary.example"},
	} {
		token := bearer(claims(t, changes))
		canaries = append(canaries, token[20:60], token[len(token)-40:])
		for _, r := range []*http.Request{request(token), request(token, leaf), request(token, another)} {
			r.URL.Path = "/" + token // a client may put it anywhere
			_, _ = guard.Check(r)
			r.Header.Set("Authorization", "Bearer "+token+", "+token)
			_, _ = guard.Check(r)
			r.Header.Set("Authorization", "Basic "+token)
			_, _ = guard.Check(r)
			r.Header["Authorization"] = []string{"Bearer " + token, "Bearer " + token}
			_, _ = guard.Check(r)
		}
	}
	require.Equal(t, 72, events)
	written := log.String()
	require.Contains(t, written, "thumbprint_mismatch")
	require.Contains(t, written, "credentials_malformed")
	require.Contains(t, written, "scope_missing")
	canaries = append(canaries, "canary", base64Of(leaf)[40:80], base64Of(another)[40:80], "alice",
		fmt.Sprintf("%x", leaf.Raw[:20]), strings.Trim(fmt.Sprint(leaf.Raw[:10]), "[]"))
	for _, canary := range canaries {
		require.NotContains(t, written, canary)
	}
}

// An accepted event prints no text of a refusal, however it is printed.
func TestAcceptedEventPrintsNoRefusal(t *testing.T) {
	t.Parallel()
	event := binding.Event{Issuer: issuer}
	var text strings.Builder
	logger := slog.New(slog.NewTextHandler(&text, nil))
	logger.Info("decision", "event", event, "err", event.Err)
	fmt.Fprintf(&text, "%v %+v %v %s", event, event, event.Err, event.Err)
	require.NotContains(t, text.String(), "refused")
	require.NotContains(t, text.String(), "nil *Error")
	require.Contains(t, text.String(), "err=<nil>")
	require.Empty(t, event.Reason())
}
