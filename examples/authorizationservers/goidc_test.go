package authorizationservers_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/luikyv/go-oidc/pkg/goidc"
	"github.com/luikyv/go-oidc/pkg/provider"
	"github.com/stretchr/testify/require"
)

// startGoOIDC starts go-oidc in this process, on two ports: one that asks for no
// client certificate, and one for mutual TLS.
func startGoOIDC(t *testing.T, w *world) {
	t.Helper()
	pki, formats, clients := w.pki, w.formats(), w.clients
	plain, mtls := listen(t), listen(t)
	issuer, mtlsHost := "https://"+plain.Addr().String(), "https://"+mtls.Addr().String()

	keys := goOIDCKeys(t, formats)
	static := make([]*goidc.Client, 0, len(clients))
	for _, r := range clients {
		c := &goidc.Client{ID: r.id, Secret: r.secret}
		require.NoError(t, json.Unmarshal(r.metadata(t), &c.ClientMeta))
		static = append(static, c)
	}
	op, err := provider.New(
		provider.Config{
			Issuer:      issuer,
			JWKS:        func(context.Context) (goidc.JSONWebKeySet, error) { return keys, nil },
			IDTokenAlgs: []goidc.SignatureAlgorithm{goidc.SigAlgRS256},
		},
		provider.WithScopes(goidc.NewScope("accounts"), goidc.NewScope("payments")),
		provider.WithClientCredentialsGrant(),
		provider.WithResourceIndicators([]goidc.ResourceIndicator{audience, another}),
		provider.WithTLSAuthn(),
		provider.WithSelfSignedTLSAuthn(),
		provider.WithPrivateKeyJWTAuthn(goidc.SigAlgES256),
		provider.WithSecretBasicAuthn(),
		provider.WithMTLS(provider.MTLSConfig{Host: mtlsHost, ClientCert: presentedCertificate}, provider.WithMTLSTokenBinding()),
		provider.WithDPoP([]goidc.SignatureAlgorithm{goidc.SigAlgES256, goidc.SigAlgPS256, goidc.SigAlgRS256}),
		provider.WithTokenOptions(func(_ context.Context, _ *goidc.Grant, c *goidc.Client) goidc.TokenOptions {
			r, lifetime := clients[c.ID], 300
			if r.lifetime != 0 {
				lifetime = int(r.lifetime.Seconds())
			}
			if r.format() == opaque {
				return goidc.NewOpaqueTokenOptions(lifetime)
			}
			return goidc.NewJWTTokenOptions(goidc.SignatureAlgorithm(r.format()), lifetime)
		}, provider.WithOpaqueTokens(nil)),
		provider.WithTokenIntrospection(func(_ context.Context, c *goidc.Client, _ goidc.TokenInfo) bool {
			return strings.HasPrefix(c.ID, "opaque.api.")
		}),
		provider.WithTokenRevocation(func(context.Context, *goidc.Client) bool { return true }),
		provider.WithStaticClients(static...),
		provider.WithErrorHandler(func(context.Context, error) {}), // the client is told
	)
	require.NoError(t, err)

	serveTLS(t, pki, plain, tls.NoClientCert, op.Handler())
	// Asked for and not verified, so that self-signed certificates come through.
	serveTLS(t, pki, mtls, tls.RequestClientCert, withCertificate(pki, clients, op.Handler()))
	w.issuer = issuer
}

func goOIDCKeys(t *testing.T, formats []string) goidc.JSONWebKeySet {
	t.Helper()
	var keys goidc.JSONWebKeySet
	for _, format := range formats {
		var key any
		var err error
		switch format {
		case "RS256", "PS256":
			key, err = rsa.GenerateKey(rand.Reader, 2048)
		case "ES256":
			key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		case "EdDSA":
			_, key, err = ed25519.GenerateKey(rand.Reader)
		default:
			continue
		}
		require.NoError(t, err)
		keys.Keys = append(keys.Keys, goidc.JSONWebKey{Key: key, KeyID: format, Algorithm: format, Use: "sig"})
	}
	return keys
}

type certificateKey struct{}

// withCertificate hands the certificate of the connection to go-oidc, which
// compares its subject and leaves the chain to who runs it: for a client of
// tls_client_auth, only a certificate of our own authority is handed on.
func withCertificate(pki pki, clients map[string]registration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			certificate := r.TLS.PeerCertificates[0]
			_, err := certificate.Verify(x509.VerifyOptions{
				Roots: pki.ClientCAs(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
			})
			if err == nil || clients[r.PostFormValue("client_id")].method != tlsClientAuth {
				r = r.WithContext(context.WithValue(r.Context(), certificateKey{}, certificate))
			}
		}
		next.ServeHTTP(w, r)
	})
}

func presentedCertificate(ctx context.Context) (*x509.Certificate, error) {
	certificate, ok := ctx.Value(certificateKey{}).(*x509.Certificate)
	if !ok {
		return nil, errors.New("no client certificate")
	}
	return certificate, nil
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func serveTLS(t *testing.T, pki pki, listener net.Listener, ask tls.ClientAuthType, handler http.Handler) {
	t.Helper()
	server := &http.Server{
		Handler:           handler,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{pki.ServerCertificate()}, ClientAuth: ask},
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(new(bytes.Buffer), "", 0),
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.ServeTLS(listener, "", "") // until Close
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
}
