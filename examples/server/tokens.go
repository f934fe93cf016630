package main

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/introspection"
	"github.com/certbound/certbound/binding/metadata"
	"github.com/certbound/certbound/examples/internal/commandline"
	"github.com/certbound/certbound/jwks"
)

// A verifier verifies tokens, and is closed with the server.
type verifier struct {
	binding.TokenVerifier

	ready func() error
	close []func() error
}

// newVerifier makes the verifier of JWTs or, with -introspection, of JWTs and of
// opaque tokens, which it asks the authorization server about. The mistakes are
// those of the flags.
func newVerifier(o *options, log *slog.Logger) (*verifier, []error) {
	v := &verifier{}
	jwts, err := jwks.New(o.tokenRules(jwks.Config{
		Issuer:      o.issuer,
		Audiences:   o.audiences,
		URL:         o.jwksURL,
		Fresh:       o.refresh,
		TokenTypes:  o.types,
		ScopeClaims: o.scopeClaims,
		Transport:   o.transport(),
		Observe:     jwks.LogEvents(log),
	}))
	mistakes := commandline.FlagErrors(err, flagOf)
	if err == nil {
		v.TokenVerifier, v.ready, v.close = jwts, jwts.Ready, append(v.close, jwts.Close)
	}
	if !o.introspection.on || len(mistakes) > 0 {
		return v, mistakes
	}
	config := o.introspection.config()
	config.Issuer, config.Audiences, config.ScopeClaims = o.issuer, o.audiences, o.scopeClaims
	config.Transport, config.Observe = o.transport(), introspection.LogEvents(log)
	if o.fapi2 {
		config.Leeway, config.MaxLifetime = fapi2Leeway, fapi2MaxLifetime
	}
	opaque, err := introspection.New(config)
	if err != nil {
		return v, commandline.FlagErrors(err, flagOf)
	}
	v.close = append(v.close, opaque.Close)
	both, err := introspection.NewForms(introspection.FormsConfig{
		JWTs: jwts, Opaque: opaque, IntrospectJWTsWithoutAudience: o.introspection.withoutAudience,
	})
	if err != nil {
		return v, []error{err}
	}
	v.TokenVerifier, v.ready = both, both.Ready
	return v, nil
}

func (v *verifier) Close() error {
	var failures []error
	for _, f := range v.close {
		failures = append(failures, f())
	}
	return errors.Join(failures...)
}

// transport reaches the authorization server by the roots of -as-ca, or is nil
// for those of the machine.
func (o *options) transport() http.RoundTripper {
	if o.roots == nil {
		return nil
	}
	transport := metadata.NewTransport()
	transport.TLSClientConfig = &tls.Config{RootCAs: o.roots, MinVersion: tls.VersionTLS12}
	return transport
}

// newResource makes what the server says of itself (RFC 9728), if an audience is
// the URL by which clients know it, and otherwise returns nil.
func newResource(o *options, guard *binding.Guard) (*metadata.Resource, error) {
	resource, found := resourceOf(o.audiences)
	if !found {
		return nil, nil
	}
	return metadata.NewResource(metadata.ResourceConfig{
		Resource:             resource,
		AuthorizationServers: []string{o.issuer},
		Scopes:               o.scopes,
		Guards:               []*binding.Guard{guard},
	})
}

func resourceOf(audiences []string) (resource string, found bool) {
	for _, audience := range audiences {
		if _, err := metadata.ResourceMetadataURL(audience); err == nil {
			return audience, true
		}
	}
	return "", false
}

// withResource serves the metadata of the resource beside the API, in whatever
// framework that is.
func withResource(resource *metadata.Resource, api http.Handler) http.Handler {
	if resource == nil {
		return api
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() == resource.Path() {
			resource.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}
