package main

import (
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/certbound/certbound/binding/forwarded"
	"github.com/certbound/certbound/examples/internal/commandline"
)

// options is the command line, read and checked.
type options struct {
	issuer    string
	audiences []string
	types     []string
	roots     *x509.CertPool // nil: the machine's

	http, grpc, admin address

	from  string // nginx or envoy, over HTTP
	trust []forwarded.Trust

	origins []string // nil: no DPoP
	nonce   bool

	routes []route // nil: every request
}

// An address is where to listen; the zero address is nowhere.
type address struct{ network, address string }

// A route is a pattern of net/http.ServeMux, and the scopes that it needs.
type route struct {
	pattern string
	scopes  []string
}

// parse reads the command line and joins every mistake in it, not the first
// alone. It returns flag.ErrHelp after printing the help.
func parse(args []string, output io.Writer) (*options, error) {
	flags := flag.NewFlagSet("extauthz", flag.ContinueOnError)
	var audiences, trust, routes commandline.Repeated
	issuer := flags.String("issuer", "", "the authorization server's issuer identifier")
	flags.Var(&audiences, "audience", "what access tokens must name as their audience; may be repeated")
	typ := flags.String("typ", "at+jwt", "comma `list` of accepted token types: at+jwt, JWT, absent")
	asCA := flags.String("as-ca", "", "PEM `file` with the roots to reach the authorization server; without it the machine's")
	overHTTP := flags.String("http", "", "`address` on which the proxy asks over HTTP; port 0 picks one; unix:PATH is a unix socket")
	from := flags.String("from", "", "with -http: nginx (auth_request) or envoy (ext_authz)")
	flags.Var(&trust, "trust", "with -http: `who` the proxy is: cidr:127.0.0.1/32, cert:X5T#S256, secret:Header=value or =@file, or unix; may be repeated")
	overGRPC := flags.String("grpc", "", "`address` on which Envoy asks over gRPC (envoy.service.auth.v3)")
	admin := flags.String("admin", "", "`address` of /healthz, /readyz and /metrics")
	origins := flags.String("dpop-origins", "", "comma `list` of the origins by which clients know the API, such as https://api.example; without it DPoP is off")
	nonce := flags.Bool("dpop-nonce", false, "require a nonce of this program in each DPoP proof")
	flags.Var(&routes, "route", "a `pattern` of Go's ServeMux, and behind = the scopes that it needs, such as 'POST /payments=payments'; may be repeated, and then all other requests are refused")

	mistakes, err := commandline.Parse(flags, args, output)
	if err != nil {
		return nil, err
	}
	mistake := func(format string, a ...any) { mistakes = append(mistakes, fmt.Errorf(format, a...)) }
	listen := func(name, value string) address {
		if path, isUnix := strings.CutPrefix(value, "unix:"); isUnix && path != "" {
			return address{"unix", path}
		}
		if _, _, err := net.SplitHostPort(value); value != "" && err != nil {
			mistake("-%s: must be host:port or unix:path", name)
		}
		return address{"tcp", value}
	}
	o := &options{
		issuer: *issuer, audiences: audiences, types: append([]string{}, commandline.Split(*typ)...),
		http: listen("http", *overHTTP), grpc: listen("grpc", *overGRPC), admin: listen("admin", *admin),
		from: *from, origins: commandline.Split(*origins), nonce: *nonce,
	}
	if *asCA != "" {
		if o.roots, err = commandline.Roots(*asCA); err != nil {
			mistake("-as-ca: %w", err)
		}
	}
	var wrong []error
	o.trust, wrong = commandline.Trust(trust)
	mistakes = append(mistakes, wrong...)
	switch {
	case *overHTTP == "" && *overGRPC == "":
		mistake("-http or -grpc: one of them is required")
	case *overHTTP == "" && (*from != "" || len(trust) > 0):
		mistake("-from and -trust: need -http")
	case *overHTTP != "" && *from != "nginx" && *from != "envoy":
		mistake("-from: must be nginx or envoy")
	}
	if o.nonce && o.origins == nil {
		mistake("-dpop-nonce: needs -dpop-origins")
	}
	for _, value := range routes {
		pattern, scopes, some := strings.Cut(value, "=")
		r := route{pattern: strings.TrimSpace(pattern), scopes: strings.Fields(scopes)}
		if r.pattern == "" || some && len(r.scopes) == 0 {
			mistake("-route: must be a pattern, or a pattern, = and scopes")
		}
		o.routes = append(o.routes, r)
	}
	return o, errors.Join(mistakes...)
}

// flagOf names the flags behind the fields of the Configs.
var flagOf = map[string]string{
	"Issuer": "-issuer", "Audiences": "-audience", "TokenTypes": "-typ", "Trust": "-trust", "Origins": "-dpop-origins",
}
