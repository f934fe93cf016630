package binding

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Authentication says how, and how recently, the user must have been
// authenticated (RFC 9470). The zero Authentication requires nothing.
type Authentication struct {
	// ACRValues are the authentication context classes that are accepted: the
	// token's acr must be one of them, compared exactly. The challenge names them
	// in this order: put the preferred one first. Each is printable ASCII without
	// space, quote and backslash. If nil, acr is not checked.
	ACRValues []string

	// MaxAge is the longest time that may have passed since the token's
	// auth_time, when the user was authenticated: at least a second. The
	// challenge says it in whole seconds, rounded down. There is no leeway for
	// clocks that differ, except that auth_time may lie up to a minute in the
	// future. If 0, auth_time is not checked.
	MaxAge time.Duration
}

// CheckAuthentication checks that the user was authenticated as required, by
// the token of a request that a guard has admitted. A refusal is 401
// insufficient_user_authentication, with the acr_values and max_age (RFC 9470
// §3) with which the client must send its user to the authorization server
// again. In everything else it is like [CheckScopes]; to require nothing is a
// mistake, status 500. An adapter's RequireAuthentication calls it.
func CheckAuthentication(ctx context.Context, required Authentication) error {
	call := func() string { return fmt.Sprintf("RequireAuthentication(%+v)", required) }
	problem := required.problem()
	if required.isZero() {
		problem = "it requires nothing"
	}
	return checkAdmitted(ctx, call, problem, func(g *Guard, token *Token) *Error { return token.authenticated(required, g.clock) })
}

func (a Authentication) clone() Authentication {
	a.ACRValues = slices.Clone(a.ACRValues)
	return a
}

func (a Authentication) isZero() bool { return a.ACRValues == nil && a.MaxAge == 0 }

// problem says what is wrong with a requirement, or "".
func (a Authentication) problem() string {
	switch {
	case a.ACRValues != nil && len(a.ACRValues) == 0:
		return "ACRValues must be nil, or name at least one value"
	case slices.ContainsFunc(a.ACRValues, func(acr string) bool { return acr == "" || strings.Contains(acr, " ") || !isQuotable(acr) }):
		return "each of ACRValues must be printable ASCII without space, quote and backslash (RFC 9470 section 3)"
	case a.MaxAge != 0 && a.MaxAge < time.Second:
		return "MaxAge must be 0, or at least a second"
	}
	return ""
}

func (a Authentication) maxAgeSeconds() string {
	if a.MaxAge == 0 {
		return ""
	}
	return strconv.FormatInt(int64(a.MaxAge/time.Second), 10)
}

// maxClockDifference is how far auth_time may lie in the future.
const maxClockDifference = time.Minute

// authenticated refuses a token whose user was not authenticated as required. A
// claim that is missing, or of another type, proves nothing.
func (t *Token) authenticated(required Authentication, clock func() time.Time) *Error {
	insufficient := func(format string, args ...any) *Error {
		return &Error{Reason: ReasonAuthenticationInsufficient, Authentication: required, Cause: fmt.Errorf("binding: "+format, args...)}
	}
	if required.ACRValues != nil && !slices.Contains(required.ACRValues, t.ACR()) {
		return insufficient("the token's acr is missing, or not one of %q", required.ACRValues)
	}
	if required.MaxAge == 0 {
		return nil
	}
	now, at := clock(), t.AuthTime()
	switch {
	case at.IsZero():
		return insufficient("the token has no auth_time, and MaxAge is %s", required.MaxAge)
	case at.After(now.Add(maxClockDifference)):
		return insufficient("the token's auth_time lies in the future")
	case now.Sub(at) > required.MaxAge:
		return insufficient("the user was authenticated longer ago than %s", required.MaxAge)
	}
	return nil
}

// checkAdmitted judges the token of a request that a guard has admitted. call
// is what the application wrote, and problem is what is wrong with it, or "".
func checkAdmitted(ctx context.Context, call func() string, problem string, judge func(*Guard, *Token) *Error) error {
	a := admissionOf(ctx)
	if a == nil {
		refusal := &Error{Reason: ReasonMisconfigured, Cause: fmt.Errorf("binding: %s found no guard in front of it, in a context of type %T: "+
			"put the adapter's Protect before it; in gin and echo the context is that of c.Request", call(), ctx)}
		reportFault(ctx, Event{Err: refusal})
		return refusal
	}
	refusal := (*Error)(nil)
	if problem != "" {
		refusal = &Error{Reason: ReasonMisconfigured, Cause: errors.New("binding: " + call() + ": " + problem)}
	} else if refusal = recovered(func() *Error { return judge(a.guard, a.token) }); refusal == nil {
		return nil
	}
	return a.guard.report(ctx, a, refusal.sentUnder(a.scheme), time.Time{})
}
