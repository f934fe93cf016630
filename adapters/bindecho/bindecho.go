// Package bindecho puts a [binding.Guard] in front of echo handlers.
//
//	e.Use(bindecho.Protect(guard))
//	e.POST("/payments", pay, bindecho.RequireScopes("payments"))
//
// In a handler, [binding.TokenFromContext] takes c.Request().Context().
package bindecho

import (
	"github.com/labstack/echo/v4"

	"github.com/certbound/certbound/binding"
)

// Protect returns middleware that runs a handler only for requests that the
// guard admits, with the token in their context ([binding.TokenFromContext]) and
// without the header fields that carried a certificate.
//
// Others are refused the way of echo: an *[echo.HTTPError] that wraps the
// *[binding.Error] (errors.As reaches it) goes to the application's
// HTTPErrorHandler, which has the last word on status and body. The challenge
// and Cache-Control are set by then. A guard with a Config.OnError answers by
// itself, and no error is left to handle.
//
// Guards may be nested: a group's, and a stricter one on a route inside it. A
// nil guard refuses every request.
func Protect(guard *binding.Guard) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			request := c.Request()
			admitted, err := guard.Admit(request)
			if err != nil {
				return refuse(c, binding.AsError(err))
			}
			// net/http removes the files of an upload by the request that it knows.
			defer func() { request.MultipartForm = admitted.MultipartForm }()
			c.SetRequest(admitted)
			return next(c)
		}
	}
}

// RequireScopes returns middleware for a route behind [Protect] that runs the
// handler only if the token carries all of the scopes; others are refused with
// 403 insufficient_scope (RFC 6750 §3.1), as Protect refuses. Without Protect in
// front of it, or without a scope, it refuses every request with 500.
func RequireScopes(scopes ...string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := binding.CheckScopes(c.Request(), scopes...); err != nil {
				return refuse(c, binding.AsError(err))
			}
			return next(c)
		}
	}
}

// refuse leaves the answer to echo's error handler, which writes Message, a
// json.Marshaler, as the body.
func refuse(c echo.Context, refusal *binding.Error) error {
	if refusal.WriteCustom(c.Response(), c.Request()) {
		return nil
	}
	refusal.SetHeader(c.Response().Header())
	return &echo.HTTPError{Code: refusal.Status(), Message: refusal, Internal: refusal}
}
