package ownverifier

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// handwritten is the check that one writes without the guard, and not a careless
// one: it wants a certificate and its thumbprint of every request. README.md
// says what the conformance kit finds in it.
func handwritten(parser *jwt.Parser, keys jwt.Keyfunc, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var claims struct {
			jwt.RegisteredClaims

			Confirmation struct {
				Thumbprint string `json:"x5t#S256"`
			} `json:"cnf"`
		}
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		_, err := parser.ParseWithClaims(token, &claims, keys)
		if err != nil || r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		digest := sha256.Sum256(r.TLS.PeerCertificates[0].Raw)
		if claims.Confirmation.Thumbprint != base64.RawURLEncoding.EncodeToString(digest[:]) {
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
