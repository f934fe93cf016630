package bindingtest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

// startProvenAPI starts an authorization server, and an API that takes tokens bound to a certificate, to a key, or to both.
func startProvenAPI() (as *bindingtest.AuthorizationServer, api *httptest.Server, stop func()) {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{
		Origin:  "https://api.example", // as the proofs name the API, wherever it listens
		Clients: []bindingtest.Client{{ID: "app", AuthMethod: bindingtest.ClientSecretBasic, Secret: "s3cr3t", Scopes: []string{"accounts"}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport()})
	if err != nil {
		log.Fatal(err)
	}
	proofs, err := dpop.New(dpop.Config{Origins: []string{"https://api.example"}})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := binding.New(binding.Config{Tokens: tokens, Proofs: proofs})
	if err != nil {
		log.Fatal(err)
	}
	api = as.Serve(bindhttp.Protect(guard)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := binding.TokenFromContext(r.Context())
		_, _ = fmt.Fprintf(w, "accounts of %s", token.Subject())
	})))
	return as, api, func() {
		api.Close()
		_ = tokens.Close()
		as.Close()
	}
}

// A client with a key, and a thief who has its token and another key.
func ExampleAuthorizationServer_DPoPClient() {
	as, api, stop := startProvenAPI()
	defer stop()
	fmt.Println(call(as.DPoPClient("alice", "accounts"), api.URL+"/accounts"))
	fmt.Println(call(as.WronglyProvenClient("alice", "accounts"), api.URL+"/accounts"))
	// Output:
	// 200 accounts of alice
	// 401 {"error":"invalid_token","error_description":"the access token is bound to another DPoP key"}
}

// What a thief gets who has the token and makes proofs by another key.
func ExampleAuthorizationServer_WronglyProvenClient() {
	as, api, stop := startProvenAPI()
	defer stop()
	response, err := as.WronglyProvenClient("alice").Get(api.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	fmt.Println(response.Header.Get("WWW-Authenticate"))
	// Output: DPoP error="invalid_token", error_description="the access token is bound to another DPoP key", algs="ES256 EdDSA Ed25519 PS256 RS256"
}

// A token that is bound to a certificate and to a key needs both.
func ExampleAuthorizationServer_DPoPClientFor() {
	as, api, stop := startProvenAPI()
	defer stop()
	certificate, err := as.NewClientCertificate("alice")
	if err != nil {
		log.Fatal(err)
	}
	another, err := as.NewClientCertificate("alice")
	if err != nil {
		log.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	both := bindingtest.TokenSpec{Subject: "alice", Certificate: certificate.Leaf}
	fmt.Println(call(as.DPoPClientFor(both, key, certificate), api.URL))
	fmt.Println(call(as.DPoPClientFor(both, key, another), api.URL))
	// Output:
	// 200 accounts of alice
	// 401 {"error":"invalid_token","error_description":"the access token is bound to another client certificate"}
}

// A thief who captured a request sends it again.
func ExampleNewProof() {
	as, api, stop := startProvenAPI()
	defer stop()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	token, err := as.Token(bindingtest.TokenSpec{Subject: "alice", Key: key.Public()})
	if err != nil {
		log.Fatal(err)
	}
	proof, err := bindingtest.NewProof(bindingtest.ProofSpec{Key: key, URL: "https://api.example/accounts", Token: token})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		request, err := http.NewRequest(http.MethodGet, api.URL+"/accounts", nil)
		if err != nil {
			log.Fatal(err)
		}
		request.Header.Set("Authorization", "DPoP "+token)
		request.Header.Set("DPoP", proof)
		response, err := as.HTTPClient().Do(request)
		if err != nil {
			log.Fatal(err)
		}
		_ = response.Body.Close()
		fmt.Println(response.Status)
	}
	// Output:
	// 200 OK
	// 401 Unauthorized
}

// What a token that is bound to a key holds of it.
func ExampleKeyThumbprint() {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer as.Close()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	thumbprint, err := bindingtest.KeyThumbprint(key.Public())
	if err != nil {
		log.Fatal(err)
	}
	token, err := as.OpaqueToken(bindingtest.TokenSpec{Key: key.Public()})
	if err != nil {
		log.Fatal(err)
	}
	confirmation := as.Introspection(token)["cnf"].(map[string]any)
	fmt.Println(confirmation["jkt"] == thumbprint)
	// Output: true
}

// A client that gets a token for its key at the token endpoint (RFC 9449 §5).
func ExampleAuthorizationServer_URL() {
	as, _, stop := startProvenAPI()
	defer stop()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	endpoint := as.URL(bindingtest.TokenPath)
	proof, err := bindingtest.NewProof(bindingtest.ProofSpec{Key: key, Method: http.MethodPost, URL: endpoint})
	if err != nil {
		log.Fatal(err)
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	request, err := http.NewRequest(http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("DPoP", proof)
	request.SetBasicAuth("app", "s3cr3t")
	response, err := as.HTTPClient().Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		TokenType string `json:"token_type"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Status, answer.TokenType)
	// Output: 200 OK DPoP
}
