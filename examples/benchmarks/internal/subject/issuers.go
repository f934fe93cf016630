package subject

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// Tenants are many issuers with one key, so that what differs is their number
// alone.
type Tenants struct {
	issuer      *Issuer
	certificate *x509.Certificate
	transport   *http.Transport
}

// NewTenants makes them. Close them when done.
func NewTenants() (*Tenants, error) {
	issuer, err := NewIssuer("ES256", 0)
	if err != nil {
		return nil, err
	}
	client, err := issuer.NewClientCertificate("tpp-4711")
	if err != nil {
		issuer.Close()
		return nil, err
	}
	return &Tenants{issuer, client.Leaf, issuer.Transport()}, nil
}

// Close ends the server.
func (t *Tenants) Close() { t.issuer.Close() }

func tenantName(n int) string { return fmt.Sprintf("https://tenant-%d.bank.example", n) }

func (t *Tenants) config(issuer string) jwks.Config {
	return jwks.Config{Issuer: issuer, Audiences: []string{Audience}, Keys: t.issuer.JWKS()}
}

// withURL has the keys fetched, from a URL that no other issuer has.
func (t *Tenants) withURL(c jwks.Config) jwks.Config {
	c.Keys, c.URL, c.Transport = nil, t.issuer.URL(bindingtest.JWKSPath)+"?"+url.QueryEscape(c.Issuer), t.transport
	return c
}

// Requests returns a request with a token of each of the first of them.
func (t *Tenants) Requests(count int) ([]*http.Request, error) {
	requests := make([]*http.Request, count)
	for n := range requests {
		spec := tokenSpec(t.certificate)
		spec.Claims = map[string]any{"iss": tenantName(n)}
		token, err := t.issuer.Token(spec)
		if err != nil {
			return nil, err
		}
		requests[n] = NewRequest(token, t.certificate)
	}
	return requests, nil
}

// A TenantsGuard is a guard for the tokens of many issuers.
type TenantsGuard struct {
	*binding.Guard
	verifiers []io.Closer
}

// Close ends the guard's verifiers.
func (g *TenantsGuard) Close() error {
	var errs []error
	for _, v := range g.verifiers {
		errs = append(errs, v.Close())
	}
	return errors.Join(errs...)
}

// ByIssuer returns a guard for that many issuers.
func (t *Tenants) ByIssuer(count int) (_ *TenantsGuard, err error) {
	g := &TenantsGuard{}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Close())
		}
	}()
	verifiers := make([]*jwks.Verifier, count)
	for n := range verifiers {
		if verifiers[n], err = jwks.New(t.config(tenantName(n))); err != nil {
			return nil, err
		}
		g.verifiers = append(g.verifiers, verifiers[n])
	}
	all, err := jwks.ByIssuer(verifiers...)
	if err != nil {
		return nil, err
	}
	g.Guard, err = binding.New(binding.Config{Tokens: all})
	return g, err
}

// ByIssuerFunc returns a guard for the issuers of a function that knows that
// many.
func (t *Tenants) ByIssuerFunc(count int) (*TenantsGuard, error) {
	return t.byIssuerFunc(count, t.config)
}

// ByIssuerFuncFetching is ByIssuerFunc, and each issuer's keys are fetched.
func (t *Tenants) ByIssuerFuncFetching(count int) (*TenantsGuard, error) {
	return t.byIssuerFunc(count, func(issuer string) jwks.Config { return t.withURL(t.config(issuer)) })
}

func (t *Tenants) byIssuerFunc(count int, config func(issuer string) jwks.Config) (*TenantsGuard, error) {
	known := make(map[string]bool, count)
	for n := range count {
		known[tenantName(n)] = true
	}
	all, err := jwks.ByIssuerFunc(jwks.IssuersConfig{Config: func(_ context.Context, issuer string) (jwks.Config, error) {
		if !known[issuer] {
			return jwks.Config{}, &binding.Error{Reason: binding.ReasonTokenIssuer}
		}
		return config(issuer), nil
	}})
	if err != nil {
		return nil, err
	}
	guard, err := binding.New(binding.Config{Tokens: all})
	if err != nil {
		return nil, errors.Join(err, all.Close())
	}
	return &TenantsGuard{guard, []io.Closer{all}}, nil
}
