// Command server is a protected API to point at a real authorization server: a
// resource server whose access tokens are bound to client certificates (RFC
// 8705) and, with -dpop-origins, to DPoP keys (RFC 9449).
//
//	server -issuer https://auth.example -audience https://api.example \
//		-tls-cert api.pem -tls-key api-key.pem
//
// GET /whoami says whose token came, GET /payments needs a scope besides, GET
// /healthz needs nothing, and GET /readyz says whether tokens can be verified, and
// that the server is not about to stop. If an audience is an https URL, the
// metadata of that resource (RFC 9728) is where clients look for it. Run it with
// -help for its flags.
//
// SIGTERM, or an interrupt, lets what runs finish. With -stop-delay the server
// first goes on serving for so long while /readyz answers 503, so that a load
// balancer takes it out before it hears no more. A second signal ends it at once.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
	"github.com/certbound/certbound/binding/metadata"
	"github.com/certbound/certbound/examples/internal/commandline"
)

// stopTimeout is how long requests get to finish when the listener is closed.
const stopTimeout = 20 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: 0 when it was stopped, 2 for a wrong command line, 1 for
// anything else.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	log := slog.New(slog.NewTextHandler(stderr, nil))
	options, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	tokens, wrong := newVerifier(options, log)
	defer tokens.Close()
	mistakes := append([]error{err}, wrong...)
	proofs, closeProofs, wrong := newProofs(options.proving, log)
	defer closeProofs()
	mistakes = append(mistakes, wrong...)
	guard, wrong := newGuard(options, tokens, proofs, log)
	mistakes = append(mistakes, wrong...)
	if err := errors.Join(mistakes...); err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	if err := serve(ctx, options, tokens, guard, stdout, log); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// newGuard makes the guard. The mistakes are those of the flags.
func newGuard(options *options, tokens *verifier, proofs binding.ProofVerifier, log *slog.Logger) (*binding.Guard, []error) {
	resourceMetadata := ""
	if resource, found := resourceOf(options.audiences); found {
		resourceMetadata, _ = metadata.ResourceMetadataURL(resource) // it has one: see resourceOf
	}
	guard, err := binding.New(binding.Config{
		Tokens:             tokens,
		Certificates:       options.certificates,
		Policy:             options.policy,
		Proofs:             proofs,
		RequireProof:       options.proving.requireProof && proofs != nil, // without any the mistake was named
		RequireCertificate: options.proving.requireCertificate,
		AcceptDPoPScheme:   options.acceptDPoP,
		ResourceMetadata:   resourceMetadata,
		Observe:            binding.LogEvents(log),
	})
	return guard, commandline.FlagErrors(err, flagOf)
}

func serve(ctx context.Context, options *options, tokens *verifier, guard *binding.Guard, stdout io.Writer, log *slog.Logger) error {
	resource, err := newResource(options, guard)
	if err != nil {
		return err
	}
	if options.policy != binding.RequireBound {
		log.Warn("tokens without a binding are accepted: whoever steals one can use it")
	}

	ready := &readiness{tokens: tokens.ready}
	server := &http.Server{
		Handler:           withResource(resource, routes(options.framework, guard, options.scopes, ready)),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn), // handshakes that fail, and why
		ConnContext:       forwarded.ConnContext,
	}
	listener, err := net.Listen(options.network, options.listen)
	if err != nil {
		return err
	}
	scheme := "http"
	if options.identity != nil {
		scheme = "https"
		server.TLSConfig = binding.TLSConfig(&tls.Config{GetCertificate: options.identity.forHandshake(log)})
	}
	if options.network == "unix" {
		scheme += "+unix"
	}
	fmt.Fprintf(stdout, "listening on %s://%s\n", scheme, listener.Addr())

	failed := make(chan error, 1)
	go func() {
		if options.identity != nil {
			failed <- server.ServeTLS(listener, "", "")
		} else {
			failed <- server.Serve(listener)
		}
	}()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ready.stopping.Store(true)
	log.Info("stopping", "delay", options.stopDelay)
	select {
	case err := <-failed:
		return err
	case <-time.After(options.stopDelay):
	}
	// A context of its own: the one above has ended.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	return server.Shutdown(ending)
}
