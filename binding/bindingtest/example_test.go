package bindingtest_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"

	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// call is a GET: status and body.
func call(client *http.Client, address string) string {
	response, err := client.Get(address)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	return fmt.Sprint(response.StatusCode, " ", strings.TrimSpace(string(body)))
}

// A test of a handler of one's own: an API over TLS, and clients with certificates and tokens. The other examples of the
// package show a protected one, in net/http, echo and gin.
func Example() {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Audience: "https://api.bank.example"})
	if err != nil {
		log.Fatal(err)
	}
	defer as.Close()

	// In place of this handler comes one that is protected, with as.Issuer() as its issuer, as.Audience() as its audience
	// and as.Transport() to reach the issuer.
	api := as.Serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer api.Close()

	response, err := as.BoundClient("alice", "accounts").Get(api.URL + "/accounts")
	if err != nil {
		log.Fatal(err)
	}
	_ = response.Body.Close()
	fmt.Println(response.Status)
	// Output: 200 OK
}

// A client that gets its token at the token endpoint, as it would at a real authorization server.
func ExampleAuthorizationServer_MTLSURL() {
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
	response, err := as.HTTPClient(certificate).Post(as.MTLSURL(bindingtest.TokenPath),
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

// A client that renews its certificate, for the same key: what was bound to the old one is not bound to the new one.
func ExampleRenewSelfSignedCertificate() {
	old, err := bindingtest.NewSelfSignedCertificate("client-1")
	if err != nil {
		log.Fatal(err)
	}
	renewed, err := bindingtest.RenewSelfSignedCertificate(old)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the same key:", renewed.PrivateKey.(*ecdsa.PrivateKey).Equal(old.PrivateKey))
	fmt.Println("the same thumbprint:", bindingtest.Thumbprint(renewed.Leaf) == bindingtest.Thumbprint(old.Leaf))
	// Output:
	// the same key: true
	// the same thumbprint: false
}

// Incorrect: a token that was not asked for the client's certificate is bound to nothing, and every guard with the zero
// policy refuses it. BoundClient, or TokenSpec.Certificate, binds.
func ExampleAuthorizationServer_Token_incorrect() {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer as.Close()
	tokens, err := jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport()})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = tokens.Close() }()
	token, err := as.Token(bindingtest.TokenSpec{Subject: "alice"}) // incorrect
	if err != nil {
		log.Fatal(err)
	}
	verified, err := tokens.VerifyToken(context.Background(), token)
	if err != nil {
		log.Fatal(err)
	}
	_, bound := verified.Thumbprint()
	fmt.Println(verified.Subject(), bound)
	// Output: alice false
}
