package binding_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

// opaque stands for a verifier in these examples: jwks.New gives one for JWTs.
type opaque map[string]string

func (known opaque) VerifyToken(_ context.Context, token string) (*binding.Token, error) {
	text, ok := known[token]
	if !ok {
		return nil, &binding.Error{Reason: binding.ReasonTokenMalformed}
	}
	claims, err := binding.ParseClaims([]byte(text))
	if err != nil {
		return nil, err
	}
	return claims.Validate(binding.Expect{Issuer: issuer, Audiences: []string{audience}, Now: now})
}

// alice is a token's claims but for its confirmation.
const alice = `"iss":"` + issuer + `","aud":"` + audience + `","exp":4000000000,"sub":"alice"`

// exampleClient is a client certificate, and a verifier that knows a token bound to it, "good", and one that is "unbound".
func exampleClient() (*x509.Certificate, binding.TokenVerifier) {
	certificate, err := bindingtest.NewSelfSignedCertificate("client-1")
	if err != nil {
		log.Fatal(err)
	}
	return certificate.Leaf, opaque{
		"good":    fmt.Sprintf(`{%s,"cnf":{"x5t#S256":%q}}`, alice, binding.ThumbprintOf(certificate.Leaf)),
		"unbound": `{` + alice + `}`,
	}
}

// protect is what ExampleGuard_Admit shows.
func protect(guard *binding.Guard, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		admitted, err := guard.Admit(r)
		if err != nil {
			binding.AsError(err).Write(w, r)
			return
		}
		defer binding.RemoveUpload(admitted)
		next(w, admitted)
	})
}

// send makes a request with a token, over a TLS connection for which the client had a certificate or none.
func send(handler http.Handler, token string, certificates ...*x509.Certificate) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "https://api.bank.example/accounts", nil)
	r.TLS = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: certificates}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

// For a framework that has no adapter: Admit decides, Error.Write answers.
func ExampleGuard_Admit() {
	certificate, tokens := exampleClient()
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	protect := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			admitted, err := guard.Admit(r)
			if err != nil {
				binding.AsError(err).Write(w, r)
				return
			}
			defer binding.RemoveUpload(admitted)
			binding.SetAdmittedHeader(w.Header(), admitted)
			next.ServeHTTP(w, admitted) // admitted, and not r: the token is in its context
		})
	}
	accounts := protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := binding.TokenFromContext(r.Context())
		fmt.Fprintf(w, "the accounts of %s", token.Subject())
	}))

	owner := send(accounts, "good", certificate)
	fmt.Println(owner.Code, owner.Body)
	thief := send(accounts, "good")
	fmt.Println(thief.Code, thief.Header().Get("WWW-Authenticate"))
	// Output:
	// 200 the accounts of alice
	// 401 Bearer error="invalid_token", error_description="the access token is bound to a client certificate, and the client presented none"
}

// A public route that answers everybody, and greets whom it knows. A request without credentials is everybody's; one with
// credentials that are wrong is refused like everywhere.
func ExampleGuard_Check() {
	certificate, tokens := exampleClient()
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	home := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := guard.Check(r)
		switch refusal := binding.AsError(err); {
		case refusal == nil:
			fmt.Fprintf(w, "hello %s", token.Subject())
		case refusal.Reason == binding.ReasonCredentialsMissing:
			fmt.Fprint(w, "hello whoever you are")
		default:
			refusal.Write(w, r)
		}
	})

	for _, answer := range []*httptest.ResponseRecorder{send(home, "good", certificate), send(home, ""), send(home, "good")} {
		fmt.Println(answer.Code, answer.Body)
	}
	// Output:
	// 200 hello alice
	// 200 hello whoever you are
	// 401 {"error":"invalid_token","error_description":"the access token is bound to a client certificate, and the client presented none"}
}

// Incorrect: this handler protects nothing. Check only decides, and whoever drops its error lets everybody in. Use an
// adapter, or Guard.Admit as in its example.
func ExampleGuard_Check_incorrect() {
	_, tokens := exampleClient()
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}
	accounts := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = guard.Check(r) // incorrect
		fmt.Fprint(w, "the accounts of everybody")
	})

	thief := send(accounts, "good")
	fmt.Println(thief.Code, thief.Body)
	// Output: 200 the accounts of everybody
}

// A server that asks its clients for a certificate, and leaves trust in it to the authorization server.
func ExampleTLSConfig() {
	server := &http.Server{
		Addr:              ":8443",
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig:         binding.TLSConfig(nil),
	}
	fmt.Println(server.TLSConfig.ClientAuth)

	// With a PKI of your own, chains are verified as well.
	verified := binding.TLSConfig(&tls.Config{ClientCAs: x509.NewCertPool()})
	fmt.Println(verified.ClientAuth)
	// Output:
	// RequestClientCert
	// VerifyClientCertIfGiven
}

// sessions is a verifier of one's own, for tokens that this very server has issued and keeps in a table.
type sessions struct {
	claims map[string][]byte // what was issued, by token
	clock  func() time.Time
}

// VerifyToken cannot lose a binding, which ParseClaims reads, nor forget a check, since Validate alone makes a Token.
func (s *sessions) VerifyToken(_ context.Context, token string) (*binding.Token, error) {
	text, ok := s.claims[token]
	if !ok {
		return nil, &binding.Error{Reason: binding.ReasonTokenMalformed}
	}
	claims, err := binding.ParseClaims(text)
	if err != nil {
		return nil, err
	}
	return claims.Validate(binding.Expect{
		Issuer:    "https://auth.bank.example",
		Audiences: []string{"https://api.bank.example"},
		Now:       s.clock(),
		Leeway:    time.Minute,
	})
}

// A TokenVerifier of one's own.
func ExampleTokenVerifier() {
	certificate, _ := exampleClient()
	now := time.Date(2026, time.May, 1, 12, 0, 0, 0, time.UTC)
	tokens := &sessions{clock: func() time.Time { return now }, claims: map[string][]byte{
		"token-1": fmt.Appendf(nil, `{"iss":"https://auth.bank.example","aud":"https://api.bank.example","exp":%d,"cnf":{"x5t#S256":%q}}`,
			now.Add(time.Minute).Unix(), binding.ThumbprintOf(certificate)),
	}}
	guard, err := binding.New(binding.Config{
		Tokens: tokens,
		Observe: func(_ context.Context, event binding.Event) {
			fmt.Printf("accepted=%t reason=%q issuer=%q\n", event.Accepted(), event.Reason(), event.Issuer)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = guard.Check(r) })
	send(handler, "token-1", certificate)
	send(handler, "token-2", certificate)
	now = now.Add(time.Hour)
	send(handler, "token-1", certificate)
	// Output:
	// accepted=true reason="" issuer="https://auth.bank.example"
	// accepted=false reason="token_malformed" issuer=""
	// accepted=false reason="token_expired" issuer=""
}
