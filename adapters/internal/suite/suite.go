// Package suite is the one set of requests that every adapter answers alike:
// over TLS sockets, with client certificates, an authorization server and a JWT
// verifier, nothing of it imitated. An adapter's own test says how a server is
// built in its framework, and [Run] does the rest.
//
// Subtests are named by the section and the row of the table of attacks that
// they show: A/8 is row 8, in section A. The rows that any server can be asked
// are those of package conformance, see kit.go.
package suite

import (
	"io"
	"net/http"
	"testing"

	"github.com/certbound/certbound/binding"
)

// A Framework builds a server that has the routes, each for every method. The
// framework's own log, if it has one, goes to the writer.
type Framework func(log io.Writer, routes ...Route) http.Handler

// A Route is a handler behind an adapter's middleware: that of a group, and
// inside it that of the route.
type Route struct {
	Path    string
	Group   []Step
	Steps   []Step
	Handler http.Handler
}

// A Step is one of the two middlewares of an adapter.
type Step struct {
	Guard  *binding.Guard // of Protect
	Scopes []string       // of RequireScopes
	scoped bool
}

// Protect is the adapter's Protect.
func Protect(guard *binding.Guard) Step { return Step{Guard: guard} }

// RequireScopes is the adapter's RequireScopes.
func RequireScopes(scopes ...string) Step { return Step{Scopes: scopes, scoped: true} }

// IsRequireScopes tells which of the two it is.
func (s Step) IsRequireScopes() bool { return s.scoped }

// Run runs the suite. Every subtest is parallel to every other.
func Run(t *testing.T, build Framework) {
	t.Helper()
	s := &suite{build: build, Fixture: NewFixture(t)}
	for _, section := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"kit", s.kit},
		{"A over the wire", s.wire},
		{"reasons", s.reasons},
		{"G", s.certificates},
		{"K", s.conduct},
		{"K under load", s.load},
		{"policies", s.policies},
		{"unavailable", s.unavailable},
		{"opaque", s.opaque},
		{"J", s.metadata},
		{"groups", s.groups},
		{"certificate headers", s.certificateHeaders},
		{"H", s.forwardedBy},
		{"H by format", s.forwardedForms},
		{"scopes", s.scopes},
		{"OnError", s.onError},
		{"K with streams", s.streams},
		{"proofs", s.proofs},
		{"fuzzed proofs", s.fuzzedProofs},
		{"uploads", s.uploads},
		{"late handlers", s.lateHandlers},
		{"aborts", s.aborts},
		{"one connection for many certificates", s.sharedConnections},
	} {
		t.Run(section.name, func(t *testing.T) {
			t.Parallel()
			section.run(t)
		})
	}
}

// suite is a Framework under test and what the tests share. Tests that change
// the authorization server or the clock make a Fixture of their own.
type suite struct {
	*Fixture

	build Framework
}

// site is a server with one guarded route, "/".
type site struct {
	*Server

	Probe *Probe
}

// serve starts a server of the framework with one route, "/", behind the steps.
func (s *suite) serve(t *testing.T, steps ...Step) site {
	t.Helper()
	return s.serveIn(t, s.Fixture, steps...)
}

// serveIn does so with a Fixture of the test's own.
func (s *suite) serveIn(t *testing.T, f *Fixture, steps ...Step) site {
	t.Helper()
	probe := new(Probe)
	handler := s.build(f.Log, Route{Path: "/", Steps: steps, Handler: probe})
	return site{Server: f.Serve(t, handler), Probe: probe}
}

// guarded starts a server whose one route is behind one guard.
func (s *suite) guarded(t *testing.T, config binding.Config) site {
	t.Helper()
	return s.serve(t, Protect(s.Guard(t, config)))
}
