// Command inspect explains an access token and a client certificate to a person:
// each check of the resource server with its verdict, what is wrong, and who
// must change what.
//
//	pbpaste | inspect -cert client.pem \
//		-issuer https://auth.example -audience https://api.example
//
// # What comes in
//
// The token comes from the standard input, or from a file (-token FILE). It is
// never taken as an argument, for that would leave it in the shell's history and
// show it in the list of processes. What holds it may be the token alone, a
// scheme and the token ("Bearer ...", "DPoP ..."), a whole Authorization line, or
// the answer of a token endpoint (JSON with access_token and token_type). The
// scheme is then the request's, and else it is Bearer.
//
// -cert is the PEM (or DER) file with the client's certificate, first in the
// file, as the client presents it. Private keys in it are not read. More
// certificates, in the file or with -other, are what a wrong thumbprint is
// compared with: an intermediate, the one before a renewal, a proxy's.
//
// # What it says
//
// With -issuer and -audience the keys are fetched, and the verdict is that of a
// binding.Guard with a jwks.Verifier, the ones that a server has, asked about a
// request with this token and this certificate. Each line above it asks the
// same guard about one part of the token, the rest being beyond doubt, so that
// every fault shows and not the first alone. The flags that have their names
// from examples/server mean what they mean there.
//
// Without -issuer nothing is fetched: issuer and signature are then NOT checked,
// nor is the audience without -audience, and a verdict is a refusal or "cannot
// be told". -explain REASON explains a reason of a server's log, and needs no
// token.
//
// With -proof TEXT, -method and -url it says the first thing that is wrong with a
// DPoP proof (RFC 9449) for that request and the token, and for an htu that
// differs, why; the token itself is not checked then. Unlike a token a proof may
// be an argument once it was sent: it is good once. Without -proof a token that is
// bound to a DPoP key is judged as if a proof by that key had come with it, and
// the verdict is "cannot be told" where nothing else is wrong.
//
// What it does not look at: a server's own rule (binding.Config.Authorize), a
// proxy in front (see proxycheck), and whether the client holds the
// certificate's private key, which only a handshake shows.
//
// # What it prints
//
// Claims of the token and names from the certificate, for who holds them may
// read them: think before you paste its output elsewhere. They are quoted, in
// ASCII, and cut. Never the token, its signature or any part of them that is
// not a claim or a header parameter.
//
// The exit status is 0 only if the request would pass, 1 if it would be refused,
// 2 for a wrong command line, and 3 if it cannot be told.
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
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

const (
	exitAccepted = 0
	exitRefused  = 1
	exitUsage    = 2
	exitUnknown  = 3
)

// patience is how long all that is asked of the issuer may take.
const patience = 30 * time.Second

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	options, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil && options.explain != "" {
		return explain(stdout, stderr, options.explain)
	}
	if err == nil {
		err = options.check()
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	given, err := readToken(options.token, stdin, stderr)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	if options.proof != "" {
		p := proofInspection{options.proof, options.method, options.url, given.token, newReport(stdout), time.Now()}
		return p.run(ctx)
	}
	return newInspection(options, given, newReport(stdout)).run(ctx)
}
