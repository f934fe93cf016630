package main

import (
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"slices"
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
	identity  *identity // nil: plain HTTP
	stopDelay time.Duration

	issuer    string
	audiences []string
	jwksURL   string
	refresh   time.Duration
	types     []string
	roots     *x509.CertPool // nil: the machine's

	certificates binding.CertificateSource // nil: the TLS connection
	acceptDPoP   bool

	scopeClaims   []string // nil: scope
	introspection asking
	fapi2         bool

	proving proving
	policy  binding.Policy
	scopes  []string
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
	tlsCert := flags.String("tls-cert", "", "PEM `file` with the server's certificate and behind it its chain, read anew when it changes; without it plain HTTP, for use behind a proxy")
	tlsKey := flags.String("tls-key", "", "PEM `file` with the server's private key")
	stopDelay := flags.String("stop-delay", "0s", "a `duration`: how long after SIGTERM the server goes on serving, with 503 at /readyz, before it stops; behind a load balancer longer than that takes to notice, such as 10s")
	issuer := flags.String("issuer", "", "the authorization server's issuer identifier")
	flags.Var(&audiences, "audience", "what access tokens must name as their audience; may be repeated")
	jwksURL := flags.String("jwks-url", "", "the key set's `URL`; without it the issuer's metadata says")
	refresh := flags.String("jwks-refresh", "10m", "a `duration`: how long fetched keys are fresh, from 1s")
	typ := flags.String("typ", "at+jwt", "comma `list` of accepted token types: at+jwt, JWT, absent")
	asCA := flags.String("as-ca", "", "PEM `file` with the roots to reach the authorization server; without it the machine's")
	schemes := flags.String("schemes", "Bearer", "comma `list` of accepted schemes: Bearer, or Bearer,DPoP for Auth0's clients, which send no proof")
	policy := flags.String("policy", "require", "require (tokens must be bound), if-bound (unbound ones are accepted), or refuse-bound (no mutual TLS here)")
	format := flags.String("forwarded-format", "", "the `format` in which a proxy forwards the client's certificate: "+formats())
	header := flags.String("forwarded-header", "", "the `header` that holds it, if not the format's own")
	flags.Var(&trust, "trust", "`who` may forward certificates: cidr:192.0.2.0/24, cert:X5T#S256, secret:Header=value or =@file, or unix; may be repeated")
	scope := flags.String("scope", "payments", "what GET /payments needs; several with spaces between them")
	scopeClaims := flags.String("scope-claim", "", "comma `list` of the claims that may hold the scopes, such as scp; without it scope")
	fapi2 := flags.Bool("fapi2", false, "what the FAPI 2.0 Security Profile asks of a resource server: its algorithms, clocks that differ by 10s at most, no token that lives for more than an hour, and -policy require")
	asked := introspectionFlags(flags)
	proven := proofFlags(flags)

	mistakes, err := commandline.Parse(flags, args, output)
	if err != nil {
		return nil, err
	}
	mistake := func(format string, a ...any) { mistakes = append(mistakes, fmt.Errorf(format, a...)) }

	o := &options{
		framework: *framework, network: "tcp", listen: *listen,
		issuer: *issuer, audiences: audiences, jwksURL: *jwksURL, fapi2: *fapi2,
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
		if o.identity, err = newIdentity(*tlsCert, *tlsKey); err != nil {
			mistake("-tls-cert, -tls-key: %w", err)
		}
	}
	if o.refresh, err = time.ParseDuration(*refresh); err != nil || o.refresh <= 0 {
		mistake("-jwks-refresh: must be a positive duration, such as 10m")
	}
	if o.stopDelay, err = time.ParseDuration(*stopDelay); err != nil || o.stopDelay < 0 {
		mistake("-stop-delay: must be a duration, such as 10s")
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
	o.scopeClaims = commandline.Split(*scopeClaims)
	o.introspection, wrong = asked()
	mistakes = append(mistakes, wrong...)
	o.proving, wrong = proven()
	mistakes = append(mistakes, wrong...)
	if o.fapi2 {
		mistakes = append(mistakes, o.applyFAPI2()...)
	}
	return o, errors.Join(mistakes...)
}

// flagOf names the flags behind the fields of the Configs.
var flagOf = map[string]string{
	"Issuer": "-issuer", "Audiences": "-audience", "URL": "-jwks-url", "Fresh": "-jwks-refresh", "TokenTypes": "-typ",
	"ScopeClaims": "-scope-claim",
	"ClientID":    "-client-id", "ClientCertificate": "-client-cert", "ClientSecret": "-client-secret", "SigningKey": "-client-signing-key",
	"Origins": "-dpop-origins", "PathPrefix": "-dpop-path-prefix", "Algorithms": "-dpop-algorithms", "MaxAge": "-dpop-max-age",
	"RequireNonce": "-dpop-nonce", "NonceKeys": "-dpop-nonce-keys", "Client.InitAddress": "-dpop-redis",
	"Policy": "-policy", "Proofs": "-dpop-origins", "RequireProof": "-require", "RequireCertificate": "-require",
	"Format": "-forwarded-format", "Header": "-forwarded-header", "Trust": "-trust",
}

func formats() string {
	var names []string
	for _, format := range forwarded.Formats() {
		names = append(names, string(format))
	}
	return strings.Join(names, ", ")
}
