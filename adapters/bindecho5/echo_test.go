package bindecho5_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/labstack/echo/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindecho5"
	"github.com/certbound/certbound/adapters/internal/suite"
	"github.com/certbound/certbound/binding"
)

// A handler has the very http.ResponseWriter, and in it the very echo.Response, that it would have without Protect.
func TestResponseIsEchos(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	probe := new(suite.Probe)
	e := newEcho(f.Log)
	var writer [2]http.ResponseWriter
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			writer[0] = c.Response()
			return next(c)
		}
	}, bindecho5.Protect(f.Guard(t, binding.Config{})))
	e.GET("/", func(c *echo.Context) error {
		writer[1] = c.Response()
		probe.ServeHTTP(c.Response(), c.Request())
		return nil
	}, bindecho5.RequireScopes("accounts"))
	server := f.Serve(t, e)
	server.Check(t, probe, suite.Bearer(f.Holder, f.Good(t)), suite.OK)
	require.IsType(t, new(echo.Response), writer[0])
	assert.True(t, writer[0] == writer[1], "wrapped: %T", writer[1])
}

// What a middleware in front of Protect gets is the *binding.Error, as an error and as echo's HTTPStatusCoder, and the
// challenge is set.
func TestRefusalIsAStatusCoder(t *testing.T) {
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
			var status int
			var header http.Header
			e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c *echo.Context) error {
					seen = next(c)
					_, status = echo.ResolveResponseStatus(c.Response(), seen)
					header = c.Response().Header().Clone()
					return seen
				}
			}, bindecho5.Protect(guard))
			e.Any("/", echo.WrapHandler(probe), bindecho5.RequireScopes("payments"))
			f.Serve(t, e).Check(t, probe, row.request, row.want)

			var refusal *binding.Error
			require.ErrorAs(t, seen, &refusal)
			assert.Equal(t, row.want.Status, echo.StatusCode(seen))
			assert.Equal(t, row.want.Status, status, "what a logger in front of Protect sees")
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
		handler echo.HTTPErrorHandler
		status  int
		body    string
	}{
		{"272 another status and body", func(c *echo.Context, err error) {
			_ = c.JSON(http.StatusNotFound, map[string]string{"problem": "not here"})
		}, http.StatusNotFound, `{"problem":"not here"}`},
		{"272 by the reason", func(c *echo.Context, err error) {
			var refusal *binding.Error
			if errors.As(err, &refusal) {
				_ = c.JSON(refusal.StatusCode(), map[string]string{"reason": string(refusal.Reason)})
			}
		}, http.StatusUnauthorized, `{"reason":"thumbprint_mismatch"}`},
		{"272 by the status, as echo's documentation has it", func(c *echo.Context, err error) {
			code := http.StatusInternalServerError
			var coder echo.HTTPStatusCoder
			if errors.As(err, &coder) {
				code = coder.StatusCode()
			}
			_ = c.JSON(code, map[string]any{"message": coder})
		}, http.StatusUnauthorized, `{"message":{"error":"invalid_token","error_description":"the access token is bound to another client certificate"}}`},
		{"272 a refusal that the application wraps", func(c *echo.Context, err error) {
			echo.DefaultHTTPErrorHandler(true)(c, fmt.Errorf("mine: %w", err))
		}, http.StatusUnauthorized, `{"error":"invalid_token","error_description":"the access token is bound to another client certificate"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			e := newEcho(f.Log)
			e.HTTPErrorHandler = row.handler
			probe := new(suite.Probe)
			e.Use(bindecho5.Protect(f.Guard(t, binding.Config{})))
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
	e.HTTPErrorHandler = func(_ *echo.Context, err error) { t.Errorf("the error handler was called: %v", err) }
	var returned []error
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			err := next(c)
			returned = append(returned, err)
			response, unwrapped := echo.UnwrapResponse(c.Response())
			if assert.NoError(t, unwrapped) {
				assert.True(t, response.Committed)
				assert.Equal(t, http.StatusUnauthorized, response.Status, "what a logger in front of Protect sees")
			}
			return err
		}
	}, bindecho5.Protect(f.Guard(t, binding.Config{OnError: func(http.ResponseWriter, *http.Request, *binding.Error) {}})))
	e.GET("/", func(*echo.Context) error { t.Error("the handler ran"); return nil })
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
			use(e, bindecho5.Protect(f.Guard(t, binding.Config{})))
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
	e.Use(bindecho5.Protect(f.Guard(t, binding.Config{})))
	probe := new(suite.Probe)
	e.HEAD("/", echo.WrapHandler(probe))
	request := suite.Bearer(f.Other, f.Good(t))
	request.Method = http.MethodHead
	f.Serve(t, e).Check(t, probe, request, suite.OtherCertificate)
}

// An error handler that is to expose errors shows nothing of one but what the refusal says.
func TestExposedErrors(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	e := newEcho(f.Log)
	e.HTTPErrorHandler = echo.DefaultHTTPErrorHandler(true)
	probe := new(suite.Probe)
	e.Use(bindecho5.Protect(f.Guard(t, binding.Config{})))
	e.Any("/", echo.WrapHandler(probe), bindecho5.RequireScopes("payments"))
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
	r.Use(bindecho5.Protect(f.Guard(t, binding.Config{Observe: func(_ context.Context, event binding.Event) { told = append(told, event) }})))
	r.GET("/accounts/:id", echo.WrapHandler(new(suite.Probe)), bindecho5.RequireScopes("payments"))
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
