package suite

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// conduct is section K. Rows 265, 266, 270 and 271 are in every exchange of the
// suite besides: each answer is compared with a fixed text and must be
// no-store, nothing of a token may be in it, Log.check looks for every token
// and certificate in all that was written, and the Probe tells when a handler
// runs. Row 272 is the adapters' own tests'; row 277 is in streams, row 275 in
// load.
func (s *suite) conduct(t *testing.T) {
	s.hostileText(t)
	s.refusals(t)
	s.panics(t)

	t.Run("269 an unknown kid and a bad signature are answered alike", func(t *testing.T) {
		t.Parallel()
		f := NewFixture(t)
		site := s.serveIn(t, f, Protect(f.Guard(t, binding.Config{})))
		holder := f.Holder.Certificate.Leaf
		unknown := f.Token(t, bindingtest.TokenSpec{Certificate: holder, Header: map[string]any{"kid": "unknown"}})
		forged := f.Token(t, bindingtest.TokenSpec{Certificate: holder, ForgedSignature: true})
		site.Check(t, site.Probe, Bearer(f.Holder, forged), Unverifiable)
		site.check(t, site.Probe, Bearer(f.Holder, unknown), Unverifiable, 1)
		// Now the issuer fails: nobody can say whether the key is unknown or
		// new. The bad signature stays one.
		f.AS.Handle(bindingtest.JWKSPath, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
		site.check(t, site.Probe, Bearer(f.Holder, unknown), Unavailable("any"), 1)
		site.Check(t, site.Probe, Bearer(f.Holder, forged), Unverifiable)
		site.Check(t, site.Probe, Bearer(f.Holder, f.Good(t)), OK)
	})

	t.Run("273 a token seen before, with another certificate", func(t *testing.T) {
		t.Parallel()
		site := s.guarded(t, binding.Config{})
		good := s.Good(t)
		for range 2 {
			site.Check(t, site.Probe, Bearer(s.Holder, good), OK)
			site.Check(t, site.Probe, Bearer(s.Other, good), OtherCertificate)
			site.Check(t, site.Probe, Bearer(s.Nobody, good), NoCertificate)
		}
	})

	t.Run("273 a token seen first with another certificate", func(t *testing.T) {
		t.Parallel()
		site := s.guarded(t, binding.Config{})
		good := s.Good(t)
		site.Check(t, site.Probe, Bearer(s.Other, good), OtherCertificate)
		site.Check(t, site.Probe, Bearer(s.Holder, good), OK)
	})

	t.Run("274 a token seen before, then exp passes", func(t *testing.T) {
		t.Parallel()
		f := NewFixture(t)
		site := s.serveIn(t, f, Protect(f.Guard(t, binding.Config{})))
		good := f.Token(t, bindingtest.TokenSpec{Certificate: f.Holder.Certificate.Leaf, ExpiresIn: 5 * time.Minute})
		site.Check(t, site.Probe, Bearer(f.Holder, good), OK)
		f.advance(5*time.Minute + 30*time.Second) // within the leeway
		site.Check(t, site.Probe, Bearer(f.Holder, good), OK)
		f.advance(time.Minute)
		site.Check(t, site.Probe, Bearer(f.Holder, good), Expired)
	})

	t.Run("274 a token seen before, then its key is removed", func(t *testing.T) {
		t.Parallel()
		f := NewFixture(t)
		site := s.serveIn(t, f, Protect(f.Guard(t, binding.Config{})))
		old := f.Good(t)
		site.Check(t, site.Probe, Bearer(f.Holder, old), OK)
		require.NoError(t, f.AS.Rotate())
		f.AS.RetireOldKeys()
		// The new key is learned at its first use, and with it that the old one
		// is gone.
		site.Check(t, site.Probe, Bearer(f.Holder, f.Good(t)), OK)
		site.Check(t, site.Probe, Bearer(f.Holder, old), Unverifiable)
	})

	t.Run("276 what a handler does to its token no other request sees", func(t *testing.T) {
		t.Parallel()
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token, _ := binding.TokenFromContext(r.Context())
			var claims map[string]any
			if err := token.Claims(&claims); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			_, _ = io.WriteString(w, strings.Join(slices.Concat(token.Scopes(), token.Audience(), []string{claims["sub"].(string)}), " "))
			token.Scopes()[0], token.Audience()[0] = "admin", "https://evil.example"
			claims["sub"] = "mallory"
		})
		server := s.Serve(t, s.build(s.Log, Route{
			Path: "/", Steps: []Step{Protect(s.Guard(t, binding.Config{}))}, Handler: handler,
		}))
		good := s.Good(t, "accounts", "payments")
		for range 3 {
			response, body := server.Get(t, Bearer(s.Holder, good))
			require.Equal(t, http.StatusOK, response.StatusCode)
			assert.Equal(t, "accounts payments "+Audience+" "+Subject, body)
		}
	})
}

// hostileText is row 267: what a token says that was made to hurt a log or a
// terminal.
func (s *suite) hostileText(t *testing.T) {
	site := s.guarded(t, binding.Config{})
	const hostile = "x\r\nSet-Cookie: a=b\r\n\r\n\x1b[31mred\x1b[0m\" \\ \u2028<script>"
	for _, row := range []struct {
		name string
		spec bindingtest.TokenSpec
		want Answer
	}{
		{"267 kid", bindingtest.TokenSpec{Header: map[string]any{"kid": hostile}}, BadHeader},
		{"267 typ", bindingtest.TokenSpec{Header: map[string]any{"typ": hostile}}, BadType},
		{"267 alg", bindingtest.TokenSpec{Header: map[string]any{"alg": hostile}}, BadAlgorithm},
		{"267 iss", bindingtest.TokenSpec{Claims: map[string]any{"iss": hostile}}, BadIssuer},
		{"267 aud", bindingtest.TokenSpec{Claims: map[string]any{"aud": hostile}}, BadAudience},
		{"267 scope", bindingtest.TokenSpec{Claims: map[string]any{"scope": hostile}}, BadClaims},
		{"267 x5t#S256", bindingtest.TokenSpec{Claims: map[string]any{"cnf": map[string]any{"x5t#S256": hostile}}}, BadConfirmation},
		{"267 a name in cnf", bindingtest.TokenSpec{Claims: map[string]any{"cnf": map[string]any{hostile: "x"}}}, BadConfirmation},
		{"267 sub of a good token", bindingtest.TokenSpec{Subject: hostile}, Answer{Status: http.StatusOK, Subject: hostile}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if row.spec.Claims["cnf"] == nil {
				row.spec.Certificate = s.Holder.Certificate.Leaf
			}
			site.Check(t, site.Probe, Bearer(s.Holder, s.Token(t, row.spec)), row.want)
		})
	}

	t.Run("267 an event names issuer and client of verified tokens alone", func(t *testing.T) {
		t.Parallel()
		var events eventLog
		site := s.guarded(t, binding.Config{Observe: events.observe})
		holder := s.Holder.Certificate.Leaf
		for _, spec := range []bindingtest.TokenSpec{
			{Certificate: holder, ClientID: "nobody", ForgedSignature: true},
			{Certificate: holder, ClientID: "nobody", Claims: map[string]any{"iss": "https://evil.example"}},
			{Certificate: holder, ClientID: "nobody", ExpiresIn: -time.Hour},
			{Certificate: holder, ClientID: "nobody", Claims: map[string]any{"aud": "https://other.example"}},
		} {
			id := s.newCase()
			response, err := s.Holder.HTTP(1).Do(Bearer(s.Holder, s.Token(t, spec)).build(t, site.URL, id))
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			event := events.last()
			assert.NotEmpty(t, event.Reason())
			assert.Empty(t, event.Issuer, event.Reason())
			assert.Empty(t, event.ClientID, event.Reason())
			assert.Contains(t, []string{"", "none"}, event.Binding, event.Reason())
		}
		site.check(t, site.Probe, Bearer(s.Other, s.Good(t)), OtherCertificate, 1)
		event := events.last()
		assert.Equal(t, binding.ReasonThumbprintMismatch, event.Reason())
		assert.Equal(t, binding.ThumbprintOf(holder), event.Err.Expected)
		assert.Equal(t, binding.ThumbprintOf(s.Other.Certificate.Leaf), event.Err.Presented)
		assert.Equal(t, []any{s.AS.Issuer(), ClientID, "certificate"}, []any{event.Issuer, event.ClientID, event.Binding})
		site.check(t, site.Probe, Bearer(s.Holder, s.Good(t)), OK, 1)
		assert.True(t, events.last().Accepted())
		assert.Len(t, events.all(), 6, "one event for each decision")
	})
}

// eventLog is an observer.
type eventLog struct {
	mu     sync.Mutex
	events []binding.Event
}

func (l *eventLog) observe(_ context.Context, event binding.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, event)
}

func (l *eventLog) all() []binding.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events)
}

func (l *eventLog) last() binding.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.events) == 0 {
		return binding.Event{}
	}
	return l.events[len(l.events)-1]
}

// panics is row 268: a panic in a function of the application's is 500, and the
// request is not passed on.
func (s *suite) panics(t *testing.T) {
	const secret = "the-application-panics-with-this"
	for _, hook := range []struct {
		name   string
		config binding.Config
	}{
		{"Authorize", binding.Config{Authorize: func(context.Context, *binding.Token, binding.Certificate) error { panic(secret) }}},
		{"Observe", binding.Config{Observe: func(context.Context, binding.Event) { panic(secret) }}},
		{"the TokenVerifier", binding.Config{Tokens: verifierFunc(func() (*binding.Token, error) { panic(secret) })}},
		{"the CertificateSource", binding.Config{Certificates: &sourceFunc{func() (binding.Certificate, error) { panic(secret) }}}},
		{"Authorize, with an error", binding.Config{
			Authorize: func(context.Context, *binding.Token, binding.Certificate) error { panic(errors.New(secret)) },
		}},
		{"Authorize, by a nil pointer", binding.Config{
			Authorize: func(context.Context, *binding.Token, binding.Certificate) error {
				var none *binding.Certificate
				return errors.New(none.Thumbprint.String())
			},
		}},
	} {
		t.Run("268 panic in "+hook.name, func(t *testing.T) {
			t.Parallel()
			site := s.guarded(t, hook.config)
			site.Check(t, site.Probe, Bearer(s.Holder, s.Good(t)), Failed)
			_, body := site.Get(t, Bearer(s.Holder, s.Good(t)))
			assert.NotContains(t, body, secret)
		})
	}

	// http.ErrAbortHandler asks net/http to drop the connection. Nobody gets an
	// answer, and no handler runs.
	for _, hook := range []struct {
		name   string
		config binding.Config
	}{
		{"Authorize", binding.Config{Authorize: func(context.Context, *binding.Token, binding.Certificate) error { panic(http.ErrAbortHandler) }}},
		{"OnError", binding.Config{
			Scopes:  []string{"admin"},
			OnError: func(http.ResponseWriter, *http.Request, *binding.Error) { panic(http.ErrAbortHandler) },
		}},
	} {
		t.Run("268 "+hook.name+" drops the connection", func(t *testing.T) {
			t.Parallel()
			site := s.guarded(t, hook.config)
			good := s.Good(t)
			for _, version := range []int{1, 2} {
				id := s.newCase()
				_, err := s.Holder.HTTP(version).Do(Bearer(s.Holder, good).build(t, site.URL, id))
				require.Error(t, err)
				assert.Empty(t, site.Probe.of(id), "the handler ran")
			}
		})
	}

	t.Run("268 panic in OnError", func(t *testing.T) {
		t.Parallel()
		site := s.guarded(t, binding.Config{OnError: func(http.ResponseWriter, *http.Request, *binding.Error) { panic(secret) }})
		for _, version := range []int{1, 2} {
			id := s.newCase()
			// Whether there is an answer is the server's affair: an OnError
			// that panics may have begun one.
			response, err := s.Holder.HTTP(version).Do(Request{}.build(t, site.URL, id))
			if err == nil {
				assert.GreaterOrEqual(t, response.StatusCode, 400)
				require.NoError(t, response.Body.Close())
			}
			assert.Empty(t, site.Probe.of(id), "the handler ran")
		}
	})
}

// verifierFunc is a TokenVerifier that looks at no token.
type verifierFunc func() (*binding.Token, error)

func (f verifierFunc) VerifyToken(context.Context, string) (*binding.Token, error) { return f() }

// sourceFunc is a CertificateSource that looks at no request.
type sourceFunc struct {
	find func() (binding.Certificate, error)
}

func (f *sourceFunc) ClientCertificate(*http.Request) (binding.Certificate, error) { return f.find() }

func (f *sourceFunc) Headers() []string { return nil }

// Get sends the request over HTTP/1.1.
func (s *Server) Get(t *testing.T, request Request) (*http.Response, string) {
	t.Helper()
	client := request.Client
	if client == nil {
		client = s.fixture.Nobody
	}
	response, err := client.HTTP(1).Do(request.build(t, s.URL, s.fixture.newCase(request.Authorization...)))
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(body)
}
