package bindotel_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/adapters/bindotel"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks"
)

// run closes what it opens when the server ends, not when the guard is made: a closed verifier answers 503.
func run(server *http.Server) error {
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
	server.Handler = newAPI(guard)
	return server.ListenAndServeTLS("server.pem", "server-key.pem")
}

// newAPI stands for the reader's.
func newAPI(guard *binding.Guard) http.Handler {
	return bindhttp.Protect(guard)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
}

// What run opens is open while it serves.
func TestRun(t *testing.T) { // it sets the global MeterProvider and the folder, and so is not parallel
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	require.NoError(t, err)
	t.Cleanup(as.Close)
	t.Chdir(t.TempDir())
	identity := as.ServerCertificate()
	key, err := x509.MarshalPKCS8PrivateKey(identity.PrivateKey)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{
		"server.pem":     {Type: "CERTIFICATE", Bytes: identity.Certificate[0]},
		"server-key.pem": {Type: "PRIVATE KEY", Bytes: key},
	} {
		require.NoError(t, os.WriteFile(name, pem.EncodeToMemory(block), 0o600))
	}
	reader := sdkmetric.NewManualReader()
	before := otel.GetMeterProvider()
	otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	defer otel.SetMeterProvider(before)

	address, ended := make(chan string, 1), make(chan error, 1)
	server := &http.Server{
		Addr:              "127.0.0.1:0",
		TLSConfig:         binding.TLSConfig(&tls.Config{}),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(listener net.Listener) context.Context {
			address <- listener.Addr().String()
			return context.Background()
		},
	}
	go func() { ended <- run(server) }()
	client := as.HTTPClient()
	defer client.CloseIdleConnections()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case at := <-address:
		response, err := client.Get("https://" + at)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	}
	values := meter{reader: reader}.collect(t)
	require.Equal(t, map[string]float64{"certbound.outcome=refused,error.type=credentials_missing": 1}, take(values, "certbound.decisions"))
	require.Len(t, take(values, "certbound.keys.usable"), 1, "the verifier is watched while the server runs")
	require.NoError(t, server.Close())
	require.ErrorIs(t, <-ended, http.ErrServerClosed)
	require.Empty(t, take(meter{reader: reader}.collect(t), "certbound.keys.usable"), "and no longer")
}
