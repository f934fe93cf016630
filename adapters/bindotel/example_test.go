package bindotel_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/adapters/bindotel"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// One observer for the guard and for the verifier. A program has a reader that exports, and not one that is read by hand.
func Example() {
	reader := sdkmetric.NewManualReader()
	observer, err := bindotel.New(bindotel.Config{
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = observer.Close() }()
	tokens, err := jwks.New(jwks.Config{
		Issuer:    "https://auth.bank.example",
		Audiences: []string{"https://api.bank.example"},
		Observe:   observer.ObserveKeys,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = tokens.Close() }()
	if err := observer.Watch(tokens); err != nil {
		log.Fatal(err)
	}
	guard, err := binding.New(binding.Config{Tokens: tokens, Observe: observer.Observe})
	if err != nil {
		log.Fatal(err)
	}

	api := bindhttp.Protect(guard)(http.NotFoundHandler())
	api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "https://api.bank.example/accounts", nil))

	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		log.Fatal(err)
	}
	for _, metric := range all.ScopeMetrics[0].Metrics {
		if data, ok := metric.Data.(metricdata.Sum[int64]); ok && metric.Name == "certbound.decisions" {
			for _, point := range data.DataPoints {
				reason, _ := point.Attributes.Value("error.type")
				fmt.Println(metric.Name, reason.AsString(), point.Value)
			}
		}
	}
	// Output: certbound.decisions credentials_missing 1
}

// Incorrect: nobody watches the verifier. Decisions are measured, and how old the keys are is not, so that an alarm for keys
// that are no longer fresh stays silent.
func ExampleObserver_Watch_incorrect() {
	reader := sdkmetric.NewManualReader()
	observer, err := bindotel.New(bindotel.Config{
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = observer.Close() }()
	tokens, err := jwks.New(jwks.Config{
		Issuer:    "https://auth.bank.example",
		Audiences: []string{"https://api.bank.example"},
		Observe:   observer.ObserveKeys,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = tokens.Close() }()
	guard, err := binding.New(binding.Config{Tokens: tokens, Observe: observer.Observe}) // incorrect: no observer.Watch(tokens)
	if err != nil {
		log.Fatal(err)
	}
	_, _ = guard.Check(httptest.NewRequest(http.MethodGet, "https://api.bank.example/accounts", nil))

	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		log.Fatal(err)
	}
	measured := map[string]bool{}
	for _, metric := range all.ScopeMetrics[0].Metrics {
		measured[metric.Name] = true
	}
	fmt.Println("decisions:", measured["certbound.decisions"], "usable keys:", measured["certbound.keys.usable"])
	// Output: decisions: true usable keys: false
}
