// Command conformance sends bad input to a resource server for certificate-bound
// access tokens (RFC 8705), in whatever language it is written, every kind that is
// known and can be sent from outside, and says which of them it answers wrongly:
// package binding/bindingtest/conformance as a command.
//
// # A server that it starts
//
//	conformance -path /accounts -- my-server -issuer {issuer} -audience {audience} -ca {ca-file} \
//		-listen {listen} -tls-cert {cert-file} -tls-key {key-file}
//
// What is behind -- is the server's command line. It is started once for all of
// the inputs, and anew for each that needs an authorization server of its own
// (-once: not for those), on the loopback interface, and stopped with all of its
// children. In its arguments these stand for what the server has to know:
//
//	{issuer}          the issuer identifier
//	{metadata}        the URL of the issuer's metadata, by RFC 8414
//	{openid}          the same, by OpenID Connect Discovery
//	{jwks}            the URL of its key set
//	{introspection}   for -opaque: the URL of its introspection endpoint, which answers any client
//	{audience}        what the tokens name as their audience
//	{ca-file}         a PEM file: who issued the certificates of the issuer and of the server
//	{cert-file}       a PEM file: the server's certificate
//	{key-file}        a PEM file: its private key
//	{client-ca-file}  a PEM file: who issued the clients' certificates, for -verifies-clients
//	{listen}          host and port to listen on, with TLS
//	{host}, {port}    the same, apart
//
// The server has to ask its clients for a certificate, and to trust none because
// of who issued it, unless -verifies-clients says that it does.
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
// A line for each input that is not answered as expected, and one with the
// counts. The exit status is 0 if nothing failed, 1 if something did, and 2 if it
// cannot be told: a wrong command line, a server that does not start, or one that
// refuses the good request. By default only that counts as failed which the RFCs
// demand of every resource server; -level should counts every answer that is not
// the one of this project's own guard. Neither a token nor a certificate is
// printed. What the server itself prints is shown with -output, and the end of it
// if it does not start.
package main

import (
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
	if err == nil {
		err = write(o, report, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUnknown
	}
	if !report.Passed() {
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
	kit, err := conformance.New(o.config)
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
		explain(stdout, kit.AuthorizationServer(), folder)
		return patiently(ctx, kit, o)
	}
	program := &program{command: o.command, wait: o.wait, output: o.output, stderr: stderr}
	if !o.once {
		return kit.Check(ctx, conformance.Target{Start: program.start})
	}
	url, stop, err := program.start(ctx, kit.AuthorizationServer())
	if err != nil {
		return nil, err
	}
	defer stop()
	return kit.Check(ctx, conformance.Target{URL: url})
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
