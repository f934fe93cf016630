package main

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/certbound/certbound/binding/introspection"
)

// asking is how this server asks the authorization server about opaque tokens.
type asking struct {
	endpoint

	method       introspection.AuthMethod
	clientID     string
	certificate  func(*tls.CertificateRequestInfo) (*tls.Certificate, error) // nil: none
	secret       string
	signingKey   crypto.Signer
	signingKeyID string

	withoutAudience bool // also about JWTs without aud
}

// introspectionFlags adds the flags that say so. What it returns reads them when
// the command line has been parsed.
func introspectionFlags(flags *flag.FlagSet) func() (asking, []error) {
	var a asking
	flags.Var(&a.endpoint, "introspection", "also take opaque tokens, and ask the authorization server about them; `=URL` names the endpoint, and else its metadata does")
	flags.StringVar(&a.clientID, "client-id", "", "with -introspection: this server's client `identifier` at the authorization server")
	certificate := flags.String("client-cert", "", "with -introspection: PEM `file` with the certificate that this server presents there and, for servers which want it, its chain behind it; without -client-secret and -client-signing-key it authenticates by this")
	key := flags.String("client-key", "", "with -introspection: PEM `file` with its private key")
	secret := flags.String("client-secret", "", "with -introspection: `file` with the secret to authenticate by (client_secret_basic)")
	signingKey := flags.String("client-signing-key", "", "with -introspection: PEM `file` with the private key that signs assertions (private_key_jwt)")
	flags.StringVar(&a.signingKeyID, "client-signing-kid", "", "with -client-signing-key: the key's `kid`, if the authorization server wants one")
	flags.BoolVar(&a.withoutAudience, "introspect-jwts-without-audience", false, "with -introspection: also ask about JWTs of the issuer that have no aud, such as Keycloak's lightweight tokens")
	return func() (asking, []error) {
		given := a.clientID + *certificate + *key + *secret + *signingKey + a.signingKeyID
		if !a.on {
			if given != "" || a.withoutAudience {
				return a, []error{errors.New("-client-id, -client-cert, -client-key, -client-secret, -client-signing-key, -client-signing-kid, -introspect-jwts-without-audience: need -introspection")}
			}
			return a, nil
		}
		var mistakes []error
		mistake := func(flag string, err error) { mistakes = append(mistakes, fmt.Errorf("%s: %w", flag, err)) }
		var err error
		if a.clientID == "" {
			mistake("-client-id", errors.New("is required with -introspection"))
		}
		if *secret != "" && *signingKey != "" {
			mistake("-client-secret, -client-signing-key", errors.New("only one of them can be used"))
		}
		switch {
		case *signingKey != "":
			a.method = introspection.PrivateKeyJWT
			if a.signingKey, err = readSigningKey(*signingKey); err != nil {
				mistake("-client-signing-key", err)
			}
		case *secret != "":
			a.method = introspection.ClientSecretBasic
			if a.secret, err = readSecret(*secret); err != nil {
				mistake("-client-secret", err)
			}
		default:
			a.method = introspection.TLSClientAuth
		}
		if *certificate != "" || *key != "" || a.method == introspection.TLSClientAuth {
			a.certificate = certificateFrom(*certificate, *key)
			if _, err := a.certificate(nil); err != nil {
				mistake("-client-cert, -client-key", err)
			}
		}
		return a, mistakes
	}
}

// config is the introspection package's, but for what both verifiers share.
func (a asking) config() introspection.Config {
	return introspection.Config{
		URL: a.url, ClientID: a.clientID, AuthMethod: a.method, GetClientCertificate: a.certificate,
		ClientSecret: a.secret, SigningKey: a.signingKey, SigningKeyID: a.signingKeyID,
	}
}

// certificateFrom reads the files anew for each connection, so that they may be
// replaced.
func certificateFrom(certificate, key string) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		return &pair, err
	}
}

// readSecret reads a secret from a file, so that it is no argument that
// everybody on the machine can see.
func readSecret(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(content), "\r\n")
	if secret == "" {
		return "", errors.New("the file is empty")
	}
	return secret, nil
}

// readSigningKey reads a private key in any of the forms that OpenSSL writes.
func readSigningKey(file string) (crypto.Signer, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, errors.New("the file holds no PEM")
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the file holds no private key that is not encrypted")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("this kind of key does not sign")
	}
	return signer, nil
}

// endpoint is a flag that stands alone or names a URL.
type endpoint struct {
	on  bool
	url string
}

func (e *endpoint) String() string { return e.url }

func (e *endpoint) IsBoolFlag() bool { return true }

func (e *endpoint) Set(value string) error {
	on, err := strconv.ParseBool(value)
	e.on = on || err != nil
	if err != nil {
		e.url = value
	}
	return nil
}
