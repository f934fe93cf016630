// Package bindgin puts a [binding.Guard] in front of gin handlers.
//
//	r.Use(bindgin.Protect(guard))
//	r.POST("/payments", bindgin.RequireScopes("payments"), pay)
//
// In a handler, call [binding.TokenFromContext] with c.Request.Context().
package bindgin

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/certbound/certbound/binding"
)

// Protect returns middleware that runs the handlers after it only for requests
// that the guard admits, with the token in their context
// ([binding.TokenFromContext]) and without the header fields that carried a
// certificate. Others are answered by [binding.Error.Write] and aborted.
//
// Nothing is added to c.Errors: the answer is complete, and a usual error
// handler would write a second body after it. See Config.Observe for logs.
//
// Guards may be nested: one on a group, and a stricter one on a route inside
// it. A nil guard refuses every request, with 500.
func Protect(guard *binding.Guard) gin.HandlerFunc {
	return func(c *gin.Context) {
		var admitted *http.Request
		passed := passOrAbort(c, func() (err error) {
			c.Request.Pattern = c.FullPath() // for the event of a refusal, as http.ServeMux does
			admitted, err = guard.Admit(c.Request)
			return err
		})
		if passed {
			defer binding.RemoveUpload(admitted)
			binding.SetAdmittedHeader(c.Writer.Header(), admitted)
			c.Request = admitted
			c.Next()
		}
	}
}

// RequireScopes returns middleware for a route behind [Protect] that runs the
// handlers after it only if the token carries all of the scopes; others are
// answered 403 insufficient_scope (RFC 6750 §3.1) and aborted. Without Protect
// in front of it, or without a scope, it refuses every request with 500.
func RequireScopes(scopes ...string) gin.HandlerFunc {
	return require(func(ctx context.Context) error { return binding.CheckScopes(ctx, scopes...) })
}

// RequireAnyScope is [RequireScopes] for a route that needs any one of the scopes.
func RequireAnyScope(scopes ...string) gin.HandlerFunc {
	return require(func(ctx context.Context) error { return binding.CheckAnyScope(ctx, scopes...) })
}

// RequireAuthentication returns middleware for a route behind [Protect] that runs
// the handlers after it only if the user was authenticated as required; others
// are answered 401 insufficient_user_authentication (RFC 9470 §3) and aborted.
// Without Protect in front of it, or if nothing is required, it refuses every
// request with 500.
func RequireAuthentication(required binding.Authentication) gin.HandlerFunc {
	return require(func(ctx context.Context) error { return binding.CheckAuthentication(ctx, required) })
}

func require(check func(context.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		passOrAbort(c, func() error { return check(c.Request.Context()) })
	}
}

// passOrAbort aborts unless decide lets the request pass: also when a function of
// the application's panics, in decide with http.ErrAbortHandler or in the answer
// with anything. The panic goes on. But behind a recovery that does not abort,
// gin's chain would go on too, to the handler; and behind one that writes
// nothing, as gin.Recovery for http.ErrAbortHandler, gin would answer 200.
func passOrAbort(c *gin.Context, decide func() error) (passed bool) {
	decided := false
	defer func() {
		if !decided {
			c.Abort()
			c.Status(http.StatusInternalServerError)
		}
	}()
	err := decide()
	if err != nil {
		c.Abort()
		binding.AsError(err).Write(sentAtOnce{c.Writer}, c.Request)
	}
	decided = true
	return err == nil
}

// sentAtOnce is the writer of a refusal. gin holds status and header back until
// the first byte of the body; until then Config.OnError, or a middleware in front,
// could still change them.
type sentAtOnce struct{ gin.ResponseWriter }

func (w sentAtOnce) WriteHeader(status int) {
	w.ResponseWriter.WriteHeader(status)
	w.WriteHeaderNow()
}
