package authorizationservers_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

const (
	audience = "https://api.example"   // the API's
	another  = "https://other.example" // another API of the same authorization server
	scope    = "accounts payments"

	tlsClientAuth           = "tls_client_auth"
	selfSignedTLSClientAuth = "self_signed_tls_client_auth"
	privateKeyJWT           = "private_key_jwt"
	clientSecretBasic       = "client_secret_basic"

	opaque = "opaque" // a format beside the algorithms
)

var allMethods = []string{tlsClientAuth, selfSignedTLSClientAuth, privateKeyJWT, clientSecretBasic}

// A pki is who issues certificates. It is the test kit's, whose authorization
// server nobody asks for anything here.
type pki struct {
	*bindingtest.AuthorizationServer
}

// HTTPClient is the kit's, for servers that share a busy machine with their tests.
func (p pki) HTTPClient(certificates ...tls.Certificate) *http.Client {
	client := p.AuthorizationServer.HTTPClient(certificates...)
	client.Timeout = 2 * time.Minute
	return client
}

func newPKI(t *testing.T) pki {
	t.Helper()
	kit, err := bindingtest.NewAuthorizationServer(bindingtest.Config{})
	require.NoError(t, err)
	t.Cleanup(kit.Close)
	return pki{kit}
}

// A registration is a client as an authorization server knows it.
type registration struct {
	id          string // FORMAT.METHOD, and what else is special
	method      string
	bound       bool            // its tokens are, to its certificate
	proves      bool            // its tokens are bound to a DPoP key
	lifetime    time.Duration   // of its tokens; 0: the server's own
	certificate tls.Certificate // that it presents
	secret      string
	key         *ecdsa.PrivateKey // of assertions
}

func (r registration) format() string {
	format, _, _ := strings.Cut(r.id, ".")
	return format
}

// asAPI names the API as a client, when it asks about opaque tokens.
func asAPI(method string) string { return "opaque.api." + method }

// register makes the clients of an authorization server that issues tokens in
// these formats: for each format and method one, and a few beside.
func register(t *testing.T, pki pki, formats, methods []string) map[string]registration {
	t.Helper()
	all := make(map[string]registration)
	add := func(id, method string, change func(*registration)) {
		r := registration{id: id, method: method, bound: true}
		var err error
		if method == selfSignedTLSClientAuth {
			r.certificate, err = bindingtest.NewSelfSignedCertificate(id)
		} else {
			r.certificate, err = pki.NewClientCertificate(id)
		}
		require.NoError(t, err)
		switch method {
		case privateKeyJWT:
			r.key = newKey(t)
		case clientSecretBasic:
			r.secret = rand.Text()
		}
		if change != nil {
			change(&r)
		}
		all[id] = r
	}
	for _, format := range formats {
		for _, method := range methods {
			add(format+"."+method, method, nil)
		}
	}
	add("ES256.unbound", clientSecretBasic, func(r *registration) { r.bound = false })
	for _, format := range []string{"ES256", opaque} {
		// A name of letters and digits alone: not everybody agrees how others are
		// written under Basic (RFC 6749 §2.3.1).
		add(format, clientSecretBasic, func(r *registration) { r.bound, r.proves = false, true })
	}
	add("PS256.proving", privateKeyJWT, func(r *registration) { r.bound, r.proves = false, true })
	add("ES256.expired", tlsClientAuth, func(r *registration) { r.lifetime = -time.Hour })
	for _, method := range methods {
		add(asAPI(method), method, nil)
	}
	return all
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// metadata is the registration as RFC 7591 §2 and RFC 8705 §2, §3.4 name it.
func (r registration) metadata(t *testing.T) json.RawMessage {
	t.Helper()
	members := map[string]any{
		"client_id":                  r.id,
		"token_endpoint_auth_method": r.method,
		"grant_types":                []string{"client_credentials"},
		"response_types":             []string{},
		"redirect_uris":              []string{},
		"scope":                      scope,
		"tls_client_certificate_bound_access_tokens": r.bound,
		"dpop_bound_access_tokens":                   r.proves,
	}
	switch r.method {
	case tlsClientAuth:
		members["tls_client_auth_subject_dn"] = "CN=" + r.id
	case selfSignedTLSClientAuth:
		digest := sha256.Sum256(r.certificate.Leaf.Raw)
		members["jwks"] = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{
			Key:                         r.certificate.Leaf.PublicKey,
			KeyID:                       "certificate",
			Certificates:                []*x509.Certificate{r.certificate.Leaf},
			CertificateThumbprintSHA256: digest[:],
		}}}
	case privateKeyJWT:
		members["jwks"] = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{
			Key: r.key.Public(), KeyID: "assertion", Algorithm: "ES256", Use: "sig",
		}}}
	case clientSecretBasic:
		members["client_secret"] = r.secret
	}
	text, err := json.Marshal(members)
	require.NoError(t, err)
	return text
}

// files writes the certificate and its key as PEM, and the key of assertions if
// there is one.
func (r registration) files(t *testing.T) (certificate, key, assertionKey string) {
	t.Helper()
	folder := t.TempDir()
	certificate, key = writePair(t, folder, r.certificate)
	if r.key != nil {
		assertionKey = writeFile(t, folder, "assertion.pem", keyPEM(t, r.key))
	}
	return certificate, key, assertionKey
}

func writePair(t *testing.T, folder string, pair tls.Certificate) (certificate, key string) {
	t.Helper()
	return writeFile(t, folder, "cert.pem", certificatePEM(pair)), writeFile(t, folder, "key.pem", keyPEM(t, pair.PrivateKey))
}

func certificatePEM(pair tls.Certificate) (chain []byte) {
	for _, certificate := range pair.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})...)
	}
	return chain
}

func keyPEM(t *testing.T, key crypto.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func writeFile(t *testing.T, folder, name string, content []byte) string {
	t.Helper()
	file := filepath.Join(folder, name)
	require.NoError(t, os.WriteFile(file, content, 0o600))
	return file
}
