package binding

import (
	"context"
	"fmt"
	"slices"

	"github.com/certbound/certbound/binding/internal/grammar"
)

// CheckScopes checks that the token of a request that a guard has admitted
// carries all of the scopes. ctx is the request's context. An adapter's
// RequireScopes calls it, and a handler may.
//
// The error is an [*Error] with [ReasonScopeMissing], status 403. It is
// answered with the realm and error handler of that guard, and reported to its
// observer; a success is not reported. If there is no guard in front, no scope
// is given, or one is not a scope token (RFC 6749 §3.3), it refuses with
// [ReasonMisconfigured] and status 500: that is this server's mistake, not the
// client's.
func CheckScopes(ctx context.Context, scopes ...string) error {
	return checkScopes(ctx, "RequireScopes", scopes, (*Token).missesAny)
}

// CheckAnyScope checks that the token carries at least one of the scopes, and
// is otherwise like [CheckScopes]. An adapter's RequireAnyScope calls it. The
// challenge of a refusal names them all, though any one of them is enough.
func CheckAnyScope(ctx context.Context, scopes ...string) error {
	return checkScopes(ctx, "RequireAnyScope", scopes, (*Token).missesAll)
}

func checkScopes(ctx context.Context, call string, scopes []string, misses func(*Token, []string) *Error) error {
	misused := func() string { return fmt.Sprintf("%s(%q)", call, scopes) }
	problem := ""
	if len(scopes) == 0 || !allScopeTokens(scopes) {
		problem = "it needs at least one scope, and each must be a scope token (RFC 6749 section 3.3)"
	}
	return checkAdmitted(ctx, misused, problem, func(_ *Guard, token *Token) *Error { return misses(token, scopes) })
}

// missesAny refuses a token that lacks one of the scopes.
func (t *Token) missesAny(scopes []string) *Error {
	for _, scope := range scopes {
		if !t.HasScope(scope) {
			return scopeMissing("all of", scopes)
		}
	}
	return nil
}

// missesAll refuses a token that has none of the scopes.
func (t *Token) missesAll(scopes []string) *Error {
	if slices.ContainsFunc(scopes, t.HasScope) {
		return nil
	}
	return scopeMissing("one of", scopes)
}

func scopeMissing(quantity string, scopes []string) *Error {
	return &Error{Reason: ReasonScopeMissing, Scopes: scopes,
		Cause: fmt.Errorf("binding: the request needs %s %q; if the issuer sends scopes in another claim than scope, name it in ScopeClaims", quantity, scopes)}
}

func allScopeTokens(scopes []string) bool {
	return !slices.ContainsFunc(scopes, func(s string) bool { return !grammar.IsScopeToken(s) })
}
