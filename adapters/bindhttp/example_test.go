package bindhttp_test

import (
	"fmt"
	"log"
	"net/http"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/adapters/internal/suite"
	"github.com/certbound/certbound/binding"
)

var accounts = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	token, _ := binding.TokenFromContext(r.Context())
	_, _ = fmt.Fprintf(w, "accounts of %s", token.Subject())
})

func ExampleProtect() {
	demo := suite.NewDemo()
	defer demo.Close()
	guard, err := binding.New(binding.Config{Tokens: demo.Tokens}) // of jwks.New
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.Handle("GET /accounts", bindhttp.Protect(guard)(accounts))

	demo.Serve(mux)
	demo.Client("/accounts")
	demo.Thief("/accounts")
	// Output:
	// client: 200 accounts of alice
	// thief: 401 {"error":"invalid_token","error_description":"the access token is bound to another client certificate"}
	//   Bearer error="invalid_token", error_description="the access token is bound to another client certificate"
}

func ExampleRequireScopes() {
	demo := suite.NewDemo()
	defer demo.Close()
	guard, err := binding.New(binding.Config{Tokens: demo.Tokens})
	if err != nil {
		log.Fatal(err)
	}

	pay := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "paid") })
	mux := http.NewServeMux()
	mux.Handle("/payments", bindhttp.Protect(guard)(bindhttp.RequireScopes("payments")(pay)))

	demo.Serve(mux)
	demo.Client("/payments", "payments")
	demo.Client("/payments", "accounts")
	// Output:
	// client: 200 paid
	// client: 403 {"error":"insufficient_scope","error_description":"the access token lacks a scope that this request needs"}
	//   Bearer error="insufficient_scope", error_description="the access token lacks a scope that this request needs", scope="payments"
}

// A route that either of two scopes opens, and one that needs a user who was authenticated by more than a password.
func ExampleRequireAuthentication() {
	demo := suite.NewDemo()
	defer demo.Close()
	guard, err := binding.New(binding.Config{Tokens: demo.Tokens})
	if err != nil {
		log.Fatal(err)
	}
	twoFactors := binding.Authentication{ACRValues: []string{"urn:bank:two-factors"}}

	statements := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "statements") })
	mux := http.NewServeMux()
	mux.Handle("/statements", bindhttp.Protect(guard)(bindhttp.RequireAnyScope("accounts", "audit")(statements)))
	mux.Handle("/transfers", bindhttp.Protect(guard)(bindhttp.RequireAuthentication(twoFactors)(statements)))

	demo.Serve(mux)
	demo.Client("/statements", "accounts")
	demo.Client("/transfers", "payments")
	// Output:
	// client: 200 statements
	// client: 401 {"error":"insufficient_user_authentication","error_description":"the authentication of the user is too weak or too old for this request"}
	//   Bearer error="insufficient_user_authentication", error_description="the authentication of the user is too weak or too old for this request", acr_values="urn:bank:two-factors"
}

// A router is a mux with middleware, as chi's is: r.Use, r.With(...).Get.
type router struct {
	*http.ServeMux

	middleware []func(http.Handler) http.Handler
}

func (r *router) Use(middleware ...func(http.Handler) http.Handler) {
	r.middleware = append(r.middleware, middleware...)
}

func (r *router) With(middleware ...func(http.Handler) http.Handler) *router {
	return &router{r.ServeMux, append(r.middleware[:len(r.middleware):len(r.middleware)], middleware...)}
}

func (r *router) Get(path string, handler http.Handler) {
	for i := len(r.middleware) - 1; i >= 0; i-- {
		handler = r.middleware[i](handler)
	}
	r.Handle("GET "+path, handler)
}

// Protect and RequireScopes return what chi, alice and connect-go take for middleware: a func(http.Handler) http.Handler.
// What needs no token, such as a health check, stands in front of Use.
func Example_chi() {
	demo := suite.NewDemo()
	defer demo.Close()
	guard, err := binding.New(binding.Config{Tokens: demo.Tokens})
	if err != nil {
		log.Fatal(err)
	}

	r := &router{ServeMux: http.NewServeMux()} // chi.NewRouter()
	r.Get("/healthz", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "ok") }))
	protected := r.With(bindhttp.Protect(guard)) // r.Group(func(r chi.Router) { r.Use(bindhttp.Protect(guard)) ... })
	protected.Get("/accounts", accounts)
	protected.With(bindhttp.RequireScopes("admin")).Get("/admin", accounts)

	demo.Serve(r)
	demo.Thief("/healthz")
	demo.Client("/accounts")
	demo.Client("/admin", "accounts")
	// Output:
	// thief: 200 ok
	// client: 200 accounts of alice
	// client: 403 {"error":"insufficient_scope","error_description":"the access token lacks a scope that this request needs"}
	//   Bearer error="insufficient_scope", error_description="the access token lacks a scope that this request needs", scope="admin"
}

// Incorrect: there is no guard in front, and so no token. Nobody gets in, and the status says whose mistake it is.
func ExampleRequireScopes_incorrect() {
	demo := suite.NewDemo()
	defer demo.Close()

	mux := http.NewServeMux()
	mux.Handle("/accounts", bindhttp.RequireScopes("accounts")(accounts))

	demo.Serve(mux)
	demo.Client("/accounts", "accounts")
	// Output: client: 500 {"error":"server_error","error_description":"the resource server is misconfigured"}
}
