// Command conformance sends bad input to a resource server for
// certificate-bound access tokens (RFC 8705), in whatever language it is
// written, every kind that is known and can be sent from outside, and says
// which of them it answers wrongly: package binding/bindingtest/conformance as
// a command.
//
// # A server that it starts
//
//	conformance -path /accounts -- my-server -issuer {issuer} -audience {audience} -ca {ca-file} \
//		-listen {listen} -tls-cert {cert-file} -tls-key {key-file}
//
// What is behind -- is the server's command line. It is started once for all of
// the inputs, and anew for each that needs an authorization server of its own
// (-once: not for those), on the loopback interface, and stopped with all of
// its children. In its arguments these stand for what the server has to know:
//
//	{issuer}          the issuer identifier
//	{metadata}        the URL of the issuer's metadata, by RFC 8414
//	{openid}          the same, by OpenID Connect Discovery
//	{jwks}            the URL of its key set
//	{jwks-file}       a file with its key set, for -static-keys
//	{introspection}   for -opaque: the URL of its introspection endpoint, which answers any client
//	{audience}        what the tokens name as their audience
//	{ca-file}         a PEM file: who issued the certificates of the issuer and of the server
//	{cert-file}       a PEM file: the server's certificate
//	{key-file}        a PEM file: its private key
//	{client-ca-file}  a PEM file: who issued the clients' certificates, for -verifies-clients
//	{listen}          host and port to listen on, with TLS
//	{host}, {port}    the same, apart
//
// -env NAME=value sets a variable of its environment, where these stand for the
// same. Every input that needs a start of its own costs one: a server that is
// slow to start is best looked at with -once first.
//
// -dpop says that the server also takes DPoP proofs (RFC 9449), for
// https://{listen} or -dpop-origin, and -dpop-nonces that it takes them with its
// nonce alone.
//
// The server has to ask its clients for a certificate, and to trust none
// because of who issued it, unless -verifies-clients says that it does.
//
// # A server that runs already
//
//	conformance -url https://127.0.0.1:8443 -path /accounts
//
// prints what the server has to be told, and waits until it accepts a good
// request. Inputs that need a start of the server are left out.
//
// # What it says
//
// A line for each input that failed (with -v, or at -level should, for each
// that is not answered as expected), and one with the counts; on standard
// error, how far it is. What there is so far is printed when it is interrupted,
// too. The exit status is 0 if nothing failed, 1 if something did, and 2 if it
// cannot be told: a wrong command line, a server that does not start, or one
// that refuses the good request. By default only that counts as failed which
// the RFCs demand of every resource server; -level should counts every answer
// that is not the one of this project's own guard. Neither a token nor a
// certificate is printed. What the server itself prints is shown with -output,
// and the end of it if it does not start.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/certbound/certbound/binding/bindingtest/conformance"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

const (
	exitPassed  = 0
	exitFailed  = 1
	exitUnknown = 2
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return exitPassed
	}
	if err == nil && o.list {
		err = list(o.config, stdout)
		if err == nil {
			return exitPassed
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUnknown
	}
	report, err := check(ctx, o, stdout, stderr)
	// What came before an error is worth as much as without it.
	if report != nil && report.Summary.Rows > 0 {
		err = errors.Join(err, write(o, report, stdout))
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
	}
	switch {
	case errors.Is(err, conformance.ErrNotJudged):
		fmt.Fprintln(stderr, "What usually mends that: -typ, -algorithm, -accepts-unbound, -verifies-clients, -claim, -scopes, -start-wait.")
		return exitUnknown
	case err != nil && !errors.Is(err, conformance.ErrEnded):
		return exitUnknown
	case !report.Passed():
		return exitFailed
	}
	return exitPassed
}

func list(config conformance.Config, stdout io.Writer) error {
	cases, err := config.Cases()
	for _, c := range cases {
		fmt.Fprintf(stdout, "%v\n    must be %s; should be %s (%s)\n", c, c.Must, c.Should, c.Source)
	}
	return err
}

func check(ctx context.Context, o *options, stdout, stderr io.Writer) (*conformance.Report, error) {
	config := o.config
	if err := progress(&config, o, stderr); err != nil {
		return nil, err
	}
	kit, err := conformance.New(config)
	if err != nil {
		return nil, err
	}
	defer kit.Close()
	if o.url != "" {
		folder, err := writeFiles(kit.AuthorizationServer())
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(folder) }()
		where := stdout
		if o.json == "-" {
			where = stderr
		}
		explain(where, kit.AuthorizationServer(), folder)
		return patiently(ctx, kit, o)
	}
	program := &program{command: o.command, environment: o.environment, wait: o.wait, output: o.output, stderr: stderr}
	target := conformance.Target{Start: program.start}
	if o.once {
		url, stop, err := program.start(ctx, kit.AuthorizationServer())
		if err != nil {
			return nil, err
		}
		defer stop()
		target = conformance.Target{URL: url}
	}
	report, err := kit.Check(ctx, target)
	if errors.Is(err, conformance.ErrNotJudged) && !o.output {
		err = fmt.Errorf("%w%v", err, program.printed)
	}
	return report, err
}

// progress says on standard error which section is asked, and beforehand how
// often the server will be started.
func progress(config *conformance.Config, o *options, stderr io.Writer) error {
	cases, err := config.Cases()
	if err != nil {
		return err
	}
	starts := 1
	for _, c := range cases {
		if c.Start && o.url == "" && !o.once && !config.StaticKeys {
			starts++
		}
	}
	if o.url == "" {
		fmt.Fprintf(stderr, "%d cases; the server is started up to %d times\n", len(cases), starts)
	}
	asked, section := 0, ""
	config.Observe = func(result conformance.Result) {
		if result.Row == 0 {
			return
		}
		if asked++; result.Section != section {
			section = result.Section
			fmt.Fprintf(stderr, "section %s, %d of %d cases\n", section, asked, len(cases))
		}
	}
	return nil
}

// patiently checks a server as soon as it accepts the good request.
func patiently(ctx context.Context, kit *conformance.Kit, o *options) (*conformance.Report, error) {
	end := time.Now().Add(o.wait)
	for {
		report, err := kit.Check(ctx, conformance.Target{URL: o.url})
		if !errors.Is(err, conformance.ErrNotJudged) || time.Now().After(end) {
			return report, err
		}
		select {
		case <-ctx.Done():
			return report, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func write(o *options, report *conformance.Report, stdout io.Writer) error {
	if o.markdown != "" {
		var table bytes.Buffer
		if err := report.WriteMarkdown(&table); err != nil {
			return err
		}
		if err := os.WriteFile(o.markdown, table.Bytes(), 0o600); err != nil {
			return err
		}
	}
	if o.json == "" {
		return report.WriteText(stdout, o.all)
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if o.json == "-" {
		_, err = stdout.Write(text)
		return err
	}
	if err := os.WriteFile(o.json, text, 0o600); err != nil {
		return err
	}
	return report.WriteText(stdout, o.all)
}
