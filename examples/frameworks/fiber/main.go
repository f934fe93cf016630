// Command fiber is a protected API in its smallest form, with fiber v3, whose
// requests are fasthttp's and not net/http's: the guard gets a copy that is.
//
// It reads the client's certificate from the TLS connection. Behind a proxy,
// remove the header fields that carried a certificate from fiber's own request.
//
//	ISSUER=https://auth.bank.example AUDIENCE=https://api.bank.example \
//	TLS_CERT=api.pem TLS_KEY=api-key.pem ADDRESS=127.0.0.1:8443 go run ./fiber
package main

import (
	"crypto/tls"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/gofiber/fiber/v3"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

func main() {
	tokens, err := jwks.New(jwks.Config{
		Issuer:    os.Getenv("ISSUER"),
		Audiences: []string{os.Getenv("AUDIENCE")},
	})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := binding.New(binding.Config{Tokens: tokens})
	if err != nil {
		log.Fatal(err)
	}

	app := fiber.New(fiber.Config{ReadTimeout: 10 * time.Second})
	app.Get("/healthz", func(c fiber.Ctx) error { return c.SendString("ok\n") })
	api := app.Group("", protect(guard))
	api.Get("/accounts", accounts)
	api.Post("/payments", pay)

	certificate, err := tls.LoadX509KeyPair(os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY"))
	if err != nil {
		log.Fatal(err)
	}
	config := binding.TLSConfig(&tls.Config{Certificates: []tls.Certificate{certificate}}) // asks clients for a certificate
	listener, err := tls.Listen("tcp", os.Getenv("ADDRESS"), config)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(app.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true}))
}

// protect runs the handlers after it only for requests that the guard admits,
// with the token in c.Context().
func protect(guard *binding.Guard) fiber.Handler {
	return func(c fiber.Ctx) error {
		r, err := copied(c)
		if err != nil {
			return fiber.ErrBadRequest
		}
		admitted, err := guard.Admit(r)
		if err != nil {
			return refuse(c, err)
		}
		header := make(http.Header)
		binding.SetAdmittedHeader(header, admitted)
		set(c, header)
		c.SetContext(admitted.Context())
		return c.Next()
	}
}

// copied is what the guard looks at: all of the request but its body. fasthttp
// uses the memory of a request for the next one, and a verifier may still be
// asking about a token when its client is gone: so each string is copied.
func copied(c fiber.Ctx) (*http.Request, error) {
	connection := c.RequestCtx()
	r, err := http.NewRequestWithContext(c.Context(), string(connection.Method()), string(connection.RequestURI()), nil)
	if err != nil {
		return nil, err
	}
	r.RequestURI = string(connection.RequestURI())
	r.Host = string(connection.Host())
	r.RemoteAddr = connection.RemoteAddr().String()
	r.TLS = connection.TLSConnectionState()
	for name, value := range connection.Request.Header.All() {
		r.Header.Add(string(name), string(value)) // a field that comes twice stays two
	}
	return r, nil
}

// refuse answers an error of the guard's, or of binding.CheckScopes.
func refuse(c fiber.Ctx, err error) error {
	refusal := binding.AsError(err)
	header := make(http.Header)
	refusal.SetHeader(header)
	set(c, header)
	return c.Status(refusal.StatusCode()).JSON(refusal)
}

func set(c fiber.Ctx, header http.Header) {
	for name, values := range header {
		for _, value := range values {
			c.Response().Header.Add(name, value)
		}
	}
}

func accounts(c fiber.Ctx) error {
	token, _ := binding.TokenFromContext(c.Context()) // it is there: the guard has admitted the request
	return c.SendString("the accounts of " + token.Subject() + "\n")
}

func pay(c fiber.Ctx) error {
	if err := binding.CheckScopes(c.Context(), "payments"); err != nil {
		return refuse(c, err)
	}
	return c.SendString("paid\n")
}
