package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/metadata"
	"github.com/certbound/certbound/examples/internal/commandline"
	"github.com/certbound/certbound/jwks"
)

// options is the command line, read and checked. What has the name of a flag of
// examples/server is the server's.
type options struct {
	token        string
	certificates []certificate // the first is presented
	explain      binding.Reason

	proof  string // "": none is inspected; never printed
	method string
	url    *url.URL

	issuer      string // "": nothing is fetched
	audiences   []string
	jwksURL     string
	metadataURL string
	roots       *x509.CertPool // nil: the machine's
	allowHTTP   bool

	types       []string
	algorithms  []jwks.Algorithm // nil: all
	scopeClaims []string         // nil: scope
	leeway      time.Duration
	maxLifetime time.Duration

	policy     binding.Policy
	acceptDPoP bool
	scopes     []string
}

var policies = map[string]binding.Policy{
	"require":      binding.RequireBound,
	"if-bound":     binding.DangerouslyAcceptUnbound,
	"refuse-bound": binding.DangerouslyBearerOnly,
}

// harmless are mistakes that name what looks like a flag, and not a token that
// begins with a dash.
var harmless = regexp.MustCompile(`^flag (provided but not defined|needs an argument): -[a-z-]{1,24}$`)

// parse reads the command line and joins every mistake in it, not the first
// alone. No mistake shows an argument that could be a token. It returns
// flag.ErrHelp after printing the help.
func parse(args []string, output io.Writer) (*options, error) {
	flags := flag.NewFlagSet("inspect", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // mistakes are the caller's to print
	var audiences, others commandline.Repeated
	token := flags.String("token", "-", "`file` with the access token, - for the standard input; never the token itself")
	cert := flags.String("cert", "", "PEM or DER `file` with the client's certificate, first in it; without it the binding cannot be told")
	flags.Var(&others, "other", "PEM or DER `file` with other certificates to compare a wrong thumbprint with; may be repeated")
	reason := flags.String("explain", "", "explain a `reason` of a server's log, such as thumbprint_hex, and do nothing else")
	proof := flags.String("proof", "", "inspect this DPoP proof, in place of the token: the `text` of the field DPoP, for the token that is given as ever; a proof that was sent is used up")
	method := flags.String("method", "", "with -proof: the request's method; without it GET")
	address := flags.String("url", "", "with -proof: the `URL` that the client asked for")
	issuer := flags.String("issuer", "", "the authorization server's issuer identifier; without it nothing is fetched, and no signature is checked")
	flags.Var(&audiences, "audience", "what access tokens must name as their audience; may be repeated")
	jwksURL := flags.String("jwks-url", "", "the key set's `URL`; without it the issuer's metadata says")
	metadataURL := flags.String("metadata-url", "", "the `URL` of the issuer's metadata, if not at a well-known path below the issuer")
	asCA := flags.String("as-ca", "", "PEM `file` with the roots to reach the authorization server; without it the machine's")
	allowHTTP := flags.Bool("dangerously-allow-http", false, "also fetch keys over plain http, for development")
	typ := flags.String("typ", "at+jwt", "comma `list` of accepted token types: at+jwt, JWT, absent")
	alg := flags.String("alg", "", "comma `list` of accepted signature algorithms; without it all that jwks knows")
	scopeClaims := flags.String("scope-claim", "", "comma `list` of the claims that may hold the scopes; without it scope")
	leeway := flags.String("leeway", "60s", "a `duration`: how far the issuer's clock may be from the server's")
	maxLifetime := flags.String("max-lifetime", "", "a `duration`: how far ahead exp may lie; without it any")
	policy := flags.String("policy", "require", "require (tokens must be bound), if-bound (unbound ones are accepted), or refuse-bound (no mutual TLS here)")
	schemes := flags.String("schemes", "Bearer", "comma `list` of accepted schemes: Bearer, or Bearer,DPoP for Auth0's clients")
	scope := flags.String("scope", "", "what the request needs; several with spaces between them")

	var mistakes []error
	mistake := func(format string, a ...any) { mistakes = append(mistakes, fmt.Errorf(format, a...)) }
	for rest := args; ; {
		err := flags.Parse(rest)
		rest = flags.Args()
		switch {
		case errors.Is(err, flag.ErrHelp):
			flags.SetOutput(output)
			flags.Usage()
			return nil, err
		case err != nil && harmless.MatchString(err.Error()):
			mistakes = append(mistakes, err)
		case err != nil:
			mistake("an argument is none of the flags, or not a flag's value; it is not shown, for it may be a token. %s", notAsArgument)
		case len(rest) > 0:
			mistake("an argument without a flag; it is not shown, for it may be a token. %s", notAsArgument)
			rest = rest[1:]
		}
		if err != nil {
			for len(rest) > 0 && !strings.HasPrefix(rest[0], "-") { // what came for an unknown flag
				rest = rest[1:]
			}
		}
		if len(rest) == 0 {
			break
		}
	}

	o := &options{
		token: *token, explain: binding.Reason(*reason),
		issuer: *issuer, audiences: audiences, jwksURL: *jwksURL, metadataURL: *metadataURL, allowHTTP: *allowHTTP,
		types: append([]string{}, commandline.Split(*typ)...), scopeClaims: commandline.Split(*scopeClaims), scopes: strings.Fields(*scope),
	}
	for _, name := range commandline.Split(*alg) {
		o.algorithms = append(o.algorithms, jwks.Algorithm(name))
	}
	var err error
	if o.proof, o.method = strings.TrimSpace(*proof), cmp.Or(*method, http.MethodGet); o.proof != "" {
		if o.url, err = url.Parse(*address); err != nil || o.url.Host == "" || o.url.Scheme != "https" && o.url.Scheme != "http" {
			mistake("-url: with -proof it must be the URL that the client asked for")
		}
	} else if *method+*address != "" {
		mistake("-method, -url: need -proof")
	}
	if *cert != "" {
		if o.certificates, err = loadCertificates("-cert", *cert); err != nil {
			mistake("-cert: %w", err)
		}
	}
	for _, file := range others {
		more, err := loadCertificates("-other", file)
		if err != nil {
			mistake("-other: %w", err)
		}
		o.certificates = append(o.certificates, more...)
	}
	if len(others) > 0 && *cert == "" {
		mistake("-other: needs -cert")
	}
	if *asCA != "" {
		if o.roots, err = commandline.Roots(*asCA); err != nil {
			mistake("-as-ca: %w", err)
		}
	}
	if o.leeway, err = time.ParseDuration(*leeway); err != nil || o.leeway < 0 {
		mistake("-leeway: must be a duration from 0s to 5m")
	}
	if *maxLifetime != "" {
		if o.maxLifetime, err = time.ParseDuration(*maxLifetime); err != nil || o.maxLifetime <= 0 {
			mistake("-max-lifetime: must be a positive duration, such as 1h")
		}
	}
	for _, scheme := range commandline.Split(*schemes) {
		switch strings.ToLower(scheme) {
		case "bearer":
		case "dpop":
			o.acceptDPoP = true
		default:
			mistake("-schemes: %+q is not Bearer or DPoP", scheme)
		}
	}
	if !slices.ContainsFunc(commandline.Split(*schemes), func(s string) bool { return strings.EqualFold(s, "Bearer") }) {
		mistake("-schemes: Bearer is always accepted, name it")
	}
	var known bool
	if o.policy, known = policies[*policy]; !known {
		mistake("-policy: %+q is not one of require, if-bound, refuse-bound", *policy)
	}
	if o.issuer == "" && (o.jwksURL != "" || o.metadataURL != "") {
		mistake("-jwks-url, -metadata-url: need -issuer")
	}
	return o, errors.Join(mistakes...)
}

// check has the library judge what is the library's.
func (o *options) check() error {
	config := o.verifier()
	if config.Issuer == "" {
		config.Issuer, config.URL, config.MetadataURL = doubtless.issuer, nowhereURL, ""
	}
	if config.Audiences == nil {
		config.Audiences = []string{doubtless.audience}
	}
	config.Transport = nowhere{}
	verifier, err := jwks.New(config)
	if err != nil {
		return errors.Join(commandline.FlagErrors(err, flagOf)...)
	}
	defer verifier.Close()
	_, err = binding.New(o.guard(verifier))
	return errors.Join(commandline.FlagErrors(err, flagOf)...)
}

// verifier is the configuration of the server's verifier.
func (o *options) verifier() jwks.Config {
	leeway := o.leeway
	if leeway == 0 {
		leeway = -1 // none: 0 is jwks.Config's default
	}
	return jwks.Config{
		Issuer:               o.issuer,
		Audiences:            o.audiences,
		URL:                  o.jwksURL,
		MetadataURL:          o.metadataURL,
		Algorithms:           o.algorithms,
		TokenTypes:           o.types,
		ScopeClaims:          o.scopeClaims,
		Leeway:               leeway,
		MaxLifetime:          o.maxLifetime,
		Transport:            o.transport(),
		DangerouslyAllowHTTP: o.allowHTTP,
		SeenTokens:           -1,
	}
}

// guard is the configuration of the server's guard.
func (o *options) guard(tokens binding.TokenVerifier) binding.Config {
	return binding.Config{Tokens: tokens, Policy: o.policy, Scopes: o.scopes, AcceptDPoPScheme: o.acceptDPoP}
}

// flagOf names the flags behind the fields of jwks.Config and binding.Config.
var flagOf = map[string]string{
	"Issuer": "-issuer", "Audiences": "-audience", "URL": "-jwks-url", "MetadataURL": "-metadata-url",
	"Algorithms": "-alg", "TokenTypes": "-typ", "ScopeClaims": "-scope-claim", "Leeway": "-leeway",
	"MaxLifetime": "-max-lifetime", "Scopes": "-scope",
}

// transport reaches the authorization server by the roots of -as-ca, or by those
// of the machine.
func (o *options) transport() http.RoundTripper {
	transport := metadata.NewTransport()
	transport.DisableKeepAlives = true // a handful of requests, and then the end
	if o.roots != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: o.roots, MinVersion: tls.VersionTLS12}
	}
	return transport
}

// nowhere is the transport of who asks nobody.
type nowhere struct{}

var errNowhere = errors.New("nobody is asked")

const nowhereURL = "https://nobody.invalid/"

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) { return nil, errNowhere }

// verifierFunc is a function that is a [binding.TokenVerifier].
type verifierFunc func(ctx context.Context, token string) (*binding.Token, error)

func (f verifierFunc) VerifyToken(ctx context.Context, token string) (*binding.Token, error) {
	return f(ctx, token)
}
