// Command client is a client of a protected API, with access tokens that are
// bound to its certificate (RFC 8705), to a key (RFC 9449), or to both:
//
//	client -issuer https://auth.example -client-id budget-app \
//		-cert client.pem -key client-key.pem -url https://api.example/whoami
//
// It reads the authorization server's metadata, and asks each endpoint by its
// mTLS alias, or, where it has none, by its own URL (RFC 8705 §5). The token is
// golang.org/x/oauth2's business: client_credentials, renewed before it expires.
// -param adds what else the authorization server wants to be told, such as
// resource=https://api.example (RFC 8707) or Auth0's audience.
//
// Whoever the client is for the authorization server (-auth), the token is bound
// to the certificate of the connection that it was asked for over. -auth is
// tls_client_auth, self_signed_tls_client_auth, or private_key_jwt (RFC 7523)
// with an -assertion-key of its own.
//
// With -every it calls again and again, and takes up a renewed certificate while
// it runs: before each call it reads the files again. A new certificate needs a
// new connection, which is not a resumed TLS session, and a new token; type
// generation keeps the three together.
//
// With -dpop FILE tokens are bound to the key in the file (RFC 9449): each request,
// for a token or to the API, has a new proof, and one that is refused because the
// server wants a nonce is sent once more with it. "openssl genpkey -algorithm EC
// -pkeyopt ec_paramgen_curve:P-256" makes such a key. Where the authorization
// server also binds to the certificate, the connection proves that.
//
// Some authorization servers answer token_type DPoP for a token that is bound to
// a certificate (Auth0 does), and x/oauth2 would send that type as the scheme of
// Authorization. There is no DPoP proof to go with it (RFC 9449 §7.1), so most
// APIs refuse it, as Certbound does unless it is told otherwise. This client
// sends Bearer; -scheme DPoP is for an API that insists.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: 0 if the API's last answer was a good one, 2 for a wrong
// command line, 1 for anything else.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	options, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	c, err := newClient(ctx, options, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	defer c.close()
	for {
		err := c.call(ctx)
		if ctx.Err() != nil { // stopped in the middle of a call
			return 0
		}
		if err != nil {
			fmt.Fprintln(stderr, err)
		}
		if options.every == 0 {
			if err != nil {
				return 1
			}
			return 0
		}
		select {
		case <-ctx.Done():
			if err != nil {
				return 1
			}
			return 0
		case <-time.After(options.every):
		}
	}
}
