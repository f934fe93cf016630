package main

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
)

// identityFields are what the API learns. A proxy must replace both in every
// request, or a client writes them itself. Their values are percent-encoded: a
// subject may have any letters.
var identityFields = []string{"X-Client-Id", "X-Subject"}

// decide answers a request as the client sent it: 204 if it may go on to the API,
// with the identity in the answer's header, and else with the guard's refusal.
func decide(guard *binding.Guard, routes http.Handler) http.Handler {
	protected := bindhttp.Protect(guard)(routes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protected.ServeHTTP(&decision{ResponseWriter: w}, r)
	})
}

// newRoutes makes the routes: of every request, or of those that are named.
func newRoutes(named []route) (routes http.Handler, err error) {
	if named == nil {
		return http.HandlerFunc(allowed), nil
	}
	defer func() { // ServeMux panics over a pattern
		if wrong := recover(); wrong != nil {
			err = fmt.Errorf("-route: %v", wrong)
		}
	}()
	mux := http.NewServeMux()
	for _, r := range named {
		handler := http.Handler(http.HandlerFunc(allowed))
		if len(r.scopes) > 0 {
			handler = bindhttp.RequireScopes(r.scopes...)(handler)
		}
		mux.Handle(r.pattern, handler)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path, _, _ := strings.Cut(r.RequestURI, "?"); readTwoWays.MatchString(path) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	}), nil
}

// readTwoWays finds what ServeMux takes for a part of a name, and the API perhaps
// for more: an API may decode a path before it splits it, so that /a%2Fb is of
// another route there; may resolve dots after that, so that /a/%2e%2e/b is /b, as it
// is to the URL parsers of browsers and Node.js; or may take a character for the
// path's end.
var readTwoWays = regexp.MustCompile(`(?i)%2f|%5c|%00|[\\;#]|/(\.|%2e){1,2}(/|$)`)

// allowed says that a request may go on, and whose it is.
func allowed(w http.ResponseWriter, r *http.Request) {
	token, _ := binding.TokenFromContext(r.Context()) // it is there: the guard has admitted the request
	for i, value := range []string{token.ClientID(), token.Subject()} {
		w.Header().Set(identityFields[i], url.PathEscape(value))
	}
	w.WriteHeader(http.StatusNoContent)
}

// A decision is 204, a refusal of the guard's, or 403: ServeMux answers 404, 405
// and redirects, for instance to a path without "..", which another program may
// read otherwise.
type decision struct{ http.ResponseWriter }

func (d *decision) WriteHeader(status int) {
	switch {
	case status == http.StatusNoContent, status == http.StatusBadRequest, status == http.StatusUnauthorized, status >= 500:
	case status != http.StatusForbidden:
		d.Header().Del("Location")
		status = http.StatusForbidden
	}
	if status != http.StatusNoContent {
		d.Header().Set("Cache-Control", "no-store")
	}
	d.ResponseWriter.WriteHeader(status)
}
