package metadata_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/certbound/certbound/binding"
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
	fmt.Println(binding.AsError(err).Challenge())
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address, nil))
	fmt.Println(w.Body)
	// Output:
	// Bearer resource_metadata="https://api.bank.example/.well-known/oauth-protected-resource/v1"
	// {"resource":"https://api.bank.example/v1","authorization_servers":["https://auth.bank.example"],"scopes_supported":["accounts"],"bearer_methods_supported":["header"],"tls_client_certificate_bound_access_tokens":true}
}
