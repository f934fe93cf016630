package bindhttp_test

import (
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/adapters/internal/suite"
	"github.com/certbound/certbound/binding"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSuite(t *testing.T) {
	t.Parallel()
	suite.Run(t, build)
}

// Not parallel: it counts the allocations of the whole process.
func TestAllocationsOfASeenToken(t *testing.T) { suite.AllocationsOfASeenToken(t, build) }

func BenchmarkSeenToken(b *testing.B) { suite.BenchmarkSeenToken(b, build) }

// build is the suite's Framework.
func build(_ io.Writer, routes ...suite.Route) http.Handler {
	mux := http.NewServeMux()
	for _, route := range routes {
		mux.Handle(route.Path, chain(route.Handler, slices.Concat(route.Group, route.Steps)...))
	}
	return mux
}

func chain(handler http.Handler, steps ...suite.Step) http.Handler {
	for _, step := range slices.Backward(steps) {
		handler = middleware(step)(handler)
	}
	return handler
}

func middleware(step suite.Step) func(http.Handler) http.Handler {
	if step.IsRequireScopes() {
		return bindhttp.RequireScopes(step.Scopes...)
	}
	return bindhttp.Protect(step.Guard)
}

// A handler has the very ResponseWriter that it would have without Protect.
func TestResponseWriterIsTheServers(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	var outside, inside http.ResponseWriter
	probe := new(suite.Probe)
	protected := chain(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inside = w
		probe.ServeHTTP(w, r)
	}), suite.Protect(f.Guard(t, binding.Config{})), suite.RequireScopes("accounts"))
	server := f.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		outside = w
		protected.ServeHTTP(w, r)
	}))
	server.Check(t, probe, suite.Bearer(f.Holder, f.Good(t)), suite.OK)
	require.NotNil(t, inside)
	assert.True(t, outside == inside, "wrapped: %T", inside)
}

// Around a whole mux, too, a guard is in front of everything: what there is no route for is refused alike.
func TestAroundAMux(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	probe := new(suite.Probe)
	mux := http.NewServeMux()
	mux.Handle("GET /accounts/{id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") == "7" {
			probe.ServeHTTP(w, r)
		}
	}))
	server := f.Serve(t, bindhttp.Protect(f.Guard(t, binding.Config{}))(mux))
	for _, path := range []string{"/accounts/7", "/unknown", "/accounts/../accounts/7", "//accounts/7"} {
		request := suite.Request{Path: path}
		server.Check(t, probe, request, suite.NoCredentials)
	}
	request := suite.Bearer(f.Holder, f.Good(t))
	request.Path = "/accounts/7"
	server.Check(t, probe, request, suite.OK)
}
