package binding

import (
	"context"
	"fmt"
	"log/slog"
	"mime/multipart"
	"net/http"
	"sync"
)

// An admission is what a guard leaves in the context of a request that it
// admits. It is that context: one value of its own in front of the request's.
type admission struct {
	context.Context

	guard       *Guard
	request     *http.Request // as it came to the guard
	token       *Token
	certificate *Certificate // proven, or nil
	scheme      scheme
	proven      *provenProof    // or nil
	nonce       string          // for the answer, or ""
	removed     http.Header     // by this guard and those outside it
	form        *multipart.Form // that the request had before
}

// Value returns the admission itself for our key.
func (a *admission) Value(key any) any {
	if key == (contextKey{}) {
		return a
	}
	return a.Context.Value(key)
}

// String is what a log of the context shows: nothing of the token, and only the
// name of the context below.
func (a *admission) String() string { return contextName(a.Context) + ".admitted" }

func contextName(ctx context.Context) string {
	if named, ok := ctx.(fmt.Stringer); ok {
		return named.String()
	}
	return fmt.Sprintf("%T", ctx)
}

type contextKey struct{}

func admissionOf(ctx context.Context) *admission {
	a, _ := ctx.Value(contextKey{}).(*admission)
	return a
}

// admissionFor is admissionOf for the application. It logs a mistake that is
// easily made in gin: gin's own context is a context.Context, but does not hold
// what the request's context holds.
func admissionFor(ctx context.Context) *admission {
	if a := admissionOf(ctx); a != nil {
		return a
	}
	if fmt.Sprintf("%T", ctx) == "*gin.Context" {
		toldOfContext.Do(func() {
			slog.Default().ErrorContext(ctx, "binding: TokenFromContext or CertificateFromContext was given gin's own context, "+
				"in which no guard leaves anything: give it c.Request.Context()")
		})
	}
	return nil
}

var toldOfContext sync.Once

// TokenFromContext returns the token of a request that a guard has admitted. It
// is the same in every framework: gin and echo handlers pass the context of
// their *http.Request.
func TokenFromContext(ctx context.Context) (*Token, bool) {
	if a := admissionFor(ctx); a != nil {
		return a.token, true
	}
	return nil, false
}

// CertificateFromContext returns the client certificate that the request's
// token is bound to, and that its client has proven to hold, whether it came
// over TLS or from a proxy. It returns false for a token that is not bound to a
// certificate, even if the client presented one.
func CertificateFromContext(ctx context.Context) (Certificate, bool) {
	if a := admissionFor(ctx); a != nil {
		return a.certificate.orNone(), a.certificate != nil
	}
	return Certificate{}, false
}

// admit returns the request to hand on.
func (g *Guard) admit(r *http.Request, d *decision) *http.Request {
	stripped, removed := g.withoutCertificate(r)
	d.removed, d.form = merged(removed, removedFrom(d.Context)), r.MultipartForm
	if d.proof != nil {
		d.proven, d.nonce = d.proof.proven, d.proof.newerNonce(g)
	}
	return stripped.WithContext(&d.admission)
}

// RemoveUpload removes the temporary files of a multipart upload to a request
// that [Guard.Admit] returned. net/http would leave them: it only knows the
// request that it made itself, and Admit returns a copy. Without such files
// RemoveUpload does nothing. An adapter calls it when the handler is done, even
// if the handler panicked.
func RemoveUpload(admitted *http.Request) {
	a := admissionOf(admitted.Context())
	if form := admitted.MultipartForm; a != nil && form != nil && form != a.form {
		_ = form.RemoveAll() // as net/http: what cannot be removed is the system's to clean up
	}
}
