package introspection_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/introspection"
	"github.com/certbound/certbound/jwks"
)

// An API that asks its authorization server over mutual TLS, with a certificate that may be renewed, and refuses a thief.
// bindingtest stands for the authorization server.
func Example() {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Clients: []bindingtest.Client{{
		ID: "accounts-api", AuthMethod: bindingtest.TLSClientAuth, SubjectDN: "CN=accounts-api",
	}}})
	if err != nil {
		log.Fatal(err)
	}
	defer as.Close()
	tokens, err := introspection.New(introspection.Config{
		Issuer:     as.Issuer(),
		Audiences:  []string{as.Audience()},
		ClientID:   "accounts-api",
		AuthMethod: introspection.TLSClientAuth,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			certificate, err := as.NewClientCertificate("accounts-api") // tls.LoadX509KeyPair("api.pem", "api-key.pem")
			return &certificate, err
		},
		Transport: as.Transport(),
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
	api := as.Serve(bindhttp.Protect(guard)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := binding.TokenFromContext(r.Context())
		_, _ = fmt.Fprint(w, token.Subject())
	})))
	defer api.Close()

	owner, err := as.NewClientCertificate("client-1")
	if err != nil {
		log.Fatal(err)
	}
	thief, err := as.NewClientCertificate("thief")
	if err != nil {
		log.Fatal(err)
	}
	token, err := as.OpaqueToken(bindingtest.TokenSpec{Subject: "alice", Certificate: owner.Leaf})
	if err != nil {
		log.Fatal(err)
	}
	for _, certificate := range []tls.Certificate{owner, thief} {
		request, err := http.NewRequest(http.MethodGet, api.URL, nil)
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
	}
	// Output:
	// 200 OK
	// 401 Unauthorized
}

// An API that asks its authorization server about opaque tokens. bindingtest stands for it.
func ExampleNew() {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Clients: []bindingtest.Client{{
		ID: "accounts-api", AuthMethod: bindingtest.ClientSecretBasic, Secret: "from the vault",
	}}})
	if err != nil {
		log.Fatal(err)
	}
	defer as.Close()
	tokens, err := introspection.New(introspection.Config{
		Issuer:       as.Issuer(),
		Audiences:    []string{as.Audience()},
		ClientID:     "accounts-api",
		AuthMethod:   introspection.ClientSecretBasic,
		ClientSecret: "from the vault",
		Transport:    as.Transport(),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer tokens.Close()

	token, err := as.OpaqueToken(bindingtest.TokenSpec{Subject: "alice"})
	if err != nil {
		log.Fatal(err)
	}
	verified, err := tokens.VerifyToken(context.Background(), token)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(verified.Subject())
	_, err = tokens.VerifyToken(context.Background(), "a-guess")
	fmt.Println(err)
	// Output:
	// alice
	// binding: request refused: token_inactive
}

// bothForms makes an authorization server that issues JWTs and opaque tokens, and a verifier of each, as the examples of New
// have them.
func bothForms() (as *bindingtest.AuthorizationServer, jwts *jwks.Verifier, opaque *introspection.Verifier, end func()) {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Clients: []bindingtest.Client{{
		ID: "accounts-api", AuthMethod: bindingtest.ClientSecretBasic, Secret: "from the vault",
	}}})
	if err != nil {
		log.Fatal(err)
	}
	jwts, err = jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport()})
	if err != nil {
		log.Fatal(err)
	}
	opaque, err = introspection.New(introspection.Config{
		Issuer:       as.Issuer(),
		Audiences:    []string{as.Audience()},
		ClientID:     "accounts-api",
		AuthMethod:   introspection.ClientSecretBasic,
		ClientSecret: "from the vault",
		Transport:    as.Transport(),
	})
	if err != nil {
		log.Fatal(err)
	}
	return as, jwts, opaque, func() {
		_, _ = opaque.Close(), jwts.Close()
		as.Close()
	}
}

// An issuer's lightweight JWTs have no aud: only the answer of the authorization server has one. Without the option they are
// refused.
func ExampleNewForms() {
	as, jwts, opaque, end := bothForms()
	defer end()

	lightweight, err := as.Token(bindingtest.TokenSpec{Subject: "alice", Claims: map[string]any{"aud": nil}})
	if err != nil {
		log.Fatal(err)
	}
	for _, asked := range []bool{false, true} {
		tokens, err := introspection.NewForms(introspection.FormsConfig{JWTs: jwts, Opaque: opaque, IntrospectJWTsWithoutAudience: asked})
		if err != nil {
			log.Fatal(err)
		}
		_, err = tokens.VerifyToken(context.Background(), lightweight)
		fmt.Println(binding.AsError(err).Reason)
	}
	// Output:
	// token_audience
	// token_inactive
}

// An API that gets JWTs and opaque tokens.
func ExampleByForm() {
	as, jwts, opaque, end := bothForms()
	defer end()
	tokens, err := introspection.ByForm(jwts, opaque)
	if err != nil {
		log.Fatal(err)
	}

	jwt, err := as.Token(bindingtest.TokenSpec{Subject: "alice"})
	if err != nil {
		log.Fatal(err)
	}
	reference, err := as.OpaqueToken(bindingtest.TokenSpec{Subject: "bob"})
	if err != nil {
		log.Fatal(err)
	}
	for _, token := range []string{jwt, reference} {
		verified, err := tokens.VerifyToken(context.Background(), token)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(verified.Subject())
	}
	fmt.Println(as.Requests(bindingtest.IntrospectionPath), "request to the introspection endpoint")
	// Output:
	// alice
	// bob
	// 1 request to the introspection endpoint
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
	// introspection: the Config is wrong: Issuer: is an http URL, and must be https: whoever is on the path could choose the answers (for development there is DangerouslyAllowHTTP)
	// ClientCertificate: or GetClientCertificate is required for tls_client_auth
	// ClientSecret: is for client_secret_basic alone
	// Audiences: at least one is required, and none may be empty
}

// Incorrect: a verifier for each request. What one is told about a token the next one does not know, so that every request
// waits for the authorization server. Make one when the program starts, and share it.
func ExampleNew_incorrect() {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{Clients: []bindingtest.Client{{
		ID: "accounts-api", AuthMethod: bindingtest.ClientSecretBasic, Secret: "from the vault",
	}}})
	if err != nil {
		log.Fatal(err)
	}
	defer as.Close()
	token, err := as.OpaqueToken(bindingtest.TokenSpec{Subject: "alice"})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		tokens, err := introspection.New(introspection.Config{ // incorrect: belongs above
			Issuer:       as.Issuer(),
			Audiences:    []string{as.Audience()},
			ClientID:     "accounts-api",
			AuthMethod:   introspection.ClientSecretBasic,
			ClientSecret: "from the vault",
			Transport:    as.Transport(),
		})
		if err != nil {
			log.Fatal(err)
		}
		if _, err := tokens.VerifyToken(context.Background(), token); err != nil {
			log.Fatal(err)
		}
		tokens.Close()
	}
	fmt.Println(as.Requests(bindingtest.IntrospectionPath), "calls about one token")
	// Output: 3 calls about one token
}

// A server that does not answer is one record, however many tokens it is asked about.
func ExampleLogEvents() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // another in each run
			}
			return a
		},
	}))
	observe := introspection.LogEvents(logger) // for Config.Observe, which is told these:
	for range 3 {
		observe(introspection.Event{
			Kind: introspection.CallFailed, Issuer: "https://auth.bank.example", Err: errors.New("timeout"), Duration: 5 * time.Second,
		})
	}
	// Output:
	// level=ERROR msg="introspection failed" kind=call_failed iss=https://auth.bank.example error=timeout duration=5s
}
