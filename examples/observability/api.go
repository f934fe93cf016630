package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/adapters/bindotel"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

// The routes of the API.
const (
	accounts = "/accounts" // a token must be bound
	rates    = "/rates"    // one without a binding is accepted, too
)

// origin is the one by which clients know the API: what their proofs are for.
const origin = audience

// An api is a protected API and what is measured of it: this is what a user of
// the library writes.
type api struct {
	routes  http.Handler
	metrics http.Handler // for Prometheus, on a socket that the world does not see
	close   func()
}

func newAPI(config jwks.Config, proving dpop.Config, logger *slog.Logger) (*api, error) {
	registry := prometheus.NewRegistry()
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo())
	if err != nil {
		return nil, err
	}
	observer, err := bindotel.New(bindotel.Config{
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter)),
	})
	if err != nil {
		return nil, err
	}

	// Each event is measured and logged.
	logKeys, logDecisions := jwks.LogEvents(logger), binding.LogEvents(logger)
	config.Observe = func(event jwks.Event) {
		observer.ObserveKeys(event)
		logKeys(event)
	}
	tokens, err := jwks.New(config)
	if err != nil {
		return nil, err
	}
	stop := func() {
		_ = observer.Close()
		_ = tokens.Close()
	}
	if err := observer.Watch(tokens); err != nil {
		stop()
		return nil, err
	}
	observe := func(ctx context.Context, event binding.Event) {
		observer.Observe(ctx, event)
		logDecisions(ctx, event)
	}
	proving.Replays = observer.Replays(proving.Replays)
	proofs, err := dpop.New(proving)
	if err != nil {
		stop()
		return nil, err
	}
	bound, err := binding.New(binding.Config{Tokens: tokens, Proofs: proofs, Observe: observe})
	if err != nil {
		stop()
		return nil, err
	}
	// Some clients of the rates have still to change over.
	changing, err := binding.New(binding.Config{Tokens: tokens, Observe: observe, Policy: binding.DangerouslyAcceptUnbound})
	if err != nil {
		stop()
		return nil, err
	}
	routes := http.NewServeMux()
	routes.Handle("GET "+accounts, bindhttp.Protect(bound)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := binding.TokenFromContext(r.Context()) // it is there: the guard has admitted the request
		fmt.Fprintf(w, "the accounts of %s\n", token.ClientID())
	})))
	routes.Handle("GET "+rates, bindhttp.Protect(changing)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "the rates of today")
	})))
	return &api{
		routes:  routes,
		metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		close:   stop,
	}, nil
}
