package suite

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// onError is Config.OnError: the body is its own, the status and the header
// fields of the refusal are not, whatever it tries.
func (s *suite) onError(t *testing.T) {
	type writer func(http.ResponseWriter, *http.Request, *binding.Error)
	good := s.Good(t, "accounts")
	for _, row := range []struct {
		name    string
		onError writer
		body    string
	}{
		{"writes a body", func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) { _, _ = io.WriteString(w, "no") }, "no"},
		{"writes it in pieces", func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) {
			_, _ = io.WriteString(w, "n")
			_, _ = io.WriteString(w, "o")
		}, "no"},
		{"writes nothing", func(http.ResponseWriter, *http.Request, *binding.Error) {}, ""},
		{"says what the refusal is", func(w http.ResponseWriter, _ *http.Request, e *binding.Error) {
			_ = json.NewEncoder(w).Encode(e.Code() != "" || e.StatusCode() == http.StatusUnauthorized)
		}, "true\n"},
		{"sets another status", func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) {
			w.WriteHeader(http.StatusOK)
			_, _ = io.WriteString(w, "welcome")
		}, "welcome"},
		{"sets another status and writes nothing", func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) {
			w.WriteHeader(http.StatusNoContent)
		}, ""},
		{"sets a status twice", func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusOK)
			_, _ = io.WriteString(w, "no")
		}, "no"},
		{"takes the header fields away before it writes", func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) {
			clear(w.Header())
			w.Header().Set("Cache-Control", "public, max-age=3600")
			w.Header().Set("WWW-Authenticate", "Basic")
			_, _ = io.WriteString(w, "no")
		}, "no"},
		{"takes the header fields away behind the status", func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) {
			w.WriteHeader(http.StatusOK)
			clear(w.Header())
			w.Header().Set("Cache-Control", "public, max-age=3600")
			_, _ = io.WriteString(w, "no")
		}, "no"},
		{"takes the header fields away and writes nothing", func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) {
			w.WriteHeader(http.StatusOK)
			clear(w.Header())
		}, ""},
		{"changes the refusal", func(w http.ResponseWriter, _ *http.Request, e *binding.Error) {
			e.Reason, e.Cause = binding.ReasonForbidden, nil
			for i := range e.Scopes {
				e.Scopes[i] = "anything"
			}
			_, _ = io.WriteString(w, "no")
		}, "no"},
		{"hands over to http.Error", func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) {
			http.Error(w, "no", http.StatusTeapot)
		}, "no\n"},
		{"hands over to a redirect", func(w http.ResponseWriter, r *http.Request, _ *binding.Error) {
			http.Redirect(w, r, "https://evil.example/", http.StatusFound)
		}, "<a href=\"https://evil.example/\">Found</a>.\n\n"},
		{"looks for another way to the connection", func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) {
			if _, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_, _ = io.WriteString(w, "hijacked")
			}
			_, flushes := w.(http.Flusher)
			_ = json.NewEncoder(w).Encode(flushes)
		}, "false\n"},
	} {
		site := s.serve(t, Protect(s.Guard(t, binding.Config{OnError: row.onError, Realm: "bank"})), RequireScopes("payments"))
		for _, refused := range []struct {
			name    string
			request Request
			want    Answer
		}{
			{"no credentials", Request{}, NoCredentials},
			{"another certificate", Bearer(s.Other, good), OtherCertificate},
			{"no scope", Bearer(s.Holder, good), MissesScopes("payments")},
		} {
			t.Run(row.name+", "+refused.name, func(t *testing.T) {
				t.Parallel()
				want := refused.want
				want.Realm = "bank"
				for _, version := range []int{1, 2} {
					s.checkBody(t, site, refused.request, want, version, row.body)
				}
			})
		}
		t.Run(row.name+", accepted", func(t *testing.T) {
			t.Parallel()
			site.Check(t, site.Probe, Bearer(s.Holder, s.Good(t)), OK)
		})
	}

	t.Run("503 keeps Retry-After and has no challenge", func(t *testing.T) {
		t.Parallel()
		config := verifies(nil, nil)
		config.OnError = func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) {
			w.Header().Del("Retry-After")
			w.Header().Set("WWW-Authenticate", "Basic")
			_, _ = io.WriteString(w, "later")
		}
		s.checkBody(t, s.guarded(t, config), Bearer(s.Holder, good), Unavailable("5"), 1, "later")
	})

	t.Run("the inner guard's OnError answers", func(t *testing.T) {
		t.Parallel()
		says := func(text string, scopes ...string) Step {
			return Protect(s.Guard(t, binding.Config{Scopes: scopes, OnError: func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) {
				_, _ = io.WriteString(w, text)
			}}))
		}
		site := s.serve(t, says("outer"), says("inner", "accounts"), RequireScopes("payments"))
		s.checkBody(t, site, Bearer(s.Other, good), OtherCertificate, 1, "outer")
		s.checkBody(t, site, Bearer(s.Holder, s.Good(t, "payments")), MissesScopes("accounts"), 1, "inner")
		s.checkBody(t, site, Bearer(s.Holder, good), MissesScopes("payments"), 1, "inner")
	})
}

// checkBody is Check with another body, empty or not.
func (s *suite) checkBody(t *testing.T, site site, request Request, want Answer, version int, body string) {
	t.Helper()
	client := request.Client
	if client == nil {
		client = s.Nobody
	}
	id := s.newCase(request.Authorization...)
	sent := request.build(t, site.URL, id)
	response, err := client.HTTP(version).Transport.RoundTrip(sent)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	got, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, want.Status, response.StatusCode)
	assert.Equal(t, body, string(got))
	assert.Equal(t, want.Challenges(), response.Header.Values("WWW-Authenticate"))
	assert.Equal(t, []string{"no-store"}, response.Header.Values("Cache-Control"))
	want.assertRetryAfter(t, response.Header.Values("Retry-After"))
	site.Probe.assert(t, id, want)
}
