package conformance

import (
	"context"
	"errors"
	"net/http"

	"github.com/certbound/certbound/binding/bindingtest"
)

// A Target is the server under test: either one that runs already, or one that
// can be started.
type Target struct {
	// URL is where a server is that runs already and trusts
	// Kit.AuthorizationServer: scheme and host. Rows that need a server which
	// sees another key set or other metadata when it starts are skipped.
	URL string

	// Start starts a server that trusts the authorization server, and returns
	// its URL, scheme and host, once it can be reached; stop ends it, and may
	// be nil. It is called once for all of the cases, and once more for each
	// case with an authorization server of its own: one that is broken, for a
	// good part. That a server refuses to start for that is an error here, and
	// no failure of the case.
	Start func(ctx context.Context, as *bindingtest.AuthorizationServer) (url string, stop func(), err error)
}

// Handler is a Target that starts a handler by
// bindingtest.AuthorizationServer.Serve. build makes a new one for the
// authorization server; what it makes besides, build has to end by itself
// (t.Cleanup in a test).
func Handler(build func(*bindingtest.AuthorizationServer) (http.Handler, error)) Target {
	return Target{Start: func(_ context.Context, as *bindingtest.AuthorizationServer) (string, func(), error) {
		handler, err := build(as)
		if err != nil {
			return "", nil, err
		}
		server := as.Serve(handler)
		return server.URL, server.Close, nil
	}}
}

func (t Target) start(ctx context.Context, as *bindingtest.AuthorizationServer) (string, func(), error) {
	switch {
	case t.Start != nil && t.URL == "":
		url, stop, err := t.Start(ctx, as)
		if stop == nil {
			stop = func() {}
		}
		return url, stop, err
	case t.Start == nil && t.URL != "":
		return t.URL, func() {}, nil
	}
	return "", nil, errors.New("a Target has either a URL or a Start")
}
