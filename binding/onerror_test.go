package binding_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
)

// Whatever OnError does, status, challenge and Cache-Control are those that were decided, and no handler runs.
func TestOnErrorChangesTheBodyAlone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		onError func(http.ResponseWriter, *http.Request, *binding.Error)
		body    string
	}{
		"writes nothing": {func(http.ResponseWriter, *http.Request, *binding.Error) {}, ""},
		"writes a body":  {func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) { write(w, "body") }, "body"},
		"writes twice": {func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) {
			write(w, "bo")
			write(w, "dy")
		}, "body"},
		"says 200": {func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) {
			w.WriteHeader(200)
			write(w, "body")
		}, "body"},
		"says 200 behind the body": {func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) {
			write(w, "body")
			w.WriteHeader(200)
		}, "body"},
		"says 103 and 200": {func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) {
			w.WriteHeader(103)
			w.WriteHeader(200)
		}, ""},
		"redirects": {func(w http.ResponseWriter, r *http.Request, _ *binding.Error) {
			w.Header().Set("Location", "/")
			w.WriteHeader(302)
		}, ""},
		"http.Error":    {func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) { http.Error(w, "body", 200) }, "body\n"},
		"http.NotFound": {func(w http.ResponseWriter, r *http.Request, _ *binding.Error) { http.NotFound(w, r) }, "404 page not found\n"},
		"other header fields": {func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.Header().Add("WWW-Authenticate", `Bearer error="none"`)
			w.Header().Set("Cache-Control", "public, max-age=3600")
			w.Header().Set("Retry-After", "1000000")
			w.WriteHeader(200)
		}, ""},
		"header fields gone": {func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) {
			clear(w.Header())
			write(w, "body")
		}, "body"},
		"changes the Error": {func(w http.ResponseWriter, _ *http.Request, refusal *binding.Error) {
			if refusal.Scopes != nil {
				refusal.Scopes[0] = "changed"
			}
			refusal.Reason = binding.ReasonForbidden
			*refusal = binding.Error{}
			w.WriteHeader(200)
		}, ""},
		"flushes": {func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) {
			_ = http.NewResponseController(w).Flush() // that would be a 200 of the writer's own
		}, ""},
	} {
		for kind, want := range answers {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				refusal := &binding.Error{Reason: want.reason, Scopes: []string{"accounts"}}
				config := binding.Config{Realm: "r", OnError: test.onError}
				handler := bindhttp.Protect(refusing(t, config, refusal))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
					t.Error("the handler ran")
				}))
				config.OnError = nil
				decided := httptest.NewRecorder()
				bindhttp.Protect(refusing(t, config, refusal))(nil).ServeHTTP(decided, request("t"))

				w := httptest.NewRecorder()
				handler.ServeHTTP(w, request("t"))
				require.Equal(t, want.status, w.Code)
				require.Equal(t, test.body, w.Body.String())
				for _, name := range []string{"Www-Authenticate", "Cache-Control", "Retry-After", "X-Content-Type-Options"} { // N/437
					require.Equal(t, decided.Header()[name], w.Result().Header[name], name)
				}
			})
		}
	}
}

func write(w http.ResponseWriter, body string) { _, _ = w.Write([]byte(body)) }

// OnError sees the refusal and the request, without the certificate's fields, and its Content-Type stays.
func TestOnErrorGetsTheRefusal(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, "client-1").Leaf
	guard := newGuard(t, binding.Config{
		Certificates: &headerSource{names: []string{"X-Client-Cert"}},
		OnError: func(w http.ResponseWriter, r *http.Request, refusal *binding.Error) {
			require.Empty(t, r.Header.Get("X-Client-Cert"))
			require.Equal(t, "/accounts", r.URL.Path)
			w.Header().Set("Content-Type", "application/problem+json")
			_ = json.NewEncoder(w).Encode(map[string]string{"reason": string(refusal.Reason)})
		},
	})
	w, got := nest(forward(request(bearer(claims(t, boundTo(newCertificate(t, "client-2").Leaf)))), certificate), guard)
	require.Nil(t, got)
	require.Equal(t, 401, w.Code)
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	require.JSONEq(t, `{"reason":"thumbprint_mismatch"}`, w.Body.String())
}

// An OnError that panics writes nothing: it is the server's to end the connection, and no status is sent.
func TestOnErrorThatPanics(t *testing.T) {
	t.Parallel()
	mine := errors.New("mine")
	guard := newGuard(t, binding.Config{OnError: func(http.ResponseWriter, *http.Request, *binding.Error) { panic(mine) }})
	written := false
	w := &watchedWriter{ResponseWriter: httptest.NewRecorder(), wrote: &written}
	require.PanicsWithValue(t, mine, func() { bindhttp.Protect(guard)(nil).ServeHTTP(w, withFields(nil)) })
	require.False(t, written)
}

// The server's writer hears one status, however many OnError says.
func TestOnErrorWritesOneStatus(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, binding.Config{OnError: func(w http.ResponseWriter, _ *http.Request, _ *binding.Error) {
		w.WriteHeader(103)
		w.WriteHeader(200)
		write(w, "body")
	}})
	w := &watchedWriter{ResponseWriter: httptest.NewRecorder(), wrote: new(bool)}
	bindhttp.Protect(guard)(nil).ServeHTTP(w, withFields(nil))
	require.Equal(t, []int{401}, w.statuses)
}

type watchedWriter struct {
	http.ResponseWriter
	wrote    *bool
	statuses []int
}

func (w *watchedWriter) WriteHeader(status int) {
	*w.wrote = true
	w.statuses = append(w.statuses, status)
	w.ResponseWriter.WriteHeader(status)
}

func (w *watchedWriter) Write(body []byte) (int, error) {
	*w.wrote = true
	return w.ResponseWriter.Write(body)
}

// WriteCustom is Write's part with OnError, for adapters whose framework writes bodies.
func TestWriteCustomWithoutOnErrorDoesNothing(t *testing.T) {
	t.Parallel()
	_, err := newGuard(t, binding.Config{}).Check(withFields(nil))
	for _, refusal := range []*binding.Error{refusalOf(t, err), {Reason: binding.ReasonForbidden}} {
		w := httptest.NewRecorder()
		require.False(t, refusal.WriteCustom(w, withFields(nil)))
		require.Empty(t, w.Header())
		require.Equal(t, 200, w.Code, "nothing was written")
	}
}
