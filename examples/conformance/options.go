package main

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/certbound/certbound/binding/bindingtest/conformance"
)

// options is the command line, read and checked.
type options struct {
	config conformance.Config

	url     string   // of a server that runs already
	command []string // or: how to start one
	once    bool
	wait    time.Duration
	output  bool

	environment []string

	list, all      bool
	json, markdown string
}

// parse reads the command line and joins every mistake in it. It leaves to
// conformance.New what is its own.
func parse(args []string, output io.Writer) (*options, error) {
	o := &options{config: conformance.Config{Except: make(map[int]string)}}
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // mistakes are the caller's to print
	flags.StringVar(&o.url, "url", "", "`URL` of a server that runs already: scheme, host and port")
	flags.StringVar(&o.config.Path, "path", "/", "the protected `path` that is asked for")
	flags.IntVar(&o.config.Status, "status", 200, "the `status` of the answer to a good request")
	flags.StringVar(&o.config.Audience, "audience", "https://api.example", "the `audience` of the tokens")
	scopes := flags.String("scopes", "", "the `scopes` that -path needs, with spaces between them")
	flags.StringVar(&o.config.ScopePath, "scope-path", "", "another `path`, one that needs more scopes")
	flags.StringVar(&o.config.ScopeMethod, "scope-method", "GET", "the `method` that -scope-path is asked for with")
	flags.StringVar(&o.config.Algorithm, "algorithm", "ES256", "the JWS `algorithm` of the tokens")
	flags.StringVar(&o.config.TokenType, "typ", "at+jwt", "the `typ` of the tokens; absent is none")
	flags.BoolVar(&o.config.Opaque, "opaque", false, "the tokens are opaque: the server asks {introspection} about them")
	flags.BoolVar(&o.config.DPoP, "dpop", false, "the server takes DPoP proofs (RFC 9449) as well")
	flags.StringVar(&o.config.Origin, "dpop-origin", "", "the `origin` that it takes in proofs, such as https://api.example (default: https://{listen})")
	flags.BoolVar(&o.config.Nonces, "dpop-nonces", false, "it takes proofs with its nonce alone")
	flags.BoolVar(&o.config.AcceptsUnbound, "accepts-unbound", false, "the server also takes tokens that are bound to nothing")
	flags.BoolVar(&o.config.VerifiesClients, "verifies-clients", false, "the server verifies client certificates, against {client-ca-file}")
	flags.BoolVar(&o.config.StaticKeys, "static-keys", false, "the server has the issuer's keys from {jwks-file}: no key is changed")
	flags.BoolVar(&o.config.HTTP2, "http2", false, "send everything over HTTP/2 that can be sent so")
	claim := func(value string) error {
		name, text, found := strings.Cut(value, "=")
		var decoded any
		if !found || name == "" || json.Unmarshal([]byte(text), &decoded) != nil {
			return errors.New("must be a name, = and JSON")
		}
		if o.config.Claims == nil {
			o.config.Claims = make(map[string]any)
		}
		o.config.Claims[name] = decoded
		return nil
	}
	flags.Func("claim", "`name=JSON`: a claim that the tokens have as well, null for none; may be repeated", claim)
	environment := func(value string) error {
		if name, _, found := strings.Cut(value, "="); !found || name == "" {
			return errors.New("must be a name, = and a value")
		}
		o.environment = append(o.environment, value)
		return nil
	}
	flags.Func("env", "`NAME=value` for the server's environment, with the same placeholders; may be repeated", environment)
	flags.DurationVar(&o.config.StartWait, "start-wait", 10*time.Second, "how long a server that can be reached may take to accept the first good request")
	flags.DurationVar(&o.config.KeyWait, "key-wait", 5*time.Second, "how long the server may take to learn a new key")
	flags.DurationVar(&o.config.RemovedKeyAfter, "removed-key-after", 0, "how long the server may accept a key that is no longer published; 0 is not looked at")
	flags.DurationVar(&o.config.Timeout, "timeout", 10*time.Second, "how long one answer may take")
	rootCA := flags.String("root-ca", "", "PEM `file`: who issued the certificate of the server at -url, if not the kit")
	level := flags.String("level", "must", "what counts as failed: must (what RFCs demand) or should (every other answer than this project's)")
	except := func(value string) error {
		number, reason, found := strings.Cut(value, "=")
		row, err := strconv.Atoi(number)
		if err != nil || !found || reason == "" {
			return errors.New("must be a row's number, = and a reason")
		}
		o.config.Except[row] = reason
		return nil
	}
	flags.Func("except", "`row=reason`: what the server answers otherwise on purpose; may be repeated", except)
	flags.BoolVar(&o.once, "once", false, "start the server once, and leave out what needs another start")
	flags.DurationVar(&o.wait, "wait", 0, "how long to wait for the server (default: 60s to start, 10m for one at -url)")
	flags.BoolVar(&o.output, "output", false, "show what the server prints")
	flags.BoolVar(&o.list, "list", false, "print what is asked, and what is expected, and ask nothing")
	flags.BoolVar(&o.all, "v", false, "print what is as expected too")
	flags.StringVar(&o.markdown, "markdown", "", "write a table of what is not as expected to a `file`")
	flags.StringVar(&o.json, "json", "", "write the report to a `file`, in JSON; - is standard output, in place of the text")

	var mistakes []error
	mistake := func(format string, a ...any) { mistakes = append(mistakes, fmt.Errorf(format, a...)) }
	own, command, started := args, []string(nil), false
	if at := slices.Index(args, "--"); at >= 0 {
		own, command, started = args[:at], args[at+1:], true
	}
	switch err := flags.Parse(own); {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(output)
		fmt.Fprint(output, "conformance [flags] -- server's command line\nconformance [flags] -url URL\n")
		flags.PrintDefaults()
		return nil, err
	case err != nil:
		mistakes = append(mistakes, err)
	case flags.NArg() > 0:
		mistake("unexpected argument %q: the server's command line comes behind --", flags.Arg(0))
	}
	o.config.Scopes, o.command = strings.Fields(*scopes), command

	switch {
	case o.list:
	case started == (o.url != ""):
		mistake("either -url, or -- and the server's command line")
	case started && len(command) == 0:
		mistake("no command line behind --")
	}
	for _, argument := range slices.Concat(command, o.environment) {
		for _, name := range placeholder.FindAllString(argument, -1) {
			if !slices.Contains(placeholders, name) {
				mistake("%s is none of %s", name, strings.Join(placeholders, ", "))
			}
		}
	}
	if o.url != "" {
		if parsed, err := url.Parse(o.url); err != nil || parsed.Scheme != "https" || parsed.Host == "" || parsed.Path != "" && parsed.Path != "/" {
			mistake("-url: must be https, a host and no path")
		}
	}
	switch *level {
	case "must":
		o.config.Level = conformance.Must
	case "should":
		o.config.Level = conformance.Should
	default:
		mistake("-level: must be must or should")
	}
	if *rootCA != "" {
		text, err := os.ReadFile(*rootCA)
		if err != nil {
			mistake("-root-ca: %w", err)
		}
		o.config.RootCAs = x509.NewCertPool()
		if err == nil && !o.config.RootCAs.AppendCertsFromPEM(text) {
			mistake("-root-ca: %s holds no certificate", *rootCA)
		}
	}
	if o.wait < 0 {
		mistake("-wait: must not be negative")
	}
	if o.wait == 0 {
		o.wait = time.Minute
		if o.url != "" {
			o.wait = 10 * time.Minute
		}
	}
	return o, errors.Join(mistakes...)
}

// placeholder is what looks like one. A brace of JSON or of a shell does not.
var placeholder = regexp.MustCompile(`\{[a-z-]+\}`)

var placeholders = []string{
	"{issuer}", "{metadata}", "{openid}", "{jwks}", "{jwks-file}", "{introspection}", "{audience}",
	"{ca-file}", "{cert-file}", "{key-file}", "{client-ca-file}", "{listen}", "{host}", "{port}",
}
