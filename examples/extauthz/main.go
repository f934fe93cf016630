// Command extauthz decides for a proxy about requests to an API in any language:
// for nginx (auth_request) and for Envoy (ext_authz), over HTTP or gRPC. The API
// gets what it lets through, and whose request it is, in two header fields.
//
//	extauthz -issuer https://auth.bank.example -audience https://api.bank.example \
//		-http 127.0.0.1:9000 -from nginx -trust cidr:127.0.0.1/32 -admin 127.0.0.1:9002
//	extauthz -issuer https://auth.bank.example -audience https://api.bank.example \
//		-grpc 127.0.0.1:9001 -admin 127.0.0.1:9002
//
// extauthz.md beside this file has the configurations of the proxies, and says
// what each way gives up. On -admin are /healthz, /readyz, which says whether
// tokens can be verified, and /metrics for Prometheus. Run it with -help for its
// flags.
package main

import (
	"context"
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

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"

	"github.com/certbound/certbound/binding/forwarded"
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
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	service, err := newService(options, log)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	defer service.close()
	if err := serve(ctx, options, service, stdout, log); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// serve listens wherever the options say, until the context ends or one of the
// servers fails.
func serve(ctx context.Context, o *options, s *service, stdout io.Writer, log *slog.Logger) error {
	failed := make(chan error, 3)
	var stops []func(context.Context)
	start := func(name string, a address, begin func(net.Listener) error, end func(context.Context)) error {
		if a.address == "" {
			return nil
		}
		listener, err := net.Listen(a.network, a.address)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s on %s\n", name, listener.Addr())
		stops = append(stops, end)
		go func() { failed <- begin(listener) }()
		return nil
	}
	overHTTP := func(handler http.Handler) *http.Server {
		return &http.Server{
			Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
			ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), ConnContext: forwarded.ConnContext,
			DisableGeneralOptionsHandler: true, // which says yes to "OPTIONS *"
		}
	}
	questions, admin, overGRPC := overHTTP(s.http), overHTTP(s.admin()), grpc.NewServer()
	authv3.RegisterAuthorizationServer(overGRPC, s.grpc)
	stopGRPC := func(ctx context.Context) {
		stopped := context.AfterFunc(ctx, overGRPC.Stop)
		defer stopped()
		overGRPC.GracefulStop()
	}
	err := errors.Join(
		start("http", o.http, questions.Serve, func(ctx context.Context) { _ = questions.Shutdown(ctx) }),
		start("grpc", o.grpc, overGRPC.Serve, stopGRPC),
		start("admin", o.admin, admin.Serve, func(ctx context.Context) { _ = admin.Shutdown(ctx) }),
	)
	if err == nil {
		select {
		case err = <-failed:
		case <-ctx.Done():
			log.Info("stopping")
		}
	}
	// A context of its own: the one above has ended.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	for _, stop := range stops {
		stop(ending)
	}
	return err
}
