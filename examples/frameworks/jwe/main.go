// Command jwe is a protected API whose access tokens come encrypted (JWE, RFC
// 7516, with a signed JWT in it: RFC 7519 §5.2), as Auth0's highly regulated
// identity sends them. A verifier of a dozen lines in front of jwks decrypts.
//
//	ISSUER=https://auth.bank.example AUDIENCE=https://api.bank.example DECRYPTION_KEY=jwe-key.pem \
//	TLS_CERT=api.pem TLS_KEY=api-key.pem ADDRESS=127.0.0.1:8443 go run ./jwe
package main

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// maxBytes is the length of an encrypted token, and so of the token in it, which
// is not compressed. jwks has its own limit for that one.
const maxBytes = 24 << 10

// decrypting returns a verifier of tokens that are encrypted for the key, by one
// pair of algorithms, and that hold a token for the verifier of signed ones.
// Whether that one was seen before saves its signature's check; the decryption,
// a private operation of RSA, is done for every request.
func decrypting(key *rsa.PrivateKey, signed binding.TokenVerifier) binding.TokenVerifier {
	return binding.TokenVerifierFunc(func(ctx context.Context, token string) (*binding.Token, error) {
		if len(token) > maxBytes {
			return nil, &binding.Error{Reason: binding.ReasonTokenTooLong}
		}
		message, err := jose.ParseEncryptedCompact(token, []jose.KeyAlgorithm{jose.RSA_OAEP_256}, []jose.ContentEncryption{jose.A256GCM})
		if err != nil {
			return nil, &binding.Error{Reason: binding.ReasonTokenMalformed}
		}
		if _, compressed := message.Header.ExtraHeaders["zip"]; compressed { // RFC 8725 §3.6
			return nil, &binding.Error{Reason: binding.ReasonTokenHeader}
		}
		inner, err := message.Decrypt(key)
		if err != nil {
			return nil, &binding.Error{Reason: binding.ReasonTokenInvalid}
		}
		return signed.VerifyToken(ctx, string(inner))
	})
}

func main() {
	tokens, err := jwks.New(jwks.Config{
		Issuer:    os.Getenv("ISSUER"),
		Audiences: []string{os.Getenv("AUDIENCE")},
	})
	if err != nil {
		log.Fatal(err)
	}
	key, err := readKey(os.Getenv("DECRYPTION_KEY"))
	if err != nil {
		log.Fatal(err)
	}
	guard, err := binding.New(binding.Config{Tokens: decrypting(key, tokens)})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /accounts", accounts)
	server := &http.Server{
		Addr:              os.Getenv("ADDRESS"),
		Handler:           bindhttp.Protect(guard)(mux),
		TLSConfig:         binding.TLSConfig(nil), // asks clients for a certificate
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.ListenAndServeTLS(os.Getenv("TLS_CERT"), os.Getenv("TLS_KEY")))
}

// readKey reads an RSA key, PKCS #8 in PEM.
func readKey(file string) (*rsa.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("DECRYPTION_KEY is not a file in PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("DECRYPTION_KEY is a %T, not an RSA key", parsed)
	}
	return key, nil
}

func accounts(w http.ResponseWriter, r *http.Request) {
	token, _ := binding.TokenFromContext(r.Context()) // it is there: the guard has admitted the request
	fmt.Fprintln(w, "the accounts of", token.Subject())
}
