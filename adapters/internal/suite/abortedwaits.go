package suite

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/introspection"
)

// abortedWaits breaks off while the verifier waits for the authorization
// server. The event says so, no handler runs, and who waits for the same answer
// gets it.
func (s *suite) abortedWaits(t *testing.T) {
	for _, wait := range []struct {
		name   string
		tokens func(t *testing.T, f *Fixture) (verifier binding.TokenVerifier, token string)
		hold   func(f *Fixture, h http.Handler)
		reply  func(f *Fixture, w http.ResponseWriter, r *http.Request)
	}{
		{
			"for metadata",
			func(t *testing.T, f *Fixture) (binding.TokenVerifier, string) { return f.Verifier(t), f.Good(t) },
			func(f *Fixture, h http.Handler) { f.AS.Handle(bindingtest.MetadataPaths, h) },
			func(f *Fixture, w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, quoted(f.AS.Metadata()))
			},
		},
		{
			"for keys",
			func(t *testing.T, f *Fixture) (binding.TokenVerifier, string) { return f.Verifier(t), f.Good(t) },
			func(f *Fixture, h http.Handler) { f.AS.Handle(bindingtest.JWKSPath, h) },
			func(f *Fixture, w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(f.AS.JWKS()) },
		},
		{
			"for introspection",
			func(t *testing.T, f *Fixture) (binding.TokenVerifier, string) {
				return s.forms(t, f, introspection.Config{}), f.opaqueToken(t, nil)
			},
			func(f *Fixture, h http.Handler) { f.AS.Handle(bindingtest.IntrospectionPath, h) },
			func(f *Fixture, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, quoted(f.AS.Introspection(r.FormValue("token"))))
			},
		},
	} {
		for _, protocol := range protocols {
			for _, way := range []string{"hangs up", "resets the connection", "gives up the request"} {
				t.Run("waiting "+wait.name+", "+protocol.name+", the client "+way, func(t *testing.T) {
					t.Parallel()
					f := NewFixture(t)
					answer := make(chan struct{})
					wait.hold(f, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						_ = r.ParseForm()
						select {
						case <-answer:
							wait.reply(f, w, r)
						case <-r.Context().Done():
						}
					}))
					tokens, token := wait.tokens(t, f)
					asked := make(chan struct{}, 10)
					w := s.watch(t, f, binding.Config{Tokens: telling{tokens, asked}}, nil)
					s.abortWhile(t, w, protocol, token, way, asked, func() { close(answer) })
				})
			}
		}
	}
}

// telling is a TokenVerifier that tells when it is asked.
type telling struct {
	binding.TokenVerifier

	asked chan<- struct{}
}

func (v telling) VerifyToken(ctx context.Context, token string) (*binding.Token, error) {
	v.asked <- struct{}{}
	return v.TokenVerifier.VerifyToken(ctx, token)
}

// abortWhile has one client break off in that way while the verifier cannot
// answer, and another wait for the answer.
func (s *suite) abortWhile(t *testing.T, w watched, protocol protocol, token, way string, asked <-chan struct{}, answer func()) {
	t.Helper()
	f := w.fixture
	if way == "gives up the request" { // over HTTP/2 the connection stays: RST_STREAM
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		gone := make(chan error, 1)
		go func() {
			request := Bearer(f.Holder, token).build(t, w.URL, f.newCase(token)).WithContext(ctx)
			response, err := f.Holder.HTTP(protocol.version).Do(request)
			if err == nil {
				_ = response.Body.Close()
			}
			gone <- err
		}()
		next(t, "a token to verify", asked)
		cancel()
		require.ErrorIs(t, next(t, "the end of the request", gone), context.Canceled)
	} else {
		request, _ := protocol.request(token)
		if protocol.version == 1 { // net/http learns of it only when a body has been read
			request = []byte("GET / HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer " + token + "\r\n\r\n")
		}
		f.Log.secret(token)
		connection := w.raw(t, f.Holder, protocol)
		_, err := connection.Write(request)
		require.NoError(t, err)
		next(t, "a token to verify", asked)
		hangUp(t, connection, way == "resets the connection")
	}
	event := next(t, "an event", w.events)
	assert.Equal(t, binding.ReasonCanceled, event.Reason())
	assert.Zero(t, w.Probe.count(), "the handler ran")

	served := make(chan error, 1)
	go func() {
		served <- w.visit(t, w.Probe, Bearer(f.newClient(f.Holder.Certificate), token), OK, protocol.version)
	}()
	next(t, "a token to verify", asked)
	answer()
	require.NoError(t, next(t, "the answer to who waited", served))
	assert.Equal(t, 1, w.Probe.count())
	assert.True(t, next(t, "an event", w.events).Accepted())
	assert.NotContains(t, f.Log.String(), "panic")
}
