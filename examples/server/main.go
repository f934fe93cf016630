// Command server is a protected API to point at a real authorization server: a
// resource server whose access tokens are bound to client certificates (RFC
// 8705).
//
//	server -issuer https://auth.example -audience https://api.example \
//		-tls-cert api.pem -tls-key api-key.pem
//
// GET /whoami says whose token came, GET /payments needs a scope besides, GET
// /healthz needs nothing, and GET /readyz says whether tokens can be verified. If
// an audience is an https URL, the metadata of that resource (RFC 9728) is where
// clients look for it. Run it with -help for its flags.
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
)

// stopTimeout is how long requests get to finish after SIGTERM.
const stopTimeout = 20 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
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
	if err := errors.Join(append([]error{err}, wrong...)...); err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	if err := serve(ctx, options, tokens, stdout, log); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

func serve(ctx context.Context, options *options, tokens *verifier, stdout io.Writer, log *slog.Logger) error {
	resourceMetadata := ""
	if resource, found := resourceOf(options.audiences); found {
		resourceMetadata, _ = metadata.ResourceMetadataURL(resource) // it has one: see resourceOf
	}
	guard, err := binding.New(binding.Config{
		Tokens:           tokens,
		Certificates:     options.certificates,
		Policy:           options.policy,
		AcceptDPoPScheme: options.acceptDPoP,
		ResourceMetadata: resourceMetadata,
		Observe:          binding.LogEvents(log),
	})
	if err != nil {
		return err
	}
	resource, err := newResource(options, guard)
	if err != nil {
		return err
	}
	if options.policy != binding.RequireBound {
		log.Warn("tokens without a binding are accepted: whoever steals one can use it")
	}

	server := &http.Server{
		Handler:           withResource(resource, routes(options.framework, guard, options.scopes, tokens.ready)),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext:       forwarded.ConnContext,
	}
	listener, err := net.Listen(options.network, options.listen)
	if err != nil {
		return err
	}
	scheme := "http"
	if options.identity != nil {
		scheme = "https"
		server.TLSConfig = binding.TLSConfig(&tls.Config{Certificates: []tls.Certificate{*options.identity}})
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
	log.Info("stopping")
	// A context of its own: the one above has ended.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	return server.Shutdown(ending)
}
