// Package story is what the commands of the quickstart share: the world of the
// story, the story itself, and the world that stays up for another terminal.
// Each command brings its framework's API.
package story

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/certbound/certbound/binding"
)

// NewAPI makes the protected API behind a guard: GET /accounts, and GET
// /payments, which needs the scope payments.
type NewAPI func(guard *binding.Guard) http.Handler

// Main is the program for one framework. It ends the process: with 0 if every
// answer was as it should be, with 1 if one was not, and with 2 for a wrong
// command line.
func Main(framework string, newAPI NewAPI) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, framework, newAPI, os.Args[1:]))
}

func run(ctx context.Context, framework string, newAPI NewAPI, args []string) int {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	serve := flags.Bool("serve", false, "stay up, write the API's log, and print curl commands for another terminal")
	port := flags.Int("port", 0, "with -serve: the `port` of the API; the three next ones are the other servers'. 0 takes four that are free")
	dir := flags.String("dir", "", "with -serve: the `folder` for keys, certificates and tokens, which stays. Without it they go when this ends")
	prove := flags.String("prove", "", "print a new DPoP proof for GET of this `URL`, with the key and the token that -serve has left in -dir")
	colour := flags.String("color", "auto", "always, never, or auto: on a terminal")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if wrong := mistake(flags, *serve, *port, *dir, *prove, *colour); wrong != "" {
		fmt.Fprintln(os.Stderr, wrong)
		return 2
	}
	if *prove != "" {
		return ended(printProof(os.Stdout, *dir, *prove))
	}
	w, err := newWorld(newAPI, *port, observers(*serve, os.Stderr))
	if err != nil {
		return ended(err)
	}
	defer w.close()
	screen := screen{out: os.Stdout, coloured: isColoured(*colour, os.Stdout)}
	if *serve {
		return ended(w.stay(ctx, screen, *dir))
	}
	return ended(w.tell(ctx, screen, framework))
}

// mistake is the first in the command line, or "".
func mistake(flags *flag.FlagSet, serve bool, port int, dir, prove, colour string) string {
	switch {
	case flags.NArg() > 0:
		return "there are no arguments: other frameworks have commands of their own, ./examples/quickstart/echo and ./examples/quickstart/gin"
	case port != 0 && !serve:
		return "-port: needs -serve"
	case port < 0 || port > 65532:
		return "-port: must be from 1 to 65532, or 0 for free ones"
	case prove != "" && (serve || dir == ""):
		return "-prove: needs -dir, and no -serve"
	case dir != "" && !serve && prove == "":
		return "-dir: needs -serve or -prove"
	case colour != "auto" && colour != "always" && colour != "never":
		return "-color: must be auto, always or never"
	}
	return ""
}

func ended(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
