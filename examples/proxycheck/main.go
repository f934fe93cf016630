// Command proxycheck says whether a client can send a certificate header of its
// own through your proxy: the one fault that no resource server can see, for a
// forged certificate that is well formed looks like any other.
//
// It makes throw-away certificates, sends the header forged in every way that
// is known to get past some proxy, without and with a client certificate in the
// TLS handshake, over HTTP/1.1 and HTTP/2, and compares with what happens when
// nothing is forged. There are two ways to see what arrived behind the proxy.
//
// # Behind the proxy, in the resource server's place
//
//	proxycheck -url https://api.example/ -format nginx -listen 127.0.0.1:9000
//
// Have the proxy forward (a test copy of) the route to -listen, and it is seen
// field by field what arrives. With the proxy on another machine, run
// "proxycheck -listen :9000 -format nginx" there, and elsewhere the same
// with -url and without -listen: the receiving end answers what it got. It needs
// no token. It proves that this route forwards the certificate of the handshake
// in -header as -format, and that nothing else arrives there for any of the
// forgeries. Listens without TLS; unix:PATH is a unix socket.
//
// # Against the real resource server
//
//	proxycheck -url https://api.example/accounts -format nginx -cert client.pem -token token.txt
//
// The token is any valid JWT access token that is bound to a certificate, such
// as one of your own clients'; nothing of its key is needed. A resource server
// that uses Certbound says of such a request, in its answer to the client, that
// there was no client certificate. If it says anything else once a header is
// forged, the header got through. It proves that for the real set-up, with
// whatever else is in front.
//
// It does not prove that the server reads -header: a header that the proxy removes
// and one that nobody reads look alike from here. So name the header and the format
// as the server's configuration does. The headers of the other formats are tried as
// well, once each. A header of your own that is not named is not found.
//
// With -cert, the certificate that the token is bound to, that one is forged in
// place of a throw-away: if it gets through, the server lets us in, and that is
// the attack itself. A certificate that crypto/x509 does not parse will do.
//
// With its private key in -key as well, the token's own certificate is presented,
// and another forged beside it. That is needed where the proxy accepts only
// certificates that it knows: there it is clients with a good certificate that
// may pose as others. It also shows that the token is good: needed for opaque
// tokens and for servers that do not use Certbound, whose refusals all look
// alike.
//
//	proxycheck -url https://api.example/accounts -format nginx -ca roots.pem -cert client.pem -key client-key.pem -token token.txt
//
// -ca names the roots of the proxy's certificate, where the machine does not know
// them.
//
// With neither a token nor the receiving end nothing can be told: a resource
// server looks at the header only for a token that is bound. (An endpoint that
// echoes its request's headers will do in place of the receiving end.)
//
// # What it does not prove
//
// Other routes, names and listeners of the proxy: each has a configuration of
// its own, so check each, plain HTTP included (-url http://..., without a
// token). That nobody reaches the resource server past the proxy. Forgeries that
// nobody has thought of yet. HTTP/3.
//
// Requests go to -url alone, redirects are not followed. Neither the token nor a
// certificate is printed. The verdict comes first, then one line for each side
// where all is as it should be, and what was found. The exit status is 0 if
// nothing passed (in the header that was named), 1 if something passed, 2 for a
// wrong command line, and 3 if it could not be told: also if clients without a
// certificate, or those with one, could not be asked. A proxy that ends the
// connection or the stream at a forgery has refused it.
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
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

const (
	exitNothingPassed = 0
	exitPassed        = 1
	exitUsage         = 2
	exitUnknown       = 3
)

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	options, err := parse(args, stdin, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	if options.listen != "" {
		receiver, err := listen(options)
		if err != nil {
			fmt.Fprintln(stderr, err)
			return exitUnknown
		}
		defer receiver.close()
		if options.url == nil {
			receiver.narrate(stdout)
			<-ctx.Done()
			return 0
		}
	}
	status, err := newCheck(options).run(ctx, stdout)
	if err != nil {
		fmt.Fprintln(stderr, err)
	}
	return status
}
