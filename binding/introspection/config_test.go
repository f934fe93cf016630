package introspection_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/introspection"
)

// mistakes returns the fields that an error blames, in order.
func mistakes(err error) []string {
	var fields []string
	var collect func(error)
	collect = func(err error) {
		var mistake binding.ConfigError
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, one := range joined.Unwrap() {
				collect(one)
			}
		} else if inner := errors.Unwrap(err); inner != nil {
			collect(inner)
		} else if errors.As(err, &mistake) {
			fields = append(fields, mistake.Field)
		}
	}
	collect(err)
	return fields
}

func TestMistakesAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := introspection.New(introspection.Config{})
	require.ElementsMatch(t, []string{"Issuer", "Audiences", "ClientID", "AuthMethod"}, mistakes(err))
}

func TestWrongConfigs(t *testing.T) {
	t.Parallel()
	short, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // that is the case
	require.NoError(t, err)
	p224 := ecdsaKey(t, elliptic.P224())
	certificate := selfSigned(t, "api")
	get := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
	key := func(c *introspection.Config, key crypto.Signer, algorithm string) {
		c.AuthMethod, c.ClientSecret, c.SigningKey, c.SigningAlgorithm = introspection.PrivateKeyJWT, "", key, algorithm
	}
	for name, test := range map[string]struct {
		field string
		with  func(*introspection.Config)
	}{
		"no audience":         {"Audiences", func(c *introspection.Config) { c.Audiences = nil }},
		"an empty audience":   {"Audiences", func(c *introspection.Config) { c.Audiences = []string{"a", ""} }},
		"issuer over http":    {"Issuer", func(c *introspection.Config) { c.URL, c.Issuer = "", "http://auth.example" }},
		"issuer with a query": {"Issuer", func(c *introspection.Config) { c.URL, c.Issuer = "", issuer+"?a=b" }},
		"URL over http":       {"URL", func(c *introspection.Config) { c.URL = "http://auth.example/introspect" }},
		"URL with a user":     {"URL", func(c *introspection.Config) { c.URL = "https://api:secret@auth.example/introspect" }},
		"metadata over http":  {"MetadataURL", func(c *introspection.Config) { c.URL, c.MetadataURL = "", "http://auth.example/m" }},
		"URL and metadata":    {"MetadataURL", func(c *introspection.Config) { c.MetadataURL = issuer + "/m" }},
		"no client":           {"ClientID", func(c *introspection.Config) { c.ClientID = "" }},
		"no method":           {"AuthMethod", func(c *introspection.Config) { c.AuthMethod, c.ClientSecret = "", "" }},
		"client_secret_post":  {"AuthMethod", func(c *introspection.Config) { c.AuthMethod, c.ClientSecret = "client_secret_post", "" }},
		"none":                {"AuthMethod", func(c *introspection.Config) { c.AuthMethod, c.ClientSecret = "none", "" }},
		"no secret":           {"ClientSecret", func(c *introspection.Config) { c.ClientSecret = "" }},
		"a secret with a certificate": {"ClientSecret", func(c *introspection.Config) {
			c.AuthMethod, c.GetClientCertificate, c.Transport = introspection.TLSClientAuth, get, nil
		}},
		"tls_client_auth without": {"ClientCertificate", func(c *introspection.Config) { c.AuthMethod, c.ClientSecret = introspection.TLSClientAuth, "" }},
		"self_signed without": {"ClientCertificate", func(c *introspection.Config) {
			c.AuthMethod, c.ClientSecret = introspection.SelfSignedTLSClientAuth, ""
		}},
		"certificate without a key": {"ClientCertificate", func(c *introspection.Config) {
			c.ClientCertificate.Certificate, c.Transport = certificate.Certificate, nil
		}},
		"two certificates": {"GetClientCertificate", func(c *introspection.Config) {
			c.ClientCertificate, c.GetClientCertificate, c.Transport = certificate, get, nil
		}},
		"no key":                         {"SigningKey", func(c *introspection.Config) { key(c, nil, "") }},
		"a nil RSA key":                  {"SigningKey", func(c *introspection.Config) { key(c, (*rsa.PrivateKey)(nil), "") }},
		"a nil ECDSA key":                {"SigningKey", func(c *introspection.Config) { key(c, (*ecdsa.PrivateKey)(nil), "") }},
		"an empty Ed25519 key":           {"SigningKey", func(c *introspection.Config) { key(c, ed25519.PrivateKey{}, "") }},
		"RSA with 1024 bits":             {"SigningKey", func(c *introspection.Config) { key(c, short, "") }},
		"P-224":                          {"SigningKey", func(c *introspection.Config) { key(c, p224, "") }},
		"RSA without a modulus":          {"SigningKey", func(c *introspection.Config) { key(c, publicKey{&rsa.PublicKey{}}, "") }},
		"ECDSA without a curve":          {"SigningKey", func(c *introspection.Config) { key(c, publicKey{&ecdsa.PublicKey{}}, "") }},
		"an algorithm that does not fit": {"SigningAlgorithm", func(c *introspection.Config) { key(c, ecdsaKey(t, elliptic.P256()), "ES384") }},
		"HMAC":                           {"SigningAlgorithm", func(c *introspection.Config) { key(c, ecdsaKey(t, elliptic.P256()), "HS256") }},
		"a key beside a secret":          {"SigningKey", func(c *introspection.Config) { c.SigningKey = ecdsaKey(t, elliptic.P256()) }},
		"an algorithm beside a secret":   {"SigningAlgorithm", func(c *introspection.Config) { c.SigningAlgorithm = "ES256" }},
		"a kid beside a secret":          {"SigningKeyID", func(c *introspection.Config) { c.SigningKeyID = "1" }},
		"an audience beside a secret":    {"AssertionAudience", func(c *introspection.Config) { c.AssertionAudience = issuer }},
		"no scope claim":                 {"ScopeClaims", func(c *introspection.Config) { c.ScopeClaims = []string{} }},
		"an empty client claim":          {"ClientIDClaims", func(c *introspection.Config) { c.ClientIDClaims = []string{""} }},
		"a negative lifetime":            {"MaxLifetime", func(c *introspection.Config) { c.MaxLifetime = -1 }},
		"too much leeway":                {"Leeway", func(c *introspection.Config) { c.Leeway = 6 * time.Minute }},
		"active for too long":            {"ActiveFor", func(c *introspection.Config) { c.ActiveFor = time.Hour }},
		"inactive for too long":          {"InactiveFor", func(c *introspection.Config) { c.InactiveFor = time.Hour }},
		"too many tokens":                {"CachedTokens", func(c *introspection.Config) { c.CachedTokens = 1e9 }},
		"negative number of tokens":      {"CachedTokens", func(c *introspection.Config) { c.CachedTokens = -1 }},
		"a timeout too short":            {"Timeout", func(c *introspection.Config) { c.Timeout = time.Millisecond }},
		"no timeout":                     {"Timeout", func(c *introspection.Config) { c.Timeout = -1 }},
		"a body too long":                {"MaxBody", func(c *introspection.Config) { c.MaxBody = 1 << 30 }},
		"negative number of calls":       {"MaxInFlight", func(c *introspection.Config) { c.MaxInFlight = -1 }},
		"a transport for no certificate": {"Transport", func(c *introspection.Config) { c.GetClientCertificate = get }},
		"a transport that is nil":        {"Transport", func(c *introspection.Config) { c.GetClientCertificate, c.Transport = get, (*http.Transport)(nil) }},
		"a transport that is nil, without a certificate": {"Transport", func(c *introspection.Config) { c.Transport = (*http.Transport)(nil) }},
		"M/403 a transport that does TLS itself, by DialTLS": {"Transport", func(c *introspection.Config) {
			c.GetClientCertificate = get
			c.Transport = &http.Transport{DialTLS: func(string, string) (net.Conn, error) { return nil, errors.New("unused") }} //nolint:staticcheck // that it is obeyed is the test
		}},
		"a transport that does TLS itself": {"Transport", func(c *introspection.Config) {
			c.GetClientCertificate, c.Transport = get, &http.Transport{DialTLSContext: dial}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config(&server{})
			test.with(&c)
			v, err := introspection.New(c)
			require.Nil(t, v)
			require.Equal(t, []string{test.field}, mistakes(err), "%v", err)
			require.NotContains(t, err.Error(), secret)
		})
	}
}

// A publicKey is a key as far as anybody looks before it signs.
type publicKey struct{ public crypto.PublicKey }

func (k publicKey) Public() crypto.PublicKey { return k.public }

func (publicKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("unused")
}

func dial(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") }

func TestConfigIsCopied(t *testing.T) {
	t.Parallel()
	s := &server{answer: always(http.StatusOK, text(good(members{"client": "ours", "permissions": "transfer"})))}
	c := config(s)
	c.ScopeClaims, c.ClientIDClaims = []string{"permissions"}, []string{"client"}
	v := newVerifier(t, c)
	c.Audiences[0], c.ScopeClaims[0], c.ClientIDClaims[0] = "https://other.example", "scope", "client_id"
	token, err := v.VerifyToken(t.Context(), canary)
	require.NoError(t, err)
	require.Equal(t, []string{"transfer"}, token.Scopes())
	require.Equal(t, "ours", token.ClientID())
	require.Equal(t, issuer, v.Issuer())
}

func TestDangerouslyAllowHTTP(t *testing.T) {
	t.Parallel()
	const issuer, endpoint = "http://auth.example", "http://auth.example/introspect"
	for name, url := range map[string]string{"the URL": endpoint, "found in metadata": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &server{
				answer: always(http.StatusOK, text(good(members{"iss": issuer}))),
				other:  serve(http.StatusOK, document(members{"issuer": issuer, "introspection_endpoint": endpoint})),
			}
			c := config(s)
			c.Issuer, c.URL, c.DangerouslyAllowHTTP = issuer, url, true
			_, err := newVerifier(t, c).VerifyToken(t.Context(), canary)
			require.NoError(t, err, "%v", binding.AsError(err))
		})
	}
}
