package binding

import (
	"errors"
	"net/http"
)

// whyMissing says what an operator should look at when the client of a request
// presented no certificate, if the guard takes it from the connection; any
// other source says it itself. It names both causes, because a guard does not
// see whether the client was asked.
func (g *Guard) whyMissing(r *http.Request) error {
	if _, ok := g.certificates.(*connection); !ok {
		return nil
	}
	if r.TLS == nil {
		return errNoTLS
	}
	return errNotPresented
}

var (
	errNoTLS = errors.New("binding: the request came without TLS: behind a proxy set Config.Certificates to a source " +
		"of package forwarded, otherwise serve TLS with binding.TLSConfig")
	errNotPresented = errors.New("binding: the TLS handshake brought no client certificate: the client has none to present, " +
		"or the server did not ask for one: serve TLS with binding.TLSConfig")
)
