package binding

import (
	"context"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/certbound/certbound/binding/internal/grammar"
)

// withoutCertificate returns the request without the header fields that the
// guard's CertificateSource reads, and without any field that another server
// behind it could take for one of them ("_" and "." for "-", as CGI does): in
// its header and in its trailer. It leaves r as it is, and also returns what
// was removed from the header.
func (g *Guard) withoutCertificate(r *http.Request) (stripped *http.Request, removed http.Header) {
	if len(g.certificateHeaders) == 0 {
		return r, nil
	}
	stripped = new(http.Request)
	*stripped = *r
	stripped.Header = make(http.Header, len(r.Header))
	for name, values := range r.Header {
		switch {
		case g.isOfCertificate(name):
			if removed == nil {
				removed = make(http.Header)
			}
			removed[name] = values
		case name == "Trailer" && g.announces(values):
			// net/http has taken the field away where it means something.
		default:
			stripped.Header[name] = values
		}
	}
	if r.Trailer != nil {
		stripped.Trailer = make(http.Header)
		trailer := &trailer{ReadCloser: r.Body, guard: g, of: r.Trailer, kept: stripped.Trailer}
		trailer.keep()
		if r.Body != nil {
			stripped.Body = trailer
		}
	}
	return stripped, removed
}

// A trailer is the body of a request with a trailer. net/http adds that to the
// map which it knows when the body has been read, whether or not each field was
// announced (RFC 9110 §6.6.2); here the others are added to ours.
type trailer struct {
	io.ReadCloser
	guard    *Guard
	of, kept http.Header
}

func (t *trailer) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if err == io.EOF {
		t.keep()
	}
	return n, err
}

func (t *trailer) keep() {
	for name, values := range t.of {
		if !t.guard.isOfCertificate(name) {
			t.kept[name] = values
		}
	}
}

func (g *Guard) isOfCertificate(name string) bool {
	_, is := g.certificateHeaders[grammar.FoldName(name)]
	return is
}

// announces reports whether a Trailer field names one of the certificate's.
func (g *Guard) announces(values []string) bool {
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			if g.isOfCertificate(strings.TrimSpace(name)) {
				return true
			}
		}
	}
	return false
}

// asItCame returns the request with the header fields that guards outside this
// one have removed, for the guard's source to read: as if it were alone.
func (g *Guard) asItCame(r *http.Request) *http.Request {
	removed := removedFrom(r.Context())
	if len(removed) == 0 {
		return r
	}
	restored := new(http.Request)
	*restored = *r
	restored.Header = merged(r.Header, removed)
	return restored
}

func removedFrom(ctx context.Context) http.Header {
	if a := admissionOf(ctx); a != nil {
		return a.removed
	}
	return nil
}

// merged returns the fields of both, those of header where both have one.
func merged(header, other http.Header) http.Header {
	if len(other) == 0 {
		return header
	}
	both := maps.Clone(other)
	maps.Copy(both, header)
	return both
}
