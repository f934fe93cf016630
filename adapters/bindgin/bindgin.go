// Package bindgin puts a [binding.Guard] in front of gin handlers.
//
//	r.Use(bindgin.Protect(guard))
//	r.POST("/payments", bindgin.RequireScopes("payments"), pay)
//
// In a handler, [binding.TokenFromContext] takes c.Request.Context().
package bindgin

import (
	"github.com/gin-gonic/gin"

	"github.com/certbound/certbound/binding"
)

// Protect returns middleware that runs the handlers after it only for requests
// that the guard admits, with the token in their context
// ([binding.TokenFromContext]) and without the header fields that carried a
// certificate. Others are answered by [binding.Error.Write] and aborted.
//
// Nothing is added to c.Errors: the answer is complete, and the usual error
// handler would write a second body behind it. See Config.Observe for logs.
//
// Guards may be nested: a group's, and a stricter one on a route inside it. A
// nil guard refuses every request.
func Protect(guard *binding.Guard) gin.HandlerFunc {
	return func(c *gin.Context) {
		admitted, err := guard.Admit(c.Request)
		if err != nil {
			refuse(c, binding.AsError(err))
			return
		}
		c.Request = admitted
	}
}

// RequireScopes returns middleware for a route behind [Protect] that runs the
// handlers after it only if the token carries all of the scopes; others are
// answered 403 insufficient_scope (RFC 6750 §3.1) and aborted. Without Protect
// in front of it, or without a scope, it refuses every request with 500.
func RequireScopes(scopes ...string) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := binding.CheckScopes(c.Request, scopes...); err != nil {
			refuse(c, binding.AsError(err))
		}
	}
}

func refuse(c *gin.Context, refusal *binding.Error) {
	c.Abort() // first, so that nothing which the answer runs can undo it
	refusal.Write(c.Writer, c.Request)
}
