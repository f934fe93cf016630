package metadata_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/metadata"
)

type exampleTokens struct{}

func (exampleTokens) VerifyToken(context.Context, string) (*binding.Token, error) {
	return nil, &binding.Error{Reason: binding.ReasonTokenMalformed}
}

// The challenge of a refusal leads a client to the metadata, and the metadata to the authorization server.
func ExampleNewResource() {
	const api = "https://api.bank.example/v1"
	address, err := metadata.ResourceMetadataURL(api)
	if err != nil {
		log.Fatal(err)
	}
	guard, err := binding.New(binding.Config{Tokens: exampleTokens{}, ResourceMetadata: address})
	if err != nil {
		log.Fatal(err)
	}
	resource, err := metadata.NewResource(metadata.ResourceConfig{
		Resource:             api,
		AuthorizationServers: []string{"https://auth.bank.example"},
		Scopes:               []string{"accounts"},
		Guards:               []*binding.Guard{guard},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(resource.Path(), resource)

	r := httptest.NewRequest(http.MethodGet, api+"/accounts", nil)
	_, err = guard.Admit(r)
	fmt.Println(binding.AsError(err).Challenges()[0])
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address, nil))
	fmt.Println(w.Body)
	// Output:
	// Bearer resource_metadata="https://api.bank.example/.well-known/oauth-protected-resource/v1"
	// {"resource":"https://api.bank.example/v1","authorization_servers":["https://auth.bank.example"],"scopes_supported":["accounts"],"bearer_methods_supported":["header"],"tls_client_certificate_bound_access_tokens":true}
}

// Where a client, or a verifier, looks for an issuer's metadata: RFC 8414 §3.1 first, then OpenID Connect Discovery.
func ExampleWellKnown() {
	addresses, err := metadata.WellKnown("https://auth.bank.example/tenant1")
	if err != nil {
		log.Fatal(err)
	}
	for _, address := range addresses {
		fmt.Println(address)
	}
	// Output:
	// https://auth.bank.example/.well-known/oauth-authorization-server/tenant1
	// https://auth.bank.example/tenant1/.well-known/openid-configuration
}

// What an authorization server says of itself, fetched under limits. bindingtest stands for it.
func ExampleClient_AuthorizationServer() {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer as.Close()
	client := metadata.Client{Transport: as.Transport()}
	server, err := client.AuthorizationServer(context.Background(), as.Issuer())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(server.Issuer == as.Issuer(), server.JWKSURI == as.URL(bindingtest.JWKSPath), server.CertificateBoundAccessTokens)
	// Output: true true true
}

// An authorization server whose certificate is of a private CA: the limits of NewTransport, and other roots. jwks.Config and
// introspection.Config take such a Transport, too.
func ExampleNewTransport() {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer as.Close()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(as.RootPEM()) // os.ReadFile("roots.pem")

	transport := metadata.NewTransport()
	defer transport.CloseIdleConnections()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	client := metadata.Client{Transport: transport}
	_, err = client.AuthorizationServer(context.Background(), as.Issuer())
	fmt.Println(err)
	// Output: <nil>
}

// Incorrect: the issuer is another than the one that the metadata names, by a slash. It is compared to the letter, for
// whoever answers in an issuer's name must be that issuer (RFC 8414 §3.3).
func ExampleClient_AuthorizationServer_incorrect() {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer as.Close()
	client := metadata.Client{Transport: as.Transport()}
	_, err = client.AuthorizationServer(context.Background(), as.Issuer()+"/")
	fmt.Println(errors.Is(err, metadata.ErrIssuer))
	// Output: true
}
