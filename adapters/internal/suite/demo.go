package suite

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// A Demo is what an example needs around it: an authorization server, a client
// with a certificate, and a thief who has the client's token and another
// certificate. Where anything fails it ends the process, as the examples of a
// package do.
type Demo struct {
	Tokens *jwks.Verifier

	as            *bindingtest.AuthorizationServer
	client, thief tls.Certificate
	api           *httptest.Server
}

// NewDemo starts a Demo. Close ends it.
func NewDemo() *Demo {
	as := must(bindingtest.NewAuthorizationServer(bindingtest.Config{Audience: Audience}))
	return &Demo{
		as: as,
		Tokens: must(jwks.New(jwks.Config{
			Issuer: as.Issuer(), Audiences: []string{Audience}, Transport: as.Transport(),
		})),
		client: must(as.NewClientCertificate("client")),
		thief:  must(as.NewClientCertificate("thief")),
	}
}

// Serve starts an API over TLS.
func (d *Demo) Serve(handler http.Handler) {
	d.api = httptest.NewUnstartedServer(handler)
	d.api.TLS = binding.TLSConfig(&tls.Config{
		Certificates: []tls.Certificate{d.as.ServerCertificate()},
		MinVersion:   tls.VersionTLS13,
	})
	d.api.StartTLS()
}

// Client calls the API with a token that has the scopes, and prints the answer.
func (d *Demo) Client(path string, scopes ...string) { d.call("client", d.client, path, scopes) }

// Thief calls the API with such a token, the client's, and prints the answer.
func (d *Demo) Thief(path string, scopes ...string) { d.call("thief", d.thief, path, scopes) }

func (d *Demo) call(who string, certificate tls.Certificate, path string, scopes []string) {
	token := must(d.as.Token(bindingtest.TokenSpec{Subject: Subject, Certificate: d.client.Leaf, Scopes: scopes}))
	request := must(http.NewRequest(http.MethodGet, d.api.URL+path, nil))
	request.Header.Set("Authorization", "Bearer "+token)
	response := must(d.as.HTTPClient(certificate).Do(request))
	defer func() { _ = response.Body.Close() }()
	body := must(io.ReadAll(response.Body))
	fmt.Println(who+":", response.StatusCode, strings.TrimSpace(string(body)))
	if challenge := response.Header.Get("WWW-Authenticate"); challenge != "" {
		fmt.Println(" ", challenge)
	}
}

// Close ends the API, the verifier and the authorization server.
func (d *Demo) Close() {
	d.api.Close()
	_ = d.Tokens.Close()
	d.as.Close()
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
