package binding

import (
	"net/http"
	"slices"
)

// CheckScopes checks that the token of a request that a guard has admitted
// carries all of the scopes. An adapter's RequireScopes calls it; a handler may.
//
// It answers with the realm and error handler of that guard, and reports a
// refusal, not a pass, to its observer. Without a guard in front of it, without
// a scope, or with one that is no scope token (RFC 6749 §3.3), it refuses with
// [ReasonMisconfigured] and status 500: that is our mistake, not the client's.
// The error is an [*Error].
func CheckScopes(r *http.Request, scopes ...string) error {
	a := admissionOf(r.Context())
	if a == nil {
		return &Error{Reason: ReasonMisconfigured}
	}
	if len(scopes) == 0 || !allScopeTokens(scopes) {
		return a.guard.refuse(r.Context(), a.token, &Error{Reason: ReasonMisconfigured})
	}
	if refusal := a.token.missesAny(scopes); refusal != nil {
		return a.guard.refuse(r.Context(), a.token, refusal)
	}
	return nil
}

func (t *Token) missesAny(scopes []string) *Error {
	for _, scope := range scopes {
		if !t.HasScope(scope) {
			return &Error{Reason: ReasonScopeMissing, Scopes: scopes}
		}
	}
	return nil
}

func allScopeTokens(scopes []string) bool {
	return !slices.ContainsFunc(scopes, func(s string) bool { return !isScopeToken(s) })
}
