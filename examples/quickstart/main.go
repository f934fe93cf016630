// Command quickstart tells the whole story in one process: an authorization
// server issues an access token that is bound to its client's certificate (RFC
// 8705), the client calls a protected API with it, and a thief who has stolen
// the token gets nowhere.
//
//	go run ./examples/quickstart
//
// Everything listens on loopback and is real: TLS, certificates, tokens, keys.
// It exits with 1 if any answer is not as it should be.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

var frameworks = []string{"nethttp", "echo", "gin"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: 0 if every answer was as it should be, 1 if one was not,
// 2 for a wrong command line.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(stderr)
	framework := flags.String("framework", "nethttp", strings.Join(frameworks, ", "))
	stay := flags.Bool("serve", false, "stay up, and print curl commands for another terminal")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if !slices.Contains(frameworks, *framework) || flags.NArg() > 0 {
		fmt.Fprintf(stderr, "-framework must be one of %s, and there are no arguments\n", strings.Join(frameworks, ", "))
		return 2
	}
	w, err := newWorld(*framework)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	defer w.close()
	if *stay {
		err = w.stay(ctx, stdout)
	} else {
		err = w.tell(ctx, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}
