package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"slices"
	"strings"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// whoami is an API behind a guard.
func whoami(guard *binding.Guard) http.Handler {
	return bindhttp.Protect(guard)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := binding.TokenFromContext(r.Context())
		_, _ = fmt.Fprint(w, token.ClientID(), " ", token.Scopes())
	}))
}

// call prints the answer to a request of the client's.
func call(client *http.Client, address, authorization string) {
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		log.Fatal(err)
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.StatusCode, strings.TrimSpace(string(body)))
}

// Auth0's default token profile, with permissions, from a client that heeds token_type: DPoP. bindingtest stands for it.
func ExampleNew_auth0() {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{
		Path:      "/", // the issuer ends with it
		TokenType: "JWT",
		Claims: map[string]any{
			"client_id": nil, "azp": "teller-app", "scope": "openid", "permissions": []string{"read:accounts"},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer as.Close()

	tokens, err := jwks.New(jwks.Config{
		Issuer:      as.Issuer(),
		Audiences:   []string{as.Audience()},
		TokenTypes:  []string{"JWT"}, // not needed with the profile RFC 9068
		ScopeClaims: []string{"permissions"},
		Transport:   as.Transport(),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer tokens.Close()
	guard, err := binding.New(binding.Config{Tokens: tokens, AcceptDPoPScheme: true, Scopes: []string{"read:accounts"}})
	if err != nil {
		log.Fatal(err)
	}
	api := as.Serve(whoami(guard))
	defer api.Close()

	certificate, err := as.NewClientCertificate("teller-app")
	if err != nil {
		log.Fatal(err)
	}
	bound, err := as.Token(bindingtest.TokenSpec{Certificate: certificate.Leaf})
	if err != nil {
		log.Fatal(err)
	}
	unbound, err := as.Token(bindingtest.TokenSpec{})
	if err != nil {
		log.Fatal(err)
	}
	call(as.HTTPClient(certificate), api.URL, "DPoP "+bound)
	call(as.HTTPClient(certificate), api.URL, "DPoP "+unbound)
	// Output:
	// 200 teller-app [read:accounts]
	// 401 {"error":"invalid_token","error_description":"the access token is not bound to a client certificate"}
}

// Keycloak, with clients that lack the header type at+jwt, and a rule about realm roles. bindingtest stands for it.
func ExampleNew_keycloak() {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{
		Path:      "/realms/bank",
		Audience:  "accounts", // by an Audience mapper
		TokenType: "JWT",
		Claims:    map[string]any{"client_id": nil, "azp": "teller-app", "typ": "Bearer"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer as.Close()

	tokens, err := jwks.New(jwks.Config{
		Issuer:     as.Issuer(),
		Audiences:  []string{"accounts"},
		TokenTypes: []string{"JWT"},
		Transport:  as.Transport(),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer tokens.Close()
	guard, err := binding.New(binding.Config{Tokens: tokens, Authorize: requireRole("teller")})
	if err != nil {
		log.Fatal(err)
	}
	api := as.Serve(whoami(guard))
	defer api.Close()

	certificate, err := as.NewClientCertificate("teller-app")
	if err != nil {
		log.Fatal(err)
	}
	for _, claims := range []map[string]any{
		{"realm_access": map[string]any{"roles": []string{"teller"}}},
		{"realm_access": map[string]any{"roles": []string{"guest"}}},
		{"typ": "ID"},
	} {
		call(as.ClientFor(bindingtest.TokenSpec{Certificate: certificate.Leaf, Scopes: []string{"accounts"}, Claims: claims}, certificate), api.URL, "")
	}
	// Output:
	// 200 teller-app [accounts]
	// 403 {"error":"access_denied","error_description":"the client may not do this"}
	// 401 {"error":"invalid_token","error_description":"the token is not an access token that is accepted here"}
}

// requireRole is a binding.Config's Authorize: 403 for a token without the realm role.
func requireRole(role string) func(context.Context, *binding.Token, binding.Certificate) error {
	return func(_ context.Context, token *binding.Token, _ binding.Certificate) error {
		var claims struct {
			RealmAccess struct {
				Roles []string `json:"roles"`
			} `json:"realm_access"`
		}
		if err := token.Claims(&claims); err != nil {
			return err
		}
		if !slices.Contains(claims.RealmAccess.Roles, role) {
			return errors.New("the role is missing")
		}
		return nil
	}
}
