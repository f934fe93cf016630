package bindecho_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindecho"
	"github.com/certbound/certbound/adapters/internal/suite"
	"github.com/certbound/certbound/binding"
)

// A handler has the very echo.Response, and in it the very ResponseWriter, that it would have without Protect.
func TestResponseIsEchos(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	probe := new(suite.Probe)
	e := newEcho(f.Log)
	var response [2]*echo.Response
	var writer [2]http.ResponseWriter
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			response[0], writer[0] = c.Response(), c.Response().Writer
			return next(c)
		}
	}, bindecho.Protect(f.Guard(t, binding.Config{})))
	e.GET("/", func(c echo.Context) error {
		response[1], writer[1] = c.Response(), c.Response().Writer
		probe.ServeHTTP(c.Response(), c.Request())
		return nil
	}, bindecho.RequireScopes("accounts"))
	server := f.Serve(t, e)
	server.Check(t, probe, suite.Bearer(f.Holder, f.Good(t)), suite.OK)
	require.NotNil(t, response[1])
	assert.Same(t, response[0], response[1])
	assert.True(t, writer[0] == writer[1], "wrapped: %T", writer[1])
}

// What a middleware in front of Protect gets is an *echo.HTTPError with the *binding.Error in it, and the challenge is set.
func TestRefusalIsAnHTTPError(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	guard := f.Guard(t, binding.Config{})
	good := f.Good(t, "accounts")
	for _, row := range []struct {
		name    string
		request suite.Request
		want    suite.Answer
		reason  binding.Reason
	}{
		{"no credentials", suite.Request{}, suite.NoCredentials, binding.ReasonCredentialsMissing},
		{"another certificate", suite.Bearer(f.Other, good), suite.OtherCertificate, binding.ReasonThumbprintMismatch},
		{"no scope", suite.Bearer(f.Holder, good), suite.MissesScopes("payments"), binding.ReasonScopeMissing},
	} {
		t.Run("272 "+row.name, func(t *testing.T) {
			t.Parallel()
			probe := new(suite.Probe)
			e := newEcho(f.Log)
			var seen error
			var header http.Header
			e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c echo.Context) error {
					seen = next(c)
					header = c.Response().Header().Clone()
					return seen
				}
			}, bindecho.Protect(guard))
			e.Any("/", echo.WrapHandler(probe), bindecho.RequireScopes("payments"))
			f.Serve(t, e).Check(t, probe, row.request, row.want)

			var ofEcho *echo.HTTPError
			require.ErrorAs(t, seen, &ofEcho)
			assert.Equal(t, row.want.Status, ofEcho.Code)
			var refusal *binding.Error
			require.ErrorAs(t, seen, &refusal)
			assert.Equal(t, row.reason, refusal.Reason)
			assert.NotEmpty(t, header.Get("WWW-Authenticate"))
			assert.Equal(t, "no-store", header.Get("Cache-Control"))
		})
	}
}

// The application's HTTPErrorHandler has the last word on status and body. The challenge is there before it is called.
func TestErrorHandlerHasTheLastWord(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	good := f.Good(t)
	for _, row := range []struct {
		name    string
		handler func(error, echo.Context)
		status  int
		body    string
	}{
		{"272 another status and body", func(err error, c echo.Context) {
			_ = c.JSON(http.StatusNotFound, map[string]string{"problem": "not here"})
		}, http.StatusNotFound, `{"problem":"not here"}`},
		{"272 by the reason", func(err error, c echo.Context) {
			var refusal *binding.Error
			if errors.As(err, &refusal) {
				_ = c.JSON(refusal.StatusCode(), map[string]string{"reason": string(refusal.Reason)})
			}
		}, http.StatusUnauthorized, `{"reason":"thumbprint_mismatch"}`},
		{"272 by the code, as echo's documentation has it", func(err error, c echo.Context) {
			code := http.StatusInternalServerError
			var he *echo.HTTPError
			if errors.As(err, &he) {
				code = he.Code
			}
			_ = c.JSON(code, map[string]any{"message": he.Message})
		}, http.StatusUnauthorized, `{"message":{"error":"invalid_token","error_description":"the access token is bound to another client certificate"}}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			e := newEcho(f.Log)
			e.HTTPErrorHandler = row.handler
			probe := new(suite.Probe)
			e.Use(bindecho.Protect(f.Guard(t, binding.Config{})))
			e.Any("/", echo.WrapHandler(probe))
			server := f.Serve(t, e)
			response, body := server.Get(t, suite.Bearer(f.Other, good))
			assert.Equal(t, row.status, response.StatusCode)
			assert.JSONEq(t, row.body, body)
			assert.Equal(t, suite.OtherCertificate.Challenges(), response.Header.Values("WWW-Authenticate"))
			assert.Equal(t, []string{"no-store"}, response.Header.Values("Cache-Control"))
			server.Check(t, probe, suite.Bearer(f.Holder, good), suite.OK)
		})
	}
}

// With a Config.OnError the answer is complete: no error is left, and the error handler is not called.
func TestOnErrorLeavesNothingToHandle(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	e := newEcho(f.Log)
	e.HTTPErrorHandler = func(err error, _ echo.Context) { t.Errorf("the error handler was called: %v", err) }
	var returned []error
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			err := next(c)
			returned = append(returned, err)
			assert.True(t, c.Response().Committed)
			assert.Equal(t, http.StatusUnauthorized, c.Response().Status, "what a logger in front of Protect sees")
			return err
		}
	}, bindecho.Protect(f.Guard(t, binding.Config{OnError: func(http.ResponseWriter, *http.Request, *binding.Error) {}})))
	e.GET("/", func(echo.Context) error { t.Error("the handler ran"); return nil })
	response, body := f.Serve(t, e).Get(t, suite.Bearer(f.Other, f.Good(t)))
	assert.Equal(t, http.StatusUnauthorized, response.StatusCode)
	assert.Equal(t, suite.OtherCertificate.Challenges(), response.Header.Values("WWW-Authenticate"))
	assert.Empty(t, body)
	assert.Equal(t, []error{nil}, returned)
}

// With Use and with Pre a guard is in front of everything: what there is no route for is refused alike.
func TestInFrontOfTheRouter(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	for name, use := range map[string]func(*echo.Echo, echo.MiddlewareFunc){
		"Use": func(e *echo.Echo, m echo.MiddlewareFunc) { e.Use(m) },
		"Pre": func(e *echo.Echo, m echo.MiddlewareFunc) { e.Pre(m) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEcho(f.Log)
			use(e, bindecho.Protect(f.Guard(t, binding.Config{})))
			probe := new(suite.Probe)
			e.GET("/accounts/:id", echo.WrapHandler(probe))
			server := f.Serve(t, e)
			for _, path := range []string{"/accounts/7", "/unknown", "//accounts/7"} {
				server.Check(t, probe, suite.Request{Path: path}, suite.NoCredentials)
			}
			request := suite.Bearer(f.Holder, f.Good(t))
			request.Path = "/accounts/7"
			server.Check(t, probe, request, suite.OK)
		})
	}
}

// HEAD has no body, in echo as everywhere.
func TestHead(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	e := newEcho(f.Log)
	e.Use(bindecho.Protect(f.Guard(t, binding.Config{})))
	probe := new(suite.Probe)
	e.HEAD("/", echo.WrapHandler(probe))
	request := suite.Bearer(f.Other, f.Good(t))
	request.Method = http.MethodHead
	f.Serve(t, e).Check(t, probe, request, suite.OtherCertificate)
}

// With Debug, too, echo shows nothing of an error but what the refusal says.
func TestDebug(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	e := newEcho(f.Log)
	e.Debug = true
	probe := new(suite.Probe)
	e.Use(bindecho.Protect(f.Guard(t, binding.Config{})))
	e.Any("/", echo.WrapHandler(probe), bindecho.RequireScopes("payments"))
	server := f.Serve(t, e)
	server.Check(t, probe, suite.Request{}, suite.NoCredentials)
	server.Check(t, probe, suite.Bearer(f.Other, f.Good(t)), suite.OtherCertificate)
	server.Check(t, probe, suite.Bearer(f.Holder, f.Good(t, "accounts")), suite.MissesScopes("payments"))
	server.Check(t, probe, suite.Bearer(f.Holder, f.Good(t)), suite.OK)
}

// The event of a refusal names the route as the router does, not what stands in its place in the path; without a route, the path.
func TestRefusalNamesTheRoute(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	r := newEcho(f.Log)
	var told []binding.Event
	r.Use(bindecho.Protect(f.Guard(t, binding.Config{Observe: func(_ context.Context, event binding.Event) { told = append(told, event) }})))
	r.GET("/accounts/:id", echo.WrapHandler(new(suite.Probe)), bindecho.RequireScopes("payments"))
	server := f.Serve(t, r)
	scopeless := suite.Bearer(f.Holder, f.Good(t, "accounts"))
	scopeless.Path, scopeless.Query = "/accounts/17", "full=1"
	server.Get(t, suite.Request{Path: "/accounts/17"})
	server.Get(t, scopeless)
	server.Get(t, suite.Request{Path: "/nothing/17"})
	require.Len(t, told, 4)
	for _, at := range []struct {
		event  int
		reason binding.Reason
		route  string
	}{{0, binding.ReasonCredentialsMissing, "/accounts/:id"}, {1, "", ""}, {2, binding.ReasonScopeMissing, "/accounts/:id"}, {3, binding.ReasonCredentialsMissing, ""}} {
		assert.Equal(t, at.reason, told[at.event].Reason())
		assert.Equal(t, at.route, told[at.event].Route)
	}
	assert.Equal(t, "/nothing/17", told[3].Path)
	assert.Equal(t, "127.0.0.1", told[3].Peer)
}
