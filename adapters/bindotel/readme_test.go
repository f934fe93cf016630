package bindotel_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/certbound/certbound/adapters/bindotel"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// fromREADME has what README.md shows, to the letter, and then a request.
func fromREADME() error {
	observer, err := bindotel.New(bindotel.Config{}) // for the global MeterProvider
	if err != nil {
		return err
	}
	defer observer.Close()
	tokens, err := jwks.New(jwks.Config{
		Issuer:    "https://auth.bank.example",
		Audiences: []string{"https://api.bank.example"},
		Observe:   observer.ObserveKeys,
	})
	if err != nil {
		return err
	}
	defer tokens.Close()
	if err := observer.Watch(tokens); err != nil { // the age of its keys
		return err
	}
	guard, err := binding.New(binding.Config{Tokens: tokens, Observe: observer.Observe})
	if err != nil {
		return err
	}
	_, _ = guard.Check(httptest.NewRequest(http.MethodGet, "https://api.bank.example/accounts", nil))
	return nil
}

func TestREADME(t *testing.T) { // it sets the global MeterProvider, and so is not parallel
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	readme := strings.ReplaceAll(string(text), "\r\n", "\n")
	this, err := os.ReadFile("readme_test.go")
	require.NoError(t, err)
	unindented := strings.ReplaceAll(strings.ReplaceAll(string(this), "\r\n", "\n"), "\n\t", "\n")
	shown := 0
	for _, block := range regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllStringSubmatch(readme, -1) {
		if strings.Contains(block[1], "bindotel.") {
			shown++
			require.Contains(t, unindented, block[1])
		}
	}
	require.NotZero(t, shown)

	reader := sdkmetric.NewManualReader()
	before := otel.GetMeterProvider()
	otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	defer otel.SetMeterProvider(before)
	require.NoError(t, fromREADME())
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	require.Len(t, all.ScopeMetrics, 1)
	var names []string
	for _, metric := range all.ScopeMetrics[0].Metrics {
		names = append(names, metric.Name)
	}
	require.Contains(t, names, "certbound.decisions")
}
