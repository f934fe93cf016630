package bindingtest_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/certbound/certbound/binding/bindingtest"
)

// A test of a handler of one's own: an API over TLS, a client certificate, and a token bound to it.
func Example() {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Audience: "https://api.bank.example"})
	if err != nil {
		log.Fatal(err)
	}
	defer as.Close()

	// In place of this handler comes one that is protected, with as.Issuer() as its issuer and an HTTP client that
	// trusts as.RootCAs().
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	api := httptest.NewUnstartedServer(handler)
	api.TLS = &tls.Config{
		Certificates: []tls.Certificate{as.ServerCertificate()},
		ClientAuth:   tls.RequestClientCert,
	}
	api.StartTLS()
	defer api.Close()

	certificate, err := as.NewClientCertificate("client-1")
	if err != nil {
		log.Fatal(err)
	}
	token, err := as.BoundToken(certificate.Leaf, "accounts") // or ExpiredToken, UnboundToken, WronglyBoundToken, ...
	if err != nil {
		log.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodGet, api.URL+"/accounts", nil)
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := as.HTTPClient(certificate).Do(request)
	if err != nil {
		log.Fatal(err)
	}
	_ = response.Body.Close()
	fmt.Println(response.Status)
	// Output: 200 OK
}

// A client that gets its token at the token endpoint, as it would at a real authorization server.
func ExampleAuthorizationServer_MTLSTokenEndpoint() {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Clients: []bindingtest.Client{{
		ID:         "client-1",
		AuthMethod: bindingtest.TLSClientAuth,
		SubjectDN:  "CN=client-1",
		Scopes:     []string{"accounts"},
	}}})
	if err != nil {
		log.Fatal(err)
	}
	defer as.Close()
	certificate, err := as.NewClientCertificate("client-1")
	if err != nil {
		log.Fatal(err)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"client-1"}}
	response, err := as.HTTPClient(certificate).Post(as.MTLSTokenEndpoint(),
		"application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		TokenType string `json:"token_type"`
		Scope     string `json:"scope"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Status, answer.TokenType, answer.Scope)
	// Output: 200 OK Bearer accounts
}
