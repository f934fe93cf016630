// Command http3 is a protected API in its smallest form over HTTP/3, with quic-go,
// and over HTTP/1.1 and HTTP/2 at the same address. It takes tokens that are bound
// to a certificate, to a DPoP key or to both.
//
//	ISSUER=https://auth.bank.example AUDIENCE=https://api.bank.example \
//	TLS_CERT=api.pem TLS_KEY=api-key.pem ADDRESS=127.0.0.1:8443 go run ./http3
package main

import (
	"crypto/tls"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

func main() {
	tokens, err := jwks.New(jwks.Config{
		Issuer:    os.Getenv("ISSUER"),
		Audiences: []string{os.Getenv("AUDIENCE")},
	})
	if err != nil {
		log.Fatal(err)
	}
	proofs, err := dpop.New(dpop.Config{Origins: []string{os.Getenv("AUDIENCE")}})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := binding.New(binding.Config{Tokens: tokens, Proofs: proofs})
	if err != nil {
		log.Fatal(err)
	}
	certificate, err := tls.LoadX509KeyPair(os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY"))
	if err != nil {
		log.Fatal(err)
	}

	overQUIC := newServer(afterHandshake(newAPI(guard)), certificate)
	overQUIC.Addr = os.Getenv("ADDRESS")
	overTCP := &http.Server{
		Addr:              overQUIC.Addr,
		Handler:           advertise(overQUIC, newAPI(guard)),
		TLSConfig:         overQUIC.TLSConfig.Clone(),
		ReadHeaderTimeout: 10 * time.Second,
	}
	go func() { log.Fatal(overQUIC.ListenAndServe()) }()
	log.Fatal(overTCP.ListenAndServeTLS("", ""))
}

func newAPI(guard *binding.Guard) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /accounts", func(w http.ResponseWriter, r *http.Request) {
		token, _ := binding.TokenFromContext(r.Context()) // it is there: the guard has admitted the request
		fmt.Fprintln(w, "the accounts of", token.Subject())
	})
	return bindhttp.Protect(guard)(mux)
}

func newServer(api http.Handler, certificate tls.Certificate) *http3.Server {
	return &http3.Server{
		Handler: api,
		TLSConfig: binding.TLSConfig(&tls.Config{ // asks clients for a certificate
			Certificates: []tls.Certificate{certificate},
			MinVersion:   tls.VersionTLS13,
		}),
	}
}

// afterHandshake answers 425 (RFC 8470 §5.2) to a request in early data (0-RTT),
// which quic-go allows by default. Whoever has recorded such a request can send
// it again, and until the handshake is complete nothing has proven that it is
// not. Once it is complete, what came before is proven too.
func afterHandshake(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || !r.TLS.HandshakeComplete {
			w.WriteHeader(http.StatusTooEarly)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// advertise tells clients that came over TCP that there is HTTP/3 (Alt-Svc).
func advertise(overQUIC *http3.Server, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = overQUIC.SetQUICHeaders(w.Header()) // an error: it does not listen yet
		next.ServeHTTP(w, r)
	})
}
