// A server whose check is written by hand, with golang-jwt and keyfunc: what the
// others are compared with.
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

func main() {
	keys, err := keyfunc.NewDefault([]string{"https://auth.bank.example/jwks"})
	if err != nil {
		log.Fatal(err)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer("https://auth.bank.example"), jwt.WithAudience("https://api.bank.example"))
	server := &http.Server{
		Addr: ":8443", ReadHeaderTimeout: 10 * time.Second, TLSConfig: &tls.Config{ClientAuth: tls.RequestClientCert},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !isProven(parser, keys.Keyfunc, r) {
				http.Error(w, "unauthorized", http.StatusUnauthorized)
			}
		}),
	}
	log.Fatal(server.ListenAndServeTLS("server.pem", "server-key.pem"))
}

func isProven(parser *jwt.Parser, keys jwt.Keyfunc, r *http.Request) bool {
	var claims struct {
		jwt.RegisteredClaims

		Confirmation struct {
			Thumbprint string `json:"x5t#S256"`
		} `json:"cnf"`
	}
	_, err := parser.ParseWithClaims(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), &claims, keys)
	if err != nil || len(r.TLS.PeerCertificates) == 0 {
		return false
	}
	digest := sha256.Sum256(r.TLS.PeerCertificates[0].Raw)
	return claims.Confirmation.Thumbprint == base64.RawURLEncoding.EncodeToString(digest[:])
}
