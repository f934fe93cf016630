package jwks_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

func ExampleNew() {
	tokens, err := jwks.New(jwks.Config{
		Issuer:    "https://auth.bank.example",
		Audiences: []string{"https://api.bank.example"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = tokens.Close() }()

	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodGet, "https://api.bank.example/accounts", nil)
	if err != nil {
		log.Fatal(err)
	}
	_, err = guard.Check(request)
	fmt.Println(err)
	// Output: binding: request refused: credentials_missing
}

// Two issuers, of which one's tokens are of the type JWT. bindingtest stands for
// both of them.
func ExampleByIssuer() {
	var verifiers []*jwks.Verifier
	var tokens []string
	for _, typ := range []string{"at+jwt", "JWT"} {
		as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{TokenType: typ})
		if err != nil {
			log.Fatal(err)
		}
		defer as.Close()
		verifier, err := jwks.New(jwks.Config{
			Issuer:     as.Issuer(),
			Audiences:  []string{"https://api.example"},
			TokenTypes: []string{typ},
			Transport:  as.Transport(),
		})
		if err != nil {
			log.Fatal(err)
		}
		defer func() { _ = verifier.Close() }()
		token, err := as.Token(bindingtest.TokenSpec{Subject: "a subject of the " + typ + " issuer"})
		if err != nil {
			log.Fatal(err)
		}
		verifiers, tokens = append(verifiers, verifier), append(tokens, token)
	}
	issuers, err := jwks.ByIssuer(verifiers...)
	if err != nil {
		log.Fatal(err)
	}
	for _, token := range tokens {
		verified, err := issuers.VerifyToken(context.Background(), token)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(verified.Subject())
	}
	// Output:
	// a subject of the at+jwt issuer
	// a subject of the JWT issuer
}

// A verifier with the algorithms of FAPI 2.0 alone.
func ExampleFAPI2() {
	tokens, err := jwks.New(jwks.Config{
		Issuer:     "https://auth.bank.example",
		Audiences:  []string{"https://api.bank.example"},
		Algorithms: jwks.FAPI2(),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = tokens.Close() }()
	fmt.Println(jwks.FAPI2())
	// Output: [PS256 ES256 EdDSA Ed25519]
}

// A configuration that cannot be meant is refused, with every mistake in it.
func ExampleNew_mistakes() {
	_, err := jwks.New(jwks.Config{
		Issuer:     "http://auth.bank.example",
		Algorithms: []jwks.Algorithm{"HS256"},
		TokenTypes: []string{"id_token"},
	})
	fmt.Println(err)
	// Output:
	// jwks: the Config is wrong: Issuer: is an http URL, and must be https: whoever is on the path could choose the answers (for development there is DangerouslyAllowHTTP)
	// Audiences: at least one is required, and none may be empty
	// Algorithms: "HS256" is not one that can be verified
	// TokenTypes: "id_token" is not the type of an access token: name at+jwt, JWT or absent
}

// Incorrect: a verifier for each request. Every request waits for metadata and keys of its own, and no signature is verified
// once for all. Make one when the program starts, and share it.
func ExampleNew_incorrect() {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer as.Close()
	config := jwks.Config{Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport()}
	api := as.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tokens, err := jwks.New(config) // incorrect: belongs above
		if err != nil {
			log.Fatal(err)
		}
		defer func() { _ = tokens.Close() }()
		guard, err := binding.New(binding.Config{Tokens: tokens})
		if err != nil {
			log.Fatal(err)
		}
		whoami(guard).ServeHTTP(w, r)
	}))
	defer api.Close()

	client := as.BoundClient("alice", "accounts")
	for range 3 {
		call(client, api.URL, "")
	}
	fmt.Println(as.Requests(bindingtest.JWKSPath), "fetches of the keys")
	// Output:
	// 200 alice [accounts]
	// 200 alice [accounts]
	// 200 alice [accounts]
	// 3 fetches of the keys
}
