package binding

import (
	"context"
	"fmt"
	"net/http"
)

// An admission is what a guard leaves in the context of a request that it
// admits. It is that context: one value of its own in front of the request's.
type admission struct {
	context.Context

	guard   *Guard
	token   *Token
	reading *reading
	outer   *admission // of the guard outside this one, if any
}

// Value returns the admission itself for our key.
func (a *admission) Value(key any) any {
	if key == (contextKey{}) {
		return a
	}
	return a.Context.Value(key)
}

// String is what a log of the context shows: nothing of the token, and of a
// context below it only what that shows of itself.
func (a *admission) String() string {
	if below, ok := a.Context.(fmt.Stringer); ok {
		return below.String() + ".admitted"
	}
	return fmt.Sprintf("%T.admitted", a.Context)
}

// A reading is what a CertificateSource that reads header fields has said.
// [Guard.Admit] removes those fields, so that a guard further in, with the same
// source, could not read them again.
type reading struct {
	certificate Certificate
	err         error
}

type contextKey struct{}

func admissionOf(ctx context.Context) *admission {
	a, _ := ctx.Value(contextKey{}).(*admission)
	return a
}

// TokenFromContext returns the token of a request that a guard has admitted. It
// is the same in every framework: gin and echo handlers pass the context of
// their *http.Request.
func TokenFromContext(ctx context.Context) (*Token, bool) {
	if a := admissionOf(ctx); a != nil {
		return a.token, true
	}
	return nil, false
}

// admit returns the request to hand on.
func (g *Guard) admit(r *http.Request, token *Token, read *reading) *http.Request {
	ctx := r.Context()
	admitted := &admission{Context: ctx, guard: g, token: token, reading: read, outer: admissionOf(ctx)}
	return g.withoutCertificate(r).WithContext(admitted)
}

// readBefore returns what a guard outside this one has read from the same
// source of header fields.
func (g *Guard) readBefore(ctx context.Context) *reading {
	for a := admissionOf(ctx); a != nil; a = a.outer {
		if a.reading != nil && a.guard.certificates == g.certificates {
			return a.reading
		}
	}
	return nil
}

// withoutCertificate returns the request without the header fields that the
// guard's CertificateSource reads, and without any field that a server further
// on could take for one of them ("_" and "." for "-", as CGI does). It leaves r
// as it is.
func (g *Guard) withoutCertificate(r *http.Request) *http.Request {
	if len(g.certificateHeaders) == 0 {
		return r
	}
	stripped := new(http.Request)
	*stripped = *r
	stripped.Header = make(http.Header, len(r.Header))
	for name, values := range r.Header {
		if _, remove := g.certificateHeaders[foldName(name)]; !remove {
			stripped.Header[name] = values
		}
	}
	return stripped
}

// foldName returns a field name as the least careful reader takes it.
func foldName(name string) string {
	folded := []byte(name)
	for i, c := range folded {
		switch {
		case 'A' <= c && c <= 'Z':
			folded[i] = c | 0x20
		case !isAlnum(c):
			folded[i] = '-'
		}
	}
	return string(folded)
}
