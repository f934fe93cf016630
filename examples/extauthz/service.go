package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/certbound/certbound/adapters/bindotel"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/forwarded"
	"github.com/certbound/certbound/binding/metadata"
	"github.com/certbound/certbound/examples/internal/commandline"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

// A service decides. Both ways to ask have the same tokens, and the same memory
// of the DPoP proofs that were used.
type service struct {
	http http.Handler // nil without -http
	grpc *overGRPC

	ready   func() error
	metrics http.Handler
	close   func()
}

// newService makes the service. Its errors are mistakes in the flags.
func newService(o *options, log *slog.Logger) (*service, error) {
	registry := prometheus.NewRegistry()
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo())
	if err != nil {
		return nil, err
	}
	observer, err := bindotel.New(bindotel.Config{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))})
	if err != nil {
		return nil, err
	}
	logKeys, logDecisions := jwks.LogEvents(log), binding.LogEvents(log)
	tokens, err := jwks.New(jwks.Config{
		Issuer: o.issuer, Audiences: o.audiences, TokenTypes: o.types, Transport: o.transport(),
		Observe: func(event jwks.Event) {
			observer.ObserveKeys(event)
			logKeys(event)
		},
	})
	if err != nil {
		_ = observer.Close()
		return nil, errors.Join(commandline.FlagErrors(err, flagOf)...)
	}
	s := &service{
		ready: tokens.Ready, metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		close: func() {
			_ = observer.Close()
			_ = tokens.Close()
		},
	}
	config := binding.Config{Tokens: tokens, Observe: func(ctx context.Context, event binding.Event) {
		observer.Observe(ctx, event)
		logDecisions(ctx, event)
	}}
	mistakes := []error{observer.Watch(tokens)}
	if o.origins != nil {
		proofs, err := dpop.New(dpop.Config{Origins: o.origins, RequireNonce: o.nonce})
		if err == nil {
			config.Proofs = proofs
			err = observer.WatchProofs(proofs)
		}
		mistakes = append(mistakes, commandline.FlagErrors(err, flagOf)...)
	}
	allowed, err := newRoutes(o.routes)
	mistakes = append(mistakes, err)

	config.Certificates = fromContext{}
	attested, err := binding.New(config)
	mistakes = append(mistakes, err)
	s.grpc = &overGRPC{decide: decide(attested, allowed)}
	if o.http.address != "" {
		source, err := forwarded.New(forwarded.Config{Format: forwarded.Format(o.from), Trust: o.trust})
		mistakes = append(mistakes, commandline.FlagErrors(err, flagOf)...)
		if err == nil {
			config.Certificates = source
			guard, err := binding.New(config)
			mistakes = append(mistakes, err)
			s.http = askedBy[o.from](decide(guard, allowed), log)
		}
	}
	if err := errors.Join(mistakes...); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// transport reaches the authorization server by the roots of -as-ca, or is nil
// for those of the machine.
func (o *options) transport() http.RoundTripper {
	if o.roots == nil {
		return nil
	}
	transport := metadata.NewTransport()
	transport.TLSClientConfig = &tls.Config{RootCAs: o.roots, MinVersion: tls.VersionTLS12}
	return transport
}

// admin answers what an operator's programs ask.
func (s *service) admin() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.ready(); err != nil {
			http.Error(w, "tokens cannot be verified", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux
}
