package suite

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// unavailable is trouble of our own: 503 with Retry-After and without a
// challenge, and never a token that gets through.
func (s *suite) unavailable(t *testing.T) {
	t.Run("the issuer is down", func(t *testing.T) {
		t.Parallel()
		f := NewFixture(t)
		f.AS.Close()
		site := s.serveIn(t, f, Protect(f.Guard(t, binding.Config{Tokens: f.Verifier(t)})))
		site.Check(t, site.Probe, Bearer(f.Holder, f.Good(t)), Unavailable("any"))
		site.Check(t, site.Probe, Bearer(f.Nobody, f.Good(t)), Unavailable("any"))
		// What is wrong without any key is wrong now.
		site.Check(t, site.Probe, Bearer(f.Holder, "x.y.z"), Malformed)
		site.Check(t, site.Probe, Request{}, NoCredentials)
	})

	t.Run("the key set is not to be had", func(t *testing.T) {
		t.Parallel()
		f := NewFixture(t)
		f.AS.Handle(bindingtest.JWKSPath, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
		site := s.serveIn(t, f, Protect(f.Guard(t, binding.Config{Tokens: f.Verifier(t)})))
		site.Check(t, site.Probe, Bearer(f.Holder, f.Good(t)), Unavailable("any"))
	})

	t.Run("the verifier was closed", func(t *testing.T) {
		t.Parallel()
		f := NewFixture(t)
		site := s.serveIn(t, f, Protect(f.Guard(t, binding.Config{})))
		good := f.Good(t)
		site.Check(t, site.Probe, Bearer(f.Holder, good), OK)
		if err := f.Tokens.Close(); err != nil {
			t.Fatal(err)
		}
		site.Check(t, site.Probe, Bearer(f.Holder, good), Unavailable("any"))
	})

	for _, row := range []struct {
		name   string
		config binding.Config
		want   Answer
	}{
		{"a verifier that fails", verifies(nil, errors.New("no database")), Unavailable("5")},
		{"a verifier that says when to come back", verifies(nil, &binding.Error{Reason: binding.ReasonUnavailable, RetryAfter: 7500 * time.Millisecond}), Unavailable("8")},
		{"a verifier that wraps a refusal", verifies(nil, fmt.Errorf("mine: %w", &binding.Error{Reason: binding.ReasonTokenExpired})), Expired},
		{"a verifier that returns nothing", verifies(nil, nil), Unavailable("5")},
		{"a verifier that returns the zero Token", verifies(new(binding.Token), nil), Unavailable("5")},
		{"a verifier that makes up a reason", verifies(nil, &binding.Error{Reason: "granted"}), Failed},
		{"a verifier that gives no reason", verifies(nil, new(binding.Error)), Failed},
		{"a rule that cannot be applied", rule(&binding.Error{Reason: binding.ReasonUnavailable}), Unavailable("5")},
		{"a rule that knows the token as revoked", rule(fmt.Errorf("mine: %w", &binding.Error{Reason: binding.ReasonTokenRevoked})), Revoked},
		{"a rule that forbids", rule(errors.New("not you")), Forbidden},
		{"a rule that allows", rule(nil), OK},
		{"a source that cannot read", binding.Config{Certificates: &sourceFunc{func() (binding.Certificate, error) {
			return binding.Certificate{}, errors.New("unreadable")
		}}}, UnreadableHeader},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			site := s.guarded(t, row.config)
			site.Check(t, site.Probe, Bearer(s.Holder, s.Good(t)), row.want)
		})
	}

	t.Run("no guard", func(t *testing.T) {
		t.Parallel()
		for _, guard := range []*binding.Guard{nil, new(binding.Guard)} {
			site := s.serve(t, Protect(guard))
			site.Check(t, site.Probe, Bearer(s.Holder, s.Good(t)), Misconfigured)
			site.Check(t, site.Probe, Request{}, Misconfigured)
		}
	})
}

func verifies(token *binding.Token, err error) binding.Config {
	return binding.Config{Tokens: verifierFunc(func() (*binding.Token, error) { return token, err })}
}

func rule(err error) binding.Config {
	return binding.Config{Authorize: func(context.Context, *binding.Token, binding.Certificate) error { return err }}
}
