//go:build unix

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/forwarded"
	"github.com/certbound/certbound/jwks"
)

// What it costs to be asked, beside the guard in the API's own process: the same
// seen token, over a socket. Client and server are one process, so that the time
// of the processors (cpu-ns/op) is that of both sides of the call; the proxy's is
// not in it. examples/benchmarks runs it, and reads the names.
func BenchmarkDecision(b *testing.B) {
	as, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	require.NoError(b, err)
	defer as.Close()
	client, err := bindingtest.NewSelfSignedCertificate("client")
	require.NoError(b, err)
	token, err := as.Token(bindingtest.TokenSpec{Certificate: client.Leaf})
	require.NoError(b, err)
	certificate := strings.ReplaceAll(url.QueryEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: client.Leaf.Raw}))), "+", "%20")

	roots := as.RootCAs()
	log := slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError}))
	s, err := newService(&options{
		issuer: as.Issuer(), audiences: []string{as.Audience()}, types: []string{"at+jwt"}, roots: roots, from: "nginx",
		http: address{"tcp", "127.0.0.1:0"}, trust: []forwarded.Trust{forwarded.TrustPeers(netip.MustParsePrefix("127.0.0.1/32"))},
	}, log)
	require.NoError(b, err)
	defer s.close()

	b.Run("guard in the process", func(b *testing.B) {
		tokens, err := jwks.New(jwks.Config{Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport()})
		require.NoError(b, err)
		defer tokens.Close()
		guard, err := binding.New(binding.Config{Tokens: tokens})
		require.NoError(b, err)
		r := httptest.NewRequest(http.MethodGet, "https://api.example/accounts", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		r.TLS = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{client.Leaf}}
		defer processorTime(b)()
		for b.Loop() {
			if _, err := guard.Check(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("nginx's question", func(b *testing.B) {
		server := httptest.NewUnstartedServer(s.http)
		server.Config.ConnContext = forwarded.ConnContext
		server.Start()
		defer server.Close()
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, server.URL, nil)
		require.NoError(b, err)
		r.Header = http.Header{
			"Authorization": {"Bearer " + token}, "X-Ssl-Client-Cert": {certificate},
			"X-Original-Method": {"GET"}, "X-Original-Uri": {"/accounts"},
		}
		defer processorTime(b)()
		for b.Loop() {
			response, err := server.Client().Do(r)
			if err != nil || response.StatusCode != http.StatusNoContent {
				b.Fatal(response, err)
			}
			_ = response.Body.Close()
		}
	})
	b.Run("Envoy's question over gRPC", func(b *testing.B) {
		server := grpc.NewServer()
		authv3.RegisterAuthorizationServer(server, s.grpc)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(b, err)
		go func() { _ = server.Serve(listener) }()
		defer server.Stop()
		connection, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(b, err)
		defer connection.Close()
		question := &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
			Source: &authv3.AttributeContext_Peer{Certificate: certificate},
			Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
				Method: "GET", Path: "/accounts", Host: "api.example", Scheme: "https",
				Headers: map[string]string{"authorization": "Bearer " + token},
			}},
		}}
		envoy := authv3.NewAuthorizationClient(connection)
		defer processorTime(b)()
		for b.Loop() {
			got, err := envoy.Check(context.Background(), question)
			if err != nil || got.GetOkResponse() == nil {
				b.Fatal(got, err)
			}
		}
	})
}

// processorTime begins to measure, and returns what reports the mean.
func processorTime(b *testing.B) (report func()) {
	b.ReportAllocs()
	used := func() int64 {
		var usage syscall.Rusage
		require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
		return usage.Utime.Nano() + usage.Stime.Nano()
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}
