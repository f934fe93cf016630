// Package bindecho puts a [binding.Guard] in front of echo handlers.
//
//	e.Use(bindecho.Protect(guard))
//	e.POST("/payments", pay, bindecho.RequireScopes("payments"))
//
// In a handler, call [binding.TokenFromContext] with c.Request().Context().
package bindecho

import (
	"context"

	"github.com/labstack/echo/v4"

	"github.com/certbound/certbound/binding"
)

// Protect returns middleware that runs a handler only for requests that the
// guard admits, with the token in their context ([binding.TokenFromContext]) and
// without the header fields that carried a certificate.
//
// Others are refused in echo's own way: an *[echo.HTTPError] that wraps the
// *[binding.Error] (errors.As reaches it) goes to the application's
// HTTPErrorHandler, which decides the status and body. The header fields of
// [binding.Error.SetHeader] are set by then. A guard with a Config.OnError
// answers by itself, and returns no error.
//
// Guards may be nested: one on a group, and a stricter one on a route inside
// it. A nil guard refuses every request, with 500.
func Protect(guard *binding.Guard) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Request().Pattern = c.Path() // for the event of a refusal, as http.ServeMux and echo v5 do
			admitted, err := guard.Admit(c.Request())
			if err != nil {
				return refuse(c, binding.AsError(err))
			}
			defer binding.RemoveUpload(admitted)
			binding.SetAdmittedHeader(c.Response().Header(), admitted)
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
	return require(func(ctx context.Context) error { return binding.CheckScopes(ctx, scopes...) })
}

// RequireAnyScope is [RequireScopes] for a route that needs any one of the scopes.
func RequireAnyScope(scopes ...string) echo.MiddlewareFunc {
	return require(func(ctx context.Context) error { return binding.CheckAnyScope(ctx, scopes...) })
}

// RequireAuthentication returns middleware for a route behind [Protect] that runs
// the handler only if the user was authenticated as required; others are refused
// with 401 insufficient_user_authentication (RFC 9470 §3), as Protect refuses.
// Without Protect in front of it, or if nothing is required, it refuses every
// request with 500.
func RequireAuthentication(required binding.Authentication) echo.MiddlewareFunc {
	return require(func(ctx context.Context) error { return binding.CheckAuthentication(ctx, required) })
}

func require(check func(context.Context) error) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := check(c.Request().Context()); err != nil {
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
	return &echo.HTTPError{Code: refusal.StatusCode(), Message: refusal, Internal: refusal}
}
