package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
	"github.com/certbound/certbound/examples/internal/commandline"
)

// options is the command line, read and checked.
type options struct {
	framework string
	network   string // tcp or unix
	listen    string
	identity  *tls.Certificate // nil: plain HTTP

	issuer    string
	audiences []string
	jwksURL   string
	refresh   time.Duration
	types     []string
	roots     *x509.CertPool // nil: the machine's

	certificates binding.CertificateSource // nil: the TLS connection
	acceptDPoP   bool

	introspection     endpoint
	clientID          string
	clientCertificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

	policy binding.Policy
	scopes []string
}

var frameworks = []string{"nethttp", "echo", "gin"}

var policies = map[string]binding.Policy{
	"require":      binding.RequireBound,
	"if-bound":     binding.DangerouslyAcceptUnbound,
	"refuse-bound": binding.DangerouslyBearerOnly,
}

// parse reads the command line and joins every mistake in it, not the first
// alone. It leaves to jwks.New to judge what is jwks.New's; see flagOf. It
// returns flag.ErrHelp after printing the help.
func parse(args []string, output io.Writer) (*options, error) {
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	var audiences, trust commandline.Repeated
	framework := flags.String("framework", "nethttp", "nethttp, echo or gin")
	listen := flags.String("listen", "127.0.0.1:8443", "`address` to listen on; port 0 picks one; unix:PATH is a unix socket")
	tlsCert := flags.String("tls-cert", "", "PEM `file` with the server's certificate; without it plain HTTP, for use behind a proxy")
	tlsKey := flags.String("tls-key", "", "PEM `file` with the server's private key")
	issuer := flags.String("issuer", "", "the authorization server's issuer identifier")
	flags.Var(&audiences, "audience", "what access tokens must name as their audience; may be repeated")
	jwksURL := flags.String("jwks-url", "", "the key set's `URL`; without it the issuer's metadata says")
	refresh := flags.String("jwks-refresh", "10m", "a `duration`: how long fetched keys are fresh, from 1s")
	typ := flags.String("typ", "at+jwt", "comma `list` of accepted token types: at+jwt, JWT, absent")
	asCA := flags.String("as-ca", "", "PEM `file` with the roots to reach the authorization server; without it the machine's")
	schemes := flags.String("schemes", "Bearer", "comma `list` of accepted schemes: Bearer, or Bearer,DPoP for Auth0's clients")
	policy := flags.String("policy", "require", "require (tokens must be bound), if-bound (unbound ones are accepted), or refuse-bound (no mutual TLS here)")
	format := flags.String("forwarded-format", "", "the `format` in which a proxy forwards the client's certificate: "+formats())
	header := flags.String("forwarded-header", "", "the `header` that holds it, if not the format's own")
	flags.Var(&trust, "trust", "`who` may forward certificates: cidr:192.0.2.0/24, cert:X5T#S256, secret:Header=value or =@file, or unix; may be repeated")
	scope := flags.String("scope", "payments", "what GET /payments needs; several with spaces between them")
	var asked endpoint
	flags.Var(&asked, "introspection", "also take opaque tokens, and ask the authorization server about them; `=URL` names the endpoint, and else its metadata does")
	clientID := flags.String("client-id", "", "with -introspection: this server's client `identifier` at the authorization server")
	clientCert := flags.String("client-cert", "", "with -introspection: PEM `file` with the certificate by which this server authenticates itself there")
	clientKey := flags.String("client-key", "", "with -introspection: PEM `file` with its private key")

	mistakes, err := commandline.Parse(flags, args, output)
	if err != nil {
		return nil, err
	}
	mistake := func(format string, a ...any) { mistakes = append(mistakes, fmt.Errorf(format, a...)) }

	o := &options{
		framework: *framework, network: "tcp", listen: *listen,
		issuer: *issuer, audiences: audiences, jwksURL: *jwksURL,
		types: append([]string{}, commandline.Split(*typ)...), scopes: strings.Fields(*scope),
	}
	if !slices.Contains(frameworks, o.framework) {
		mistake("-framework: %q is not one of %s", o.framework, strings.Join(frameworks, ", "))
	}
	if path, isUnix := strings.CutPrefix(o.listen, "unix:"); isUnix {
		o.network, o.listen = "unix", path
	} else if _, _, err := net.SplitHostPort(o.listen); err != nil {
		mistake("-listen: must be host:port or unix:path")
	}
	switch {
	case (*tlsCert == "") != (*tlsKey == ""):
		mistake("-tls-cert and -tls-key: one without the other")
	case *tlsCert != "":
		identity, err := tls.LoadX509KeyPair(*tlsCert, *tlsKey)
		if err != nil {
			mistake("-tls-cert, -tls-key: %w", err)
		}
		o.identity = &identity
	}
	if o.refresh, err = time.ParseDuration(*refresh); err != nil || o.refresh <= 0 {
		mistake("-jwks-refresh: must be a positive duration, such as 10m")
	}
	if *asCA != "" {
		if o.roots, err = commandline.Roots(*asCA); err != nil {
			mistake("-as-ca: %w", err)
		}
	}
	for _, scheme := range commandline.Split(*schemes) {
		switch strings.ToLower(scheme) {
		case "bearer":
		case "dpop":
			o.acceptDPoP = true
		default:
			mistake("-schemes: %q is not Bearer or DPoP", scheme)
		}
	}
	if !slices.ContainsFunc(commandline.Split(*schemes), func(s string) bool { return strings.EqualFold(s, "Bearer") }) {
		mistake("-schemes: Bearer is always accepted, name it")
	}
	var wrong []error
	o.certificates, wrong = newSource(*format, *header, trust)
	mistakes = append(mistakes, wrong...)
	var known bool
	if o.policy, known = policies[*policy]; !known {
		mistake("-policy: %q is not one of require, if-bound, refuse-bound", *policy)
	}
	if len(o.scopes) == 0 {
		mistake("-scope: must name at least one scope")
	}
	o.introspection, o.clientID = asked, *clientID
	switch {
	case asked.on:
		o.clientCertificate = certificateFrom(*clientCert, *clientKey)
		if _, err := o.clientCertificate(nil); err != nil {
			mistake("-client-cert, -client-key: %w", err)
		}
		if *clientID == "" {
			mistake("-client-id: is required with -introspection")
		}
	case *clientID != "" || *clientCert != "" || *clientKey != "":
		mistake("-client-id, -client-cert, -client-key: need -introspection")
	}
	return o, errors.Join(mistakes...)
}

// flagOf names the flags behind the fields of jwks.Config and forwarded.Config.
var flagOf = map[string]string{
	"Issuer": "-issuer", "Audiences": "-audience", "URL": "-jwks-url", "Fresh": "-jwks-refresh", "TokenTypes": "-typ",
	"ClientID": "-client-id",
	"Format":   "-forwarded-format", "Header": "-forwarded-header", "Trust": "-trust",
}

func formats() string {
	var names []string
	for _, format := range forwarded.Formats() {
		names = append(names, string(format))
	}
	return strings.Join(names, ", ")
}

// certificateFrom reads the files anew for each connection, so that they may be
// replaced.
func certificateFrom(certificate, key string) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		return &pair, err
	}
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
