package binding_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
)

const (
	issuer   = "https://auth.bank.example"
	audience = "https://api.bank.example"
)

// now is the time by which the tokens of these tests are judged.
var now = time.Unix(1_800_000_000, 0)

// members are the members of a JSON object.
type members map[string]any

// null is the JSON value; in a change of claims, nil removes the claim.
var null = json.RawMessage("null")

// claims returns the claims of a good token without a binding, changed.
func claims(t testing.TB, changes members) []byte {
	t.Helper()
	all := members{
		"iss": issuer, "sub": "alice", "aud": audience, "client_id": "client-1",
		"exp": now.Add(time.Minute).Unix(), "iat": now.Unix(), "jti": "1", "scope": "accounts payments",
	}
	for name, value := range changes {
		if value == nil {
			delete(all, name)
			continue
		}
		all[name] = value
	}
	payload, err := json.Marshal(all)
	require.NoError(t, err)
	return payload
}

// boundTo returns the claim that binds a token to a certificate. The digest is bindingtest's, not the code's under test.
func boundTo(certificate *x509.Certificate) members {
	return members{"cnf": members{"x5t#S256": bindingtest.Thumbprint(certificate)}}
}

// bearer makes a token that is nothing but its claims, which [plain] reads.
func bearer(payload []byte) string { return base64.RawURLEncoding.EncodeToString(payload) }

// plain is a TokenVerifier that checks all but a signature, which is no part of these tests.
type plain struct{}

func (plain) VerifyToken(_ context.Context, token string) (*binding.Token, error) {
	payload, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, &binding.Error{Reason: binding.ReasonTokenMalformed, Cause: err}
	}
	parsed, err := binding.ParseClaims(payload)
	if err != nil {
		return nil, err
	}
	return parsed.Validate(binding.Expect{Issuer: issuer, Audiences: []string{audience}, Now: now})
}

// verifierFunc is a TokenVerifier.
type verifierFunc = binding.TokenVerifierFunc

// source is a CertificateSource that counts how often it is asked.
type source struct {
	find  func(*http.Request) (binding.Certificate, error)
	asked atomic.Int64
}

func (s *source) Headers() []string { return nil }

func (s *source) ClientCertificate(r *http.Request) (binding.Certificate, error) {
	s.asked.Add(1)
	return s.find(r)
}

// headerSource is a CertificateSource that reads the first of its header fields: the certificate's DER in base64.
type headerSource struct {
	names []string
	asked atomic.Int64
}

func (s *headerSource) Headers() []string { return s.names }

func (s *headerSource) ClientCertificate(r *http.Request) (binding.Certificate, error) {
	s.asked.Add(1)
	value := r.Header.Get(s.names[0])
	if value == "" {
		return binding.Certificate{}, nil
	}
	der, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return binding.Certificate{}, err
	}
	return binding.Certificate{Thumbprint: binding.ThumbprintOf(&x509.Certificate{Raw: der}), DER: der}, nil
}

// newGuard makes a guard; without Tokens it is one with [plain].
func newGuard(t testing.TB, config binding.Config) *binding.Guard {
	t.Helper()
	if config.Tokens == nil {
		config.Tokens = plain{}
	}
	guard, err := binding.New(config)
	require.NoError(t, err)
	return guard
}

// request makes a request with a token, as it comes from a TLS connection over which the client presented a chain.
func request(token string, chain ...*x509.Certificate) *http.Request {
	r := httptest.NewRequest(http.MethodGet, audience+"/accounts", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	r.TLS = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: chain}
	return r
}

func newCertificate(t testing.TB, commonName string) tls.Certificate {
	t.Helper()
	certificate, err := bindingtest.NewSelfSignedCertificate(commonName)
	require.NoError(t, err)
	return certificate
}

// readCertificate reads a certificate of testdata.
func readCertificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	block, rest := pem.Decode(text)
	require.NotNil(t, block)
	require.Empty(t, rest)
	certificate, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return certificate
}

func mustParse(t testing.TB, payload []byte) binding.Claims {
	t.Helper()
	parsed, err := binding.ParseClaims(payload)
	require.NoError(t, err)
	return parsed
}

// valid returns the token whose claims are as expected.
func valid(t testing.TB, payload []byte) *binding.Token {
	t.Helper()
	token, err := mustParse(t, payload).Validate(good)
	require.NoError(t, err)
	return token
}

// validWith returns the token that has these claims, in JSON, beside an issuer and an audience, and whose times nobody minds.
func validWith(t testing.TB, claims string) *binding.Token {
	t.Helper()
	token, err := mustParse(t, []byte(`{"iss":"`+issuer+`","aud":"`+audience+`",`+claims+`}`)).Validate(binding.Expect{
		Issuer: issuer, Audiences: []string{audience}, Now: now, Leeway: math.MaxInt64, Introspection: true,
	})
	require.NoError(t, err)
	return token
}

// refusalOf returns the Error that every refusal must be.
func refusalOf(t testing.TB, err error) *binding.Error {
	t.Helper()
	var refusal *binding.Error
	require.ErrorAs(t, err, &refusal)
	return refusal
}

// challengeOf returns the one challenge of a refusal, or "".
func challengeOf(t testing.TB, refusal *binding.Error) string {
	t.Helper()
	challenges := refusal.Challenges()
	if len(challenges) == 0 {
		return ""
	}
	require.Len(t, challenges, 1)
	return challenges[0]
}

// requireRefused asserts the reason and the status of a refusal.
func requireRefused(t testing.TB, err error, reason binding.Reason, status int) {
	t.Helper()
	refusal := refusalOf(t, err)
	require.Equal(t, reason, refusal.Reason)
	require.Equal(t, status, refusal.StatusCode())
}

// certificateOf is a source that finds the same certificate in every request.
func certificateOf(certificate binding.Certificate) *source {
	return &source{find: func(*http.Request) (binding.Certificate, error) { return certificate, nil }}
}

func base64Of(certificate *x509.Certificate) string {
	return base64.StdEncoding.EncodeToString(certificate.Raw)
}
