package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/examples/internal/commandline"
)

// options is the command line, read and checked.
type options struct {
	issuer   string
	clientID string
	auth     string
	scopes   []string
	params   url.Values // of the token request, besides

	certFile, keyFile string
	assertion         *assertionKey  // nil: not private_key_jwt
	proofs            *proofKey      // nil: no DPoP
	roots             *x509.CertPool // nil: the machine's

	url    string
	scheme string
	every  time.Duration
}

const (
	tlsClientAuth           = "tls_client_auth"             // RFC 8705 §2.1
	selfSignedTLSClientAuth = "self_signed_tls_client_auth" // RFC 8705 §2.2
	privateKeyJWT           = "private_key_jwt"             // RFC 7523 §2.2
)

var auths = []string{tlsClientAuth, selfSignedTLSClientAuth, privateKeyJWT}

// ours are the parameters of the token request that other flags are for.
var ours = []string{
	"grant_type", "client_id", "client_secret", "scope", "client_assertion", "client_assertion_type",
}

// parse reads the command line and joins every mistake in it, not the first
// alone. It returns flag.ErrHelp after printing the help.
func parse(args []string, output io.Writer) (*options, error) {
	flags := flag.NewFlagSet("client", flag.ContinueOnError)
	o := &options{params: make(url.Values)}
	flags.StringVar(&o.issuer, "issuer", "", "the authorization server's issuer identifier")
	flags.StringVar(&o.clientID, "client-id", "", "who this client is for the authorization server")
	flags.StringVar(&o.auth, "auth", tlsClientAuth, strings.Join(auths, ", "))
	flags.StringVar(&o.certFile, "cert", "", "PEM `file` with the client's certificate; read again before each call")
	flags.StringVar(&o.keyFile, "key", "", "PEM `file` with its private key")
	flags.StringVar(&o.url, "url", "", "the https `URL` of the API to call")
	flags.StringVar(&o.scheme, "scheme", "Bearer", "the scheme of Authorization: Bearer, or DPoP for an API that wants it without a proof")
	flags.DurationVar(&o.every, "every", 0, "a `duration`: call again and again with so much time in between; 0 calls once")
	proofs := flags.String("dpop", "", "PEM `file` with the private key that tokens are to be bound to (P-256, RSA, Ed25519), and each request then has a DPoP proof; with -auth private_key_jwt -cert and -key may be left out")
	scope := flags.String("scope", "", "what to ask for; several with spaces between them")
	ca := flags.String("ca", "", "PEM `file` with the roots of the authorization server and the API; without it the machine's")
	assertionKey := flags.String("assertion-key", "", "for private_key_jwt: PEM `file` with the private key that signs assertions (P-256, RSA, Ed25519)")
	assertionKID := flags.String("assertion-kid", "", "for private_key_jwt: the key's `kid`, if the authorization server wants one")

	var mistakes []error
	mistake := func(format string, a ...any) { mistakes = append(mistakes, fmt.Errorf(format, a...)) }
	flags.Func("param", "one more `name=value` of the token request, such as resource=https://api.example; may be repeated", func(s string) error {
		name, value, found := strings.Cut(s, "=")
		if !found || name == "" || slices.Contains(ours, name) {
			// No part of the value: it may be a secret.
			mistake("-param: must be name=value, and none of %s", strings.Join(ours, ", "))
			return nil
		}
		o.params.Add(name, value)
		return nil
	})
	unread, err := commandline.Parse(flags, args, output)
	if err != nil {
		return nil, err
	}
	mistakes = append(mistakes, unread...)

	// What an issuer may be is for package metadata to say.
	if o.issuer == "" {
		mistake("-issuer: required")
	}
	if o.clientID == "" {
		mistake("-client-id: required")
	}
	if !slices.Contains(auths, o.auth) {
		mistake("-auth: %q is not one of %s", o.auth, strings.Join(auths, ", "))
	}
	if *proofs != "" {
		if o.proofs, err = loadProofKey(*proofs); err != nil {
			mistake("-dpop: %w", err)
		}
		o.scheme = "DPoP"
	}
	if *proofs != "" && o.auth == privateKeyJWT && o.certFile == "" && o.keyFile == "" {
		// Neither the client's name nor the binding needs a certificate.
	} else if o.certFile == "" || o.keyFile == "" {
		mistake("-cert and -key: both are required")
	} else if _, err := tls.LoadX509KeyPair(o.certFile, o.keyFile); err != nil {
		mistake("-cert, -key: %w", err)
	}
	// Over plain http the token would be everybody's to read, and the certificate
	// nobody's to ask for.
	if u, err := url.Parse(o.url); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		mistake("-url: an https URL is required")
	}
	if o.scheme != "Bearer" && o.scheme != "DPoP" {
		mistake("-scheme: %q is not Bearer or DPoP", o.scheme)
	}
	if o.every < 0 {
		mistake("-every: must not be negative")
	}
	o.scopes = strings.Fields(*scope)
	if *ca != "" {
		if o.roots, err = commandline.Roots(*ca); err != nil {
			mistake("-ca: %w", err)
		}
	}
	switch {
	case o.auth != privateKeyJWT && (*assertionKey != "" || *assertionKID != ""):
		mistake("-assertion-key, -assertion-kid: for -auth %s alone", privateKeyJWT)
	case o.auth == privateKeyJWT && *assertionKey == "":
		mistake("-assertion-key: required for -auth %s", privateKeyJWT)
	case o.auth == privateKeyJWT:
		if o.assertion, err = loadAssertionKey(*assertionKey, *assertionKID); err != nil {
			mistake("-assertion-key: %w", err)
		}
	}
	return o, errors.Join(mistakes...)
}
