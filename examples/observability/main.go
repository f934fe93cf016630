// Command observability is a protected API with an endpoint for Prometheus, and
// all that can happen to it: clients, a thief with a stolen token or a captured
// DPoP proof, a client that renewed its certificate and kept its token, tokens
// that expired or were forged or issued without a binding, and an authorization
// server that takes new keys and is away, as is the store of used proofs. It prints a timetable: after half a minute all of it has happened.
// The new keys come once each, and the rest goes on until it is stopped.
//
//	go run . -metrics 127.0.0.1:9464
//
// queries.md holds the questions of an operator, and the queries that answer
// them. Each is tested against this story.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run plays the story until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("observability", flag.ContinueOnError)
	flags.SetOutput(stderr)
	metrics := flags.String("metrics", "127.0.0.1:9464", "where Prometheus finds the metrics")
	redis := flags.String("redis", "", "`host:port` of a Redis or Valkey for the proofs that were used; without it this process remembers them")
	every := flags.Duration("every", 2*time.Second, "how often the clients come")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *every <= 0 {
		return errors.New("-every must be longer than nothing")
	}
	w, err := newWorld(*metrics, *redis, slog.New(slog.NewTextHandler(stderr, nil)), time.Now)
	if err != nil {
		return err
	}
	defer w.close()
	fmt.Fprintf(stdout, "metrics at %s\n\n", w.scraped)
	for _, scene := range timetable {
		fmt.Fprintf(stdout, "after %-5v %s\n", time.Duration(scene.round)**every, scene.what)
	}
	fmt.Fprintln(stdout, "until Ctrl-C; the log is on the standard error")
	ticker := time.NewTicker(*every)
	defer ticker.Stop()
	err = w.tell(ctx, func() bool {
		select {
		case <-ticker.C:
			return true
		case <-ctx.Done():
			return false
		}
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}
