// Command mcp is a protected MCP server in its smallest form, with the Go SDK
// of the Model Context Protocol. Its clients find the authorization server by the
// guard's challenge (RFC 9728), and ask it for more when a tool needs more.
//
//	ISSUER=https://auth.bank.example AUDIENCE=https://mcp.bank.example/mcp \
//	RESOURCE=https://mcp.bank.example/mcp \
//	TLS_CERT=mcp.pem TLS_KEY=mcp-key.pem ADDRESS=127.0.0.1:8443 go run .
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/metadata"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

// The scopes that each tool needs: all of them, because a client that asks for
// more asks for no more than it is told.
var toolScopes = map[string][]string{
	"accounts": {"accounts"},
	"pay":      {"accounts", "payments"},
}

func main() {
	// The endpoint as its clients know it: they refuse the metadata of another.
	resource, err := url.Parse(os.Getenv("RESOURCE"))
	if err != nil {
		log.Fatal(err)
	}
	resourceMetadata, err := metadata.ResourceMetadataURL(resource.String())
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := jwks.New(jwks.Config{
		Issuer:    os.Getenv("ISSUER"),
		Audiences: []string{os.Getenv("AUDIENCE")},
	})
	if err != nil {
		log.Fatal(err)
	}
	proofs, err := dpop.New(dpop.Config{Origins: []string{resource.Scheme + "://" + resource.Host}})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := binding.New(binding.Config{
		Tokens: tokens, Proofs: proofs, Scopes: []string{"accounts"}, ResourceMetadata: resourceMetadata,
	})
	if err != nil {
		log.Fatal(err)
	}
	document, err := metadata.NewResource(metadata.ResourceConfig{
		Resource:             resource.String(),
		AuthorizationServers: []string{os.Getenv("ISSUER")},
		Scopes:               []string{"accounts"}, // what a client begins with
		Guards:               []*binding.Guard{guard},
	})
	if err != nil {
		log.Fatal(err)
	}

	server := newServer()
	// Stateless: each call is a request with a proof of its own, and no stream
	// outlives its token.
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server },
		&mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
	mux := http.NewServeMux()
	mux.Handle(document.Path(), document)
	mux.Handle(resource.EscapedPath(), bindhttp.Protect(guard)(requireToolScopes(withTokenInfo(handler))))

	listening := &http.Server{
		Addr:              os.Getenv("ADDRESS"),
		Handler:           mux,
		TLSConfig:         binding.TLSConfig(nil), // asks clients for a certificate
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(listening.ListenAndServeTLS(os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY")))
}

func newServer() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "bank", Version: "v1"}, nil)
	for name, answer := range map[string]string{"accounts": "the accounts of ", "pay": "paid by "} {
		mcp.AddTool(server, &mcp.Tool{Name: name, Description: answer + "the user"},
			func(_ context.Context, request *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
				token, err := tokenFor(request)
				if err != nil {
					return nil, nil, err
				}
				return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: answer + token.Subject()}}}, nil, nil
			})
	}
	return server
}

// tokenFor returns the token of a call, if it has the scopes that the tool
// needs. This is the check that counts: the SDK has read the name.
func tokenFor(request *mcp.CallToolRequest) (*binding.Token, error) {
	token, ok := tokenOf(request.GetExtra())
	if !ok {
		return nil, errors.New("no guard has admitted this request")
	}
	for _, scope := range toolScopes[request.Params.Name] {
		if !token.HasScope(scope) {
			return nil, errors.New("insufficient scope")
		}
	}
	return token, nil
}
