// Package bindhttp puts a [binding.Guard] in front of net/http handlers, and of
// everything that takes a func(http.Handler) http.Handler: chi, connect-go, alice.
//
//	protect, scope := bindhttp.Protect(guard), bindhttp.RequireScopes("payments")
//	http.Handle("GET /accounts", protect(http.HandlerFunc(accounts)))
//	http.Handle("POST /payments", protect(scope(http.HandlerFunc(payments))))
//
// Handlers get the ResponseWriter that Protect was given, so that Flush,
// Hijack, WebSocket and server-sent events work as without a guard. The package
// depends only on the standard library and package binding.
package bindhttp

import (
	"context"
	"net/http"

	"github.com/certbound/certbound/binding"
)

// Protect returns middleware that runs a handler only for requests that the
// guard admits, with the token in their context ([binding.TokenFromContext]) and
// without the header fields that carried a certificate. Others are answered by
// [binding.Error.Write].
//
// Guards may be nested: one on a group, and a stricter one on a route inside
// it. A nil guard refuses every request, with 500.
func Protect(guard *binding.Guard) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			admitted, err := guard.Admit(r)
			if err != nil {
				binding.AsError(err).Write(w, r)
				return
			}
			defer binding.RemoveUpload(admitted)
			binding.SetAdmittedHeader(w.Header(), admitted)
			next.ServeHTTP(w, admitted)
		})
	}
}

// RequireScopes returns middleware for a route behind [Protect] that runs the
// handler only if the token carries all of the scopes; others are answered 403
// insufficient_scope (RFC 6750 §3.1). Without Protect in front of it, or
// without a scope, it refuses every request with 500.
func RequireScopes(scopes ...string) func(http.Handler) http.Handler {
	return require(func(ctx context.Context) error { return binding.CheckScopes(ctx, scopes...) })
}

// RequireAnyScope is [RequireScopes] for a route that needs any one of the scopes.
func RequireAnyScope(scopes ...string) func(http.Handler) http.Handler {
	return require(func(ctx context.Context) error { return binding.CheckAnyScope(ctx, scopes...) })
}

// RequireAuthentication returns middleware for a route behind [Protect] that runs
// the handler only if the user was authenticated as required; others are answered
// 401 insufficient_user_authentication (RFC 9470 §3). Without Protect in front of
// it, or if nothing is required, it refuses every request with 500.
func RequireAuthentication(required binding.Authentication) func(http.Handler) http.Handler {
	return require(func(ctx context.Context) error { return binding.CheckAuthentication(ctx, required) })
}

func require(check func(context.Context) error) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := check(r.Context()); err != nil {
				binding.AsError(err).Write(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
