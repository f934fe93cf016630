package binding_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
)

// The line of a refusal says which request it was, over a real socket: the route's pattern, or the path where the guard is in
// front of the router; and never the query.
func TestLogSaysWhichRequest(t *testing.T) {
	t.Parallel()
	type middleware = func(http.Handler) http.Handler
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	routed := func(protect middleware) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("GET /accounts/{id}", protect(ok))
		mux.Handle("/any/{rest...}", protect(ok))
		mux.Handle("POST /payments/{id}", protect(bindhttp.RequireScopes("admin")(ok)))
		return mux
	}
	unrouted := func(protect middleware) http.Handler { return protect(ok) }
	token := bearer(claims(t, nil))
	for name, test := range map[string]struct {
		api            func(middleware) http.Handler
		method, target string
		token          string
		want           members
	}{
		"a pattern with a method": {routed, "GET", "/accounts/DE12?iban=DE12", "", members{"method": "GET", "route": "/accounts/{id}"}},
		"a pattern without one":   {routed, "PUT", "/any/thing", "", members{"method": "PUT", "route": "/any/{rest...}"}},
		"a route's requirement":   {routed, "POST", "/payments/1", token, members{"method": "POST", "route": "/payments/{id}"}},
		"no router yet":           {unrouted, "GET", "/inside/17?x=y", "", members{"method": "GET", "path": "/inside/17"}},
		"an escaped query":        {unrouted, "GET", "/inside/17%3Fkey=1", "", members{"method": "GET", "path": "/inside/17"}},
		"a UUID":                  {unrouted, "GET", "/inside/93bac548-d2de-4546-b106-880a5018460d/on", "", members{"method": "GET", "path": "/inside/.../on"}},
		"128 bits with a slash":   {unrouted, "GET", "/reset/q0c3AYDyw%2FTm6xNl0aQm9XYw%3D%3D/on", "", members{"method": "GET", "path": "/reset/.../on"}},
		"an escaped slash":        {unrouted, "GET", "/a%2Fb/c", "", members{"method": "GET", "path": "/.../c"}},
		"an escaped letter":       {unrouted, "GET", "/%61ccounts/17", "", members{"method": "GET", "path": "/accounts/17"}},
		"128 bits":                {unrouted, "GET", "/inside/AYDyw-x2Tm6xNl0aQm9XYw", "", members{"method": "GET", "path": "/inside/..."}},
		"20 bytes":                {unrouted, "GET", "/Patient/01234567890123456789", "", members{"method": "GET", "path": "/Patient/01234567890123456789"}},
		"21 bytes":                {unrouted, "GET", "/Patient/012345678901234567890", "", members{"method": "GET", "path": "/Patient/..."}},
		"words":                   {unrouted, "GET", "/domestic-payment-consents/" + strings.Repeat("a", 36), "", members{"method": "GET", "path": "/domestic-payment-consents/" + strings.Repeat("a", 36)}},
		"long words":              {unrouted, "GET", "/" + strings.Repeat("a", 37), "", members{"method": "GET", "path": "/..."}},
		"words and a digit":       {unrouted, "GET", "/aaaaaaaaaa1aaaaaaaaaa", "", members{"method": "GET", "path": "/..."}},
		"a JWT in the path":       {unrouted, "GET", "/a/" + token + "/b", token + "~", members{"method": "GET", "path": "/a/..."}},
		"an opaque token":         {unrouted, "GET", "/a/" + strings.Repeat("x", 43) + "/b", "", members{"method": "GET", "path": "/a/.../b"}},
		"a second record":         {unrouted, "GET", "/a%0alevel=INFO", "", members{"method": "GET", "path": `"/a\nlevel=INFO"`}},
		"a long path":             {unrouted, "GET", strings.Repeat("/abcdefghi", 1000), "", members{"method": "GET", "path": strings.Repeat("/abcdefghi", 19) + "/..."}},
		"a path of 200 bytes":     {unrouted, "GET", strings.Repeat("/abcdefghi", 20), "", members{"method": "GET", "path": strings.Repeat("/abcdefghi", 20)}},
		"a path of 201 bytes":     {unrouted, "GET", strings.Repeat("/abcdefghi", 20) + "j", "", members{"method": "GET", "path": strings.Repeat("/abcdefghi", 19) + "/..."}},
		"a long escaped path":     {unrouted, "GET", strings.Repeat("/%61bcdefghi", 1000), "", members{"method": "GET", "path": strings.Repeat("/abcdefghi", 19) + "/..."}},
		"a long secret, escaped":  {unrouted, "GET", "/a/" + strings.Repeat("%78", 300), "", members{"method": "GET", "path": "/a/..."}},
		"a long method":           {unrouted, strings.Repeat("A", 21), "/inside/1", "", members{"method": "...", "path": "/inside/1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var book logBook
			guard := newGuard(t, binding.Config{Policy: binding.DangerouslyAcceptUnbound, Observe: binding.LogEvents(book.logger(slog.LevelInfo))})
			server := httptest.NewServer(test.api(bindhttp.Protect(guard)))
			defer server.Close()
			r, err := http.NewRequestWithContext(t.Context(), test.method, server.URL+test.target, nil)
			require.NoError(t, err)
			if test.token != "" {
				r.Header.Set("Authorization", "Bearer "+test.token)
			}
			response, err := server.Client().Do(r)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			records := book.records(t)
			require.Len(t, records, 1)
			got := members{}
			for _, member := range []string{"method", "route", "path", "peer"} {
				if value, has := records[0][member]; has {
					got[member] = value
				}
			}
			test.want["peer"] = "127.0.0.1"
			require.Equal(t, test.want, got)
		})
	}
}

// The peer is an IP address, whatever stands in RemoteAddr.
func TestPeerOfARefusal(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.1:1234":         "192.0.2.1",
		"[2001:db8::1]:1234":     "2001:db8::1",
		"[fe80::1%eth0]:1234":    "fe80::1",
		"192.0.2.1":              "192.0.2.1", // as middleware leaves it
		"2001:db8::1":            "2001:db8::1",
		"@":                      "",
		"":                       "",
		"/run/client.sock":       "",
		"client.example:80":      "",
		"192.0.2.1\nlevel=INFO":  "",
		"eyJhbGciOiJFUzI1NiJ9.e": "",
	} {
		var got binding.Event
		guard := newGuard(t, binding.Config{Observe: func(_ context.Context, event binding.Event) { got = event }})
		r := request("x")
		r.RemoteAddr = remote
		_, err := guard.Check(r)
		require.Error(t, err)
		require.Equal(t, want, got.Peer, remote)
	}
}

// The route is the pattern without its method, as routers write it.
func TestRouteOfARefusal(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"":                          "",
		"/accounts/{id}":            "/accounts/{id}",
		"GET /accounts":             "/accounts",
		"GET \t /accounts":          "/accounts",
		"GET\t/accounts":            "/accounts",
		"api.example/accounts":      "api.example/accounts",
		"GET api.example/accounts/": "api.example/accounts/",
		"/a route/:id":              "/a route/:id",
		" /accounts":                "/accounts",
		"accounts":                  "accounts",
	} {
		var got binding.Event
		guard := newGuard(t, binding.Config{Observe: func(_ context.Context, event binding.Event) { got = event }})
		r := request("x")
		r.Pattern = pattern
		_, err := guard.Check(r)
		require.Error(t, err)
		require.Equal(t, want, got.Route, pattern)
	}
}

// Of an accepted request an event says no path, which costs nothing then; a request that was made by hand may have no URL.
func TestEventOfOtherRequests(t *testing.T) {
	t.Parallel()
	var got binding.Event
	guard := newGuard(t, binding.Config{Policy: binding.DangerouslyAcceptUnbound, Observe: func(_ context.Context, event binding.Event) { got = event }})
	r := request(bearer(claims(t, nil)))
	_, err := guard.Check(r)
	require.NoError(t, err)
	require.Empty(t, got.Method+got.Path+got.Route+got.Peer)

	_, err = guard.Check(&http.Request{Method: http.MethodGet, Header: http.Header{}})
	requireRefused(t, err, binding.ReasonCredentialsMissing, 401)
	require.Equal(t, "GET", got.Method)
	require.Empty(t, got.Path)

	_, err = guard.Check(nil)
	requireRefused(t, err, binding.ReasonPanicked, 500)
	require.Equal(t, binding.ReasonPanicked, got.Reason())
}

// A scanner is one line, however many paths it tries.
func TestPathsAreNoOtherRefusals(t *testing.T) {
	t.Parallel()
	var book logBook
	protected := protect(newGuard(t, binding.Config{Observe: binding.LogEvents(book.logger(slog.LevelInfo))}),
		func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	for _, path := range []string{"/a", "/b", "/c"} {
		protected.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	}
	records := book.records(t)
	require.Len(t, records, 1)
	require.Equal(t, "/a", records[0]["path"])
}

// A path may be a megabyte, and who sends it has shown nothing. Not parallel: what others allocate would count.
func TestLongPathCostsLittle(t *testing.T) {
	guard := newGuard(t, binding.Config{Observe: func(context.Context, binding.Event) {}})
	r := httptest.NewRequest(http.MethodGet, strings.Repeat("/", 1<<20), nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := guard.Check(r)
	runtime.ReadMemStats(&after)
	require.Error(t, err)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}
