package introspection_test

import (
	"crypto/tls"
	"fmt"
	"log"
	"net/http"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/introspection"
	"github.com/certbound/certbound/jwks"
)

// An API that asks its authorization server over mutual TLS, with a certificate that is renewed on disk.
func Example() {
	tokens, err := introspection.New(introspection.Config{
		Issuer:     "https://auth.bank.example",
		Audiences:  []string{"https://api.bank.example"},
		ClientID:   "accounts-api",
		AuthMethod: introspection.TLSClientAuth,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			certificate, err := tls.LoadX509KeyPair("api.crt", "api.key")
			return &certificate, err
		},
		Observe: func(event introspection.Event) {
			if event.Kind == introspection.CredentialsRefused {
				log.Printf("PAGE SOMEBODY: %v", event.Err)
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer tokens.Close()
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	accounts := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := binding.TokenFromContext(r.Context())
		fmt.Fprintln(w, token.ClientID())
	})
	http.Handle("GET /accounts", bindhttp.Protect(guard)(accounts))
}

// An API that gets JWTs and opaque tokens.
func ExampleByForm() {
	jwts, err := jwks.New(jwks.Config{
		Issuer:    "https://auth.bank.example",
		Audiences: []string{"https://api.bank.example"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer jwts.Close()
	opaque, err := introspection.New(introspection.Config{
		Issuer:       "https://legacy.bank.example",
		Audiences:    []string{"https://api.bank.example"},
		ClientID:     "accounts-api",
		AuthMethod:   introspection.ClientSecretBasic,
		ClientSecret: "from the vault",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer opaque.Close()
	tokens, err := introspection.ByForm(jwts, opaque)
	if err != nil {
		log.Fatal(err)
	}
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	_ = guard
}

// A mistake is found at once, and so is every other.
func ExampleNew_mistakes() {
	_, err := introspection.New(introspection.Config{
		Issuer:       "http://auth.bank.example",
		ClientID:     "accounts-api",
		AuthMethod:   introspection.TLSClientAuth,
		ClientSecret: "hunter2",
	})
	fmt.Println(err)
	// Output:
	// introspection: the Config is wrong: Issuer: must be an absolute https URL without user and fragment
	// ClientCertificate: or GetClientCertificate is required for tls_client_auth
	// ClientSecret: is for client_secret_basic alone
	// Audiences: at least one is required, and none may be empty
}
