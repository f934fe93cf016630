package bindgin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindgin"
	"github.com/certbound/certbound/adapters/internal/suite"
	"github.com/certbound/certbound/binding"
)

// A handler has the very gin.ResponseWriter that it would have without Protect.
func TestWriterIsGins(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	probe := new(suite.Probe)
	r := newGin(f.Log)
	var writer [2]gin.ResponseWriter
	r.Use(func(c *gin.Context) { writer[0] = c.Writer }, bindgin.Protect(f.Guard(t, binding.Config{})))
	r.GET("/", bindgin.RequireScopes("accounts"), func(c *gin.Context) {
		writer[1] = c.Writer
		probe.ServeHTTP(c.Writer, c.Request)
	})
	server := f.Serve(t, r)
	server.Check(t, probe, suite.Bearer(f.Holder, f.Good(t)), suite.OK)
	require.NotNil(t, writer[1])
	assert.True(t, writer[0] == writer[1], "wrapped: %T", writer[1])
}

// A refusal aborts: no middleware and no handler behind it runs, and what stands in front sees it as aborted, with the
// status, and with no error to write a second body for.
func TestRefusalAborts(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	good := f.Good(t, "accounts")
	for _, row := range []struct {
		name    string
		request suite.Request
		want    suite.Answer
		config  binding.Config
	}{
		{"by Protect", suite.Bearer(f.Other, good), suite.OtherCertificate, binding.Config{}},
		{"by Protect, without credentials", suite.Request{}, suite.NoCredentials, binding.Config{}},
		{"by RequireScopes", suite.Bearer(f.Holder, good), suite.MissesScopes("payments"), binding.Config{}},
		{"by the guard's own scopes", suite.Bearer(f.Holder, good), suite.MissesScopes("payments"), binding.Config{Scopes: []string{"payments"}}},
	} {
		t.Run("271 "+row.name, func(t *testing.T) {
			t.Parallel()
			r := newGin(f.Log)
			var front, behind atomic.Int32
			r.Use(gin.RecoveryWithWriter(f.Log), answerErrors, func(c *gin.Context) {
				c.Next()
				assert.True(t, c.IsAborted())
				assert.True(t, c.Writer.Written())
				assert.Equal(t, row.want.Status, c.Writer.Status())
				assert.Empty(t, c.Errors)
				front.Add(1)
			})
			group := r.Group("", bindgin.Protect(f.Guard(t, row.config)), bindgin.RequireScopes("payments"), func(*gin.Context) { behind.Add(1) })
			probe := new(suite.Probe)
			group.GET("/", func(*gin.Context) { behind.Add(1) }, gin.WrapH(probe))
			f.Serve(t, r).Check(t, probe, row.request, row.want)
			assert.Zero(t, behind.Load(), "a middleware behind the guard ran")
			assert.EqualValues(t, 2, front.Load())
		})
	}
}

// answerErrors is the error handler that gin's documentation suggests.
func answerErrors(c *gin.Context) {
	c.Next()
	if len(c.Errors) > 0 {
		c.JSON(http.StatusInternalServerError, map[string]any{"message": c.Errors.Last().Error()})
	}
}

// A middleware in front that sets a status afterwards comes too late.
func TestLaterStatusChangesNothing(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	for _, onError := range []func(http.ResponseWriter, *http.Request, *binding.Error){
		nil,
		func(http.ResponseWriter, *http.Request, *binding.Error) {},
	} {
		r := newGin(f.Log)
		r.Use(func(c *gin.Context) {
			c.Next()
			c.Status(http.StatusOK)
			c.Header("WWW-Authenticate", "")
			c.Header("Cache-Control", "public")
		}, bindgin.Protect(f.Guard(t, binding.Config{OnError: onError})))
		probe := new(suite.Probe)
		r.GET("/", gin.WrapH(probe))
		response, _ := f.Serve(t, r).Get(t, suite.Bearer(f.Other, f.Good(t)))
		assert.Equal(t, http.StatusUnauthorized, response.StatusCode)
		assert.Equal(t, suite.OtherCertificate.Challenges(), response.Header.Values("WWW-Authenticate"))
		assert.Equal(t, "no-store", response.Header.Get("Cache-Control"))
	}
}

// A function of the application's that panics in a guard, and a recovery in front that goes on as if nothing had
// happened: no handler runs, and no answer is 200. gin.Recovery answers http.ErrAbortHandler with the status that there
// is, and a recovery that does not abort lets gin's chain go on.
func TestRecoveryInFront(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	good := f.Good(t, "accounts")
	for _, recovery := range []struct {
		name       string
		middleware gin.HandlerFunc
	}{
		{"gin.Recovery", gin.RecoveryWithWriter(f.Log)},
		{"gin.CustomRecovery that does nothing", gin.CustomRecoveryWithWriter(nil, func(*gin.Context, any) {})},
		{"a recovery that does not abort", func(c *gin.Context) {
			defer func() { _ = recover() }()
			c.Next()
		}},
	} {
		for _, hook := range []struct {
			name   string
			scopes []string // of RequireScopes; nil: it is not there
			config func(panics func()) binding.Config
		}{
			{"Authorize", nil, func(panics func()) binding.Config {
				return binding.Config{Authorize: func(context.Context, *binding.Token, binding.Certificate) error { panics(); return nil }}
			}},
			{"Observe, of an accepted request", nil, func(panics func()) binding.Config {
				return binding.Config{Observe: func(context.Context, binding.Event) { panics() }}
			}},
			{"Observe, of RequireScopes", []string{"payments"}, func(panics func()) binding.Config {
				return binding.Config{Observe: func(_ context.Context, e binding.Event) {
					if !e.Accepted() {
						panics()
					}
				}}
			}},
			{"OnError, of RequireScopes", []string{"payments"}, func(panics func()) binding.Config {
				return binding.Config{OnError: func(http.ResponseWriter, *http.Request, *binding.Error) { panics() }}
			}},
			{"OnError, of Protect", nil, func(panics func()) binding.Config {
				return binding.Config{
					Scopes:  []string{"payments"},
					OnError: func(http.ResponseWriter, *http.Request, *binding.Error) { panics() },
				}
			}},
		} {
			for _, value := range []any{http.ErrAbortHandler, "a value", errors.New("an error")} {
				t.Run(fmt.Sprintf("268 %s, %v, %s", hook.name, value, recovery.name), func(t *testing.T) {
					t.Parallel()
					r := newGin(f.Log)
					r.Use(recovery.middleware, bindgin.Protect(f.Guard(t, hook.config(func() { panic(value) }))))
					if hook.scopes != nil {
						r.Use(bindgin.RequireScopes(hook.scopes...))
					}
					var ran atomic.Bool
					r.GET("/", func(*gin.Context) { ran.Store(true) })
					response, body := f.Serve(t, r).Get(t, suite.Bearer(f.Holder, good))
					assert.GreaterOrEqual(t, response.StatusCode, 400)
					assert.NotContains(t, body, "goroutine ")
					assert.False(t, ran.Load(), "the handler ran")
				})
			}
		}
	}
}

// With Use a guard is in front of everything: what there is no route and no method for is refused alike.
func TestInFrontOfTheRouter(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	r := newGin(f.Log)
	r.HandleMethodNotAllowed = true
	r.Use(bindgin.Protect(f.Guard(t, binding.Config{})))
	probe := new(suite.Probe)
	r.GET("/accounts/:id", gin.WrapH(probe))
	server := f.Serve(t, r)
	for _, request := range []suite.Request{
		{Path: "/accounts/7"},
		{Path: "/unknown"},
		{Path: "/accounts/7", Method: http.MethodPost},
	} {
		server.Check(t, probe, request, suite.NoCredentials)
	}
	request := suite.Bearer(f.Holder, f.Good(t))
	request.Path = "/accounts/7"
	server.Check(t, probe, request, suite.OK)
}

// gin.WrapH is how most of the suite's handlers run; here is one of gin's own, with the context that it has.
func TestTokenInAHandlerOfGins(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	r := newGin(f.Log)
	r.Use(bindgin.Protect(f.Guard(t, binding.Config{})))
	r.GET("/", func(c *gin.Context) {
		token, found := binding.TokenFromContext(c.Request.Context())
		assert.True(t, found)
		copied, found := binding.TokenFromContext(c.Copy().Request.Context())
		assert.True(t, found)
		assert.Same(t, token, copied)
		_, _ = io.WriteString(c.Writer, token.Subject())
	})
	_, body := f.Serve(t, r).Get(t, suite.Bearer(f.Holder, f.Good(t)))
	assert.Equal(t, suite.Subject, body)
}

// The event of a refusal names the route as the router does, not what stands in its place in the path; without a route, the path.
func TestRefusalNamesTheRoute(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	r := newGin(f.Log)
	var told []binding.Event
	r.Use(bindgin.Protect(f.Guard(t, binding.Config{Observe: func(_ context.Context, event binding.Event) { told = append(told, event) }})))
	r.GET("/accounts/:id", bindgin.RequireScopes("payments"), gin.WrapH(new(suite.Probe)))
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
