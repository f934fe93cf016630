package introspection_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/lestrrat-go/jwx/v2/jwt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/binding/introspection"
)

func ecdsaKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

func ed25519Key(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return key
}

func TestEveryMethodAuthenticatesAtTheRightEndpoint(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{Path: "/tenant1"})
	issued, err := as.NewClientCertificate("pki")
	require.NoError(t, err)
	own, unrelated := selfSigned(t, "own"), selfSigned(t, "unrelated")
	key := ecdsaKey(t, elliptic.P256())
	for _, client := range []bindingtest.Client{
		{ID: "pki", AuthMethod: bindingtest.TLSClientAuth, SubjectDN: "CN=pki"},
		{ID: "own", AuthMethod: bindingtest.SelfSignedTLSClientAuth, Certificate: own.Leaf},
		{ID: "secret: 100%+ä", AuthMethod: bindingtest.ClientSecretBasic, Secret: secret},
		{ID: "key", AuthMethod: bindingtest.PrivateKeyJWT, PublicKey: key.Public()},
	} {
		require.NoError(t, as.AddClient(client))
	}
	token := opaqueToken(t, as, bindingtest.TokenSpec{ClientID: "app", Scopes: []string{"accounts"}, Certificate: unrelated.Leaf})
	for name, test := range map[string]struct {
		with func(*introspection.Config)
		mtls bool
	}{
		"tls_client_auth": {func(c *introspection.Config) {
			c.ClientID, c.AuthMethod, c.ClientCertificate = "pki", introspection.TLSClientAuth, issued
		}, true},
		"self_signed_tls_client_auth": {func(c *introspection.Config) {
			c.ClientID, c.AuthMethod, c.ClientCertificate = "own", introspection.SelfSignedTLSClientAuth, own
		}, true},
		"self_signed_tls_client_auth, certificate by function": {func(c *introspection.Config) {
			c.ClientID, c.AuthMethod = "own", introspection.SelfSignedTLSClientAuth
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
		}, true},
		"client_secret_basic": {func(c *introspection.Config) {
			c.ClientID, c.AuthMethod, c.ClientSecret = "secret: 100%+ä", introspection.ClientSecretBasic, secret
		}, false},
		"client_secret_basic, with a certificate": {func(c *introspection.Config) {
			c.ClientID, c.AuthMethod, c.ClientSecret = "secret: 100%+ä", introspection.ClientSecretBasic, secret
			c.ClientCertificate = unrelated
		}, true},
		"private_key_jwt": {func(c *introspection.Config) {
			c.ClientID, c.AuthMethod, c.SigningKey = "key", introspection.PrivateKeyJWT, key
		}, false},
		"private_key_jwt, audience by configuration": {func(c *introspection.Config) {
			c.ClientID, c.AuthMethod, c.SigningKey = "key", introspection.PrivateKeyJWT, key
			c.AssertionAudience = as.URL(bindingtest.TokenPath)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := &recorder{next: as.Transport()}
			config := introspection.Config{Issuer: as.Issuer(), Audiences: []string{audience}, Transport: as.Transport(), Timeout: time.Minute}
			test.with(&config)
			if !test.mtls {
				config.Transport = seen
			}
			v := newVerifier(t, config)
			got, err := v.VerifyToken(t.Context(), token)
			require.NoError(t, err)
			require.Equal(t, "app", got.ClientID())
			require.Equal(t, []string{"accounts"}, got.Scopes())
			bound, ok := got.Thumbprint()
			require.True(t, ok)
			require.Equal(t, bindingtest.Thumbprint(unrelated.Leaf), bound.String())
			require.NoError(t, v.Ready())
			if !test.mtls {
				require.Equal(t, as.URL(bindingtest.IntrospectionPath), seen.posted.Load(), "RFC 8705 §5: the alias is for who presents a certificate")
			}
		})
	}
}

// A recorder remembers where it last posted to.
type recorder struct {
	next   http.RoundTripper
	posted atomic.Value
}

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method == http.MethodPost {
		r.posted.Store(request.URL.String())
	}
	return r.next.RoundTrip(request)
}

func TestRequestSaysWhatItHasTo(t *testing.T) {
	t.Parallel()
	s := &server{}
	s.answer = func(r *http.Request, token string) (*http.Response, error) {
		assert.Equal(t, endpoint+"?tenant=1", r.URL.String(), "no token in the URL")
		assert.Equal(t, canary, token)
		assert.Equal(t, "application/json", r.Header.Get("Accept"))
		assert.Equal(t, "application/x-www-form-urlencoded", r.Header.Get("Content-Type"))
		// RFC 6749 §2.3.1: form-encoded, then joined.
		assert.Equal(t, "Basic "+base64.StdEncoding.EncodeToString([]byte("api:s3cr3t%3A+100%25%2B")), r.Header.Get("Authorization"))
		assert.NoError(t, cloneForm(r, func(form map[string][]string) {
			assert.Equal(t, map[string][]string{"token": {canary}, "token_type_hint": {"access_token"}}, form)
		}))
		return reply(http.StatusOK, text(good(nil))), nil
	}
	c := config(s)
	c.URL += "?tenant=1"
	_, err := newVerifier(t, c).VerifyToken(t.Context(), canary)
	require.NoError(t, err)
}

func TestAssertionIsOfRFC7523(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for name, test := range map[string]struct {
		key       crypto.Signer
		algorithm string
		want      string
	}{
		"RSA":          {rsaKey, "", "PS256"},
		"RSA, RS256":   {rsaKey, "RS256", "RS256"},
		"RSA, RS384":   {rsaKey, "RS384", "RS384"},
		"RSA, RS512":   {rsaKey, "RS512", "RS512"},
		"RSA, PS512":   {rsaKey, "PS512", "PS512"},
		"P-256":        {ecdsaKey(t, elliptic.P256()), "", "ES256"},
		"P-384":        {ecdsaKey(t, elliptic.P384()), "", "ES384"},
		"P-521":        {ecdsaKey(t, elliptic.P521()), "", "ES512"},
		"Ed25519":      {ed25519Key(t), "", "EdDSA"},
		"of an HSM":    {hsm{ecdsaKey(t, elliptic.P256())}, "", "ES256"},
		"RSA in a HSM": {hsm{rsaKey}, "PS384", "PS384"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Now().Add(-time.Hour).Truncate(time.Second)
			as := newAuthorizationServer(t, bindingtest.Config{
				Clock:   func() time.Time { return now },
				Clients: []bindingtest.Client{{ID: "key", AuthMethod: bindingtest.PrivateKeyJWT, PublicKey: test.key.Public()}},
			})
			var assertions []string
			transport := as.Transport()
			config := configFor(as)
			config.ClientID, config.AuthMethod, config.ClientSecret = "key", introspection.PrivateKeyJWT, ""
			config.SigningKey, config.SigningAlgorithm, config.SigningKeyID = test.key, test.algorithm, "key-1"
			config.Clock = func() time.Time { return now }
			config.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPost {
					assert.NoError(t, cloneForm(r, func(form map[string][]string) {
						assert.Equal(t, []string{"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, form["client_assertion_type"])
						assertions = append(assertions, form["client_assertion"]...)
					}))
					assert.Empty(t, r.Header.Get("Authorization"))
					assert.NotContains(t, r.Header, "Idempotency-Key", "a second use of an assertion is refused")
				}
				return transport.RoundTrip(r)
			})
			v := newVerifier(t, config)
			for range 2 { // the kit refuses a jti that was used
				_, err := v.VerifyToken(t.Context(), opaqueToken(t, as, bindingtest.TokenSpec{}))
				require.NoError(t, err)
			}
			require.Len(t, assertions, 2)
			message, err := jws.ParseString(assertions[0])
			require.NoError(t, err)
			header := message.Signatures()[0].ProtectedHeaders()
			require.Equal(t, test.want, header.Algorithm().String())
			require.Equal(t, "key-1", header.KeyID())
			claims, err := jwt.ParseInsecure([]byte(assertions[0]))
			require.NoError(t, err)
			if strings.HasPrefix(test.want, "PS") { // RFC 7518 §3.5: jwx takes a salt of any length
				hash := map[string]crypto.Hash{"PS256": crypto.SHA256, "PS384": crypto.SHA384, "PS512": crypto.SHA512}[test.want]
				input := assertions[0][:strings.LastIndexByte(assertions[0], '.')]
				digest := hash.New()
				_, _ = digest.Write([]byte(input))
				require.NoError(t, rsa.VerifyPSS(test.key.Public().(*rsa.PublicKey), hash, digest.Sum(nil),
					message.Signatures()[0].Signature(), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
			}
			require.Equal(t, "key", claims.Issuer())
			require.Equal(t, "key", claims.Subject())
			require.Equal(t, []string{as.Issuer()}, claims.Audience(), "RFC 7523: the issuer, not the endpoint")
			require.Equal(t, now.UTC(), claims.IssuedAt().UTC())
			require.Equal(t, now.Add(time.Minute).UTC(), claims.Expiration().UTC())
			require.NotEmpty(t, claims.JwtID())
		})
	}
}

// Neither the kit's server nor jwx know this algorithm.
func TestAssertionByTheAlgorithmOfRFC9864(t *testing.T) {
	t.Parallel()
	key := ed25519Key(t)
	var parts []string
	s := &server{answer: func(r *http.Request, _ string) (*http.Response, error) {
		assert.NoError(t, cloneForm(r, func(form map[string][]string) { parts = strings.Split(form["client_assertion"][0], ".") }))
		return reply(http.StatusOK, text(good(nil))), nil
	}}
	c := config(s)
	c.AuthMethod, c.ClientSecret, c.SigningKey, c.SigningAlgorithm = introspection.PrivateKeyJWT, "", key, "Ed25519"
	_, err := newVerifier(t, c).VerifyToken(t.Context(), canary)
	require.NoError(t, err)
	require.Len(t, parts, 3)
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	require.NoError(t, err)
	require.JSONEq(t, `{"alg":"Ed25519","typ":"JWT"}`, string(header))
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	require.NoError(t, err)
	require.True(t, ed25519.Verify(key.Public().(ed25519.PublicKey), []byte(parts[0]+"."+parts[1]), signature))
}

// An hsm shows its public key alone.
type hsm struct{ crypto.Signer }

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// cloneForm reads a request's form and leaves the request as it is.
func cloneForm(r *http.Request, read func(form map[string][]string)) error {
	body, err := r.GetBody()
	if err != nil {
		return err
	}
	clone := r.Clone(r.Context())
	clone.Body = body
	if err := clone.ParseForm(); err != nil {
		return err
	}
	read(clone.PostForm)
	return nil
}

func TestCertificateIsAskedForAtEachNewConnection(t *testing.T) {
	t.Parallel()
	as := newAuthorizationServer(t, bindingtest.Config{})
	old, renewed := selfSigned(t, "api"), selfSigned(t, "api")
	require.NoError(t, as.AddClient(bindingtest.Client{ID: "api", AuthMethod: bindingtest.SelfSignedTLSClientAuth, Certificate: renewed.Leaf}))
	var current atomic.Pointer[tls.Certificate]
	current.Store(&old)
	told := &events{}
	config := configFor(as)
	config.AuthMethod, config.ClientSecret = introspection.SelfSignedTLSClientAuth, ""
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return current.Load(), nil }
	config.Observe = told.observe
	v := newVerifier(t, config)

	token := opaqueToken(t, as, bindingtest.TokenSpec{})
	_, err := v.VerifyToken(t.Context(), token)
	requireReason(t, err, binding.ReasonUnavailable)
	current.Store(&renewed)
	_, err = v.VerifyToken(t.Context(), token)
	require.NoError(t, err, "the connection with the refused certificate is not used again")
}

func TestNoCertificateIsAFailureAndNoCrash(t *testing.T) {
	t.Parallel()
	for says, get := range map[string]func(*tls.CertificateRequestInfo) (*tls.Certificate, error){
		"returned no certificate": func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return nil, nil },
		"no file":                 func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return nil, errors.New("no file") },
		"panicked with a string":  func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { panic("no file") },
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			as := newAuthorizationServer(t, bindingtest.Config{})
			config := configFor(as)
			config.AuthMethod, config.ClientSecret, config.GetClientCertificate = introspection.TLSClientAuth, "", get
			_, err := newVerifier(t, config).VerifyToken(t.Context(), canary)
			require.ErrorContains(t, requireReason(t, err, binding.ReasonUnavailable).Cause, says)
		})
	}
}

func TestOurOwnFaultsAreNoFaultOfTheToken(t *testing.T) {
	t.Parallel()
	key := ecdsaKey(t, elliptic.P256())
	as := newAuthorizationServer(t, bindingtest.Config{Clients: []bindingtest.Client{
		secretClient,
		{ID: "key", AuthMethod: bindingtest.PrivateKeyJWT, PublicKey: key.Public()},
		{ID: "pki", AuthMethod: bindingtest.TLSClientAuth, SubjectDN: "CN=pki"},
	}})
	token := opaqueToken(t, as, bindingtest.TokenSpec{})
	for name, test := range map[string]struct {
		with func(*introspection.Config)
		kind introspection.EventKind
	}{
		"unknown client": {func(c *introspection.Config) { c.ClientID = "nobody" }, introspection.CredentialsRefused},
		"wrong secret":   {func(c *introspection.Config) { c.ClientSecret = "wrong" }, introspection.CredentialsRefused},
		"another key": {func(c *introspection.Config) {
			c.ClientID, c.AuthMethod, c.ClientSecret = "key", introspection.PrivateKeyJWT, ""
			c.SigningKey = ecdsaKey(t, elliptic.P256())
		}, introspection.CredentialsRefused},
		"another audience": {func(c *introspection.Config) {
			c.ClientID, c.AuthMethod, c.ClientSecret, c.SigningKey = "key", introspection.PrivateKeyJWT, "", key
			c.AssertionAudience = "https://other.example"
		}, introspection.CredentialsRefused},
		"another certificate": {func(c *introspection.Config) {
			c.ClientID, c.AuthMethod, c.ClientSecret = "pki", introspection.TLSClientAuth, ""
			c.ClientCertificate = selfSigned(t, "pki")
		}, introspection.CredentialsRefused},
		"a key that fails": {func(c *introspection.Config) {
			c.ClientID, c.AuthMethod, c.ClientSecret = "key", introspection.PrivateKeyJWT, ""
			c.SigningKey = brokenKey{hsm{key}, func() ([]byte, error) { return nil, errors.New("HSM away") }}
		}, introspection.CallFailed},
		"a key that panics": {func(c *introspection.Config) {
			c.ClientID, c.AuthMethod, c.ClientSecret = "key", introspection.PrivateKeyJWT, ""
			c.SigningKey = brokenKey{hsm{key}, func() ([]byte, error) { panic("HSM away") }}
		}, introspection.CallFailed},
		"a key that signs with zero": {func(c *introspection.Config) {
			c.ClientID, c.AuthMethod, c.ClientSecret = "key", introspection.PrivateKeyJWT, ""
			c.SigningKey = brokenKey{hsm{key}, func() ([]byte, error) { return asn1.Marshal([]int{0, 1}) }}
		}, introspection.CallFailed},
		"a key that signs with zero second": {func(c *introspection.Config) {
			c.ClientID, c.AuthMethod, c.ClientSecret = "key", introspection.PrivateKeyJWT, ""
			c.SigningKey = brokenKey{hsm{key}, func() ([]byte, error) { return asn1.Marshal([]int{1, 0}) }}
		}, introspection.CallFailed},
		"a key that signs in no ASN.1": {func(c *introspection.Config) {
			c.ClientID, c.AuthMethod, c.ClientSecret = "key", introspection.PrivateKeyJWT, ""
			c.SigningKey = brokenKey{hsm{key}, func() ([]byte, error) { return []byte("signature"), nil }}
		}, introspection.CallFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := &events{}
			config := configFor(as)
			config.Observe = told.observe
			test.with(&config)
			v := newVerifier(t, config)
			for n := range 10 { // never the breaker's matter
				_, err := v.VerifyToken(t.Context(), fmt.Sprint(token, n))
				refusal := requireReason(t, err, binding.ReasonUnavailable)
				require.Equal(t, http.StatusServiceUnavailable, refusal.StatusCode())
				require.Empty(t, refusal.Challenges(), "the client need not change anything")
				require.NotErrorIs(t, err, introspection.ErrBreakerOpen)
			}
			want := 10
			if test.kind == introspection.CredentialsRefused {
				want = 1 // told once
				told.await(t, introspection.CallFailed, 9)
			}
			told.await(t, test.kind, want)
			require.NoError(t, v.Close())
			require.Equal(t, want, told.count(test.kind))
			require.Equal(t, 10-want, told.count(introspection.CallFailed)%10)
			for _, event := range told.all() {
				if event.Kind == test.kind {
					require.NotContains(t, event.Err.Error(), token)
					require.NotContains(t, event.Err.Error(), secret)
				}
			}
		})
	}
}

// Why there is no assertion is told, and nothing that is not a signature is sent.
func TestWhyAKeyDoesNotSignIsTold(t *testing.T) {
	t.Parallel()
	pair := func(r, s *big.Int) []byte {
		signature, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
		require.NoError(t, err)
		return signature
	}
	one, long := big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 256)
	const none = "the key made no ECDSA signature"
	for name, test := range map[string]struct {
		signature []byte
		err       error
		says      string
	}{
		"an error":            {nil, errors.New("HSM away"), "HSM away"},
		"no ASN.1":            {[]byte("signature"), nil, none},
		"something behind it": {append(pair(one, one), 0), nil, none},
		"R is too long":       {pair(long, one), nil, none},
		"S is too long":       {pair(one, long), nil, none},
		"R is zero":           {pair(big.NewInt(0), one), nil, none},
		"S is less than zero": {pair(one, big.NewInt(-1)), nil, none},
		"an error beside it":  {pair(one, one), errors.New("HSM away"), "HSM away"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &server{}
			c := config(s)
			c.AuthMethod, c.ClientSecret = introspection.PrivateKeyJWT, ""
			c.SigningKey = brokenKey{hsm{ecdsaKey(t, elliptic.P256())}, func() ([]byte, error) { return test.signature, test.err }}
			_, err := newVerifier(t, c).VerifyToken(t.Context(), canary)
			require.ErrorContains(t, requireReason(t, err, binding.ReasonUnavailable).Cause, test.says)
			require.Zero(t, s.calls())
		})
	}
}

type brokenKey struct {
	hsm
	sign func() ([]byte, error)
}

func (k brokenKey) Sign(_ io.Reader, _ []byte, _ crypto.SignerOpts) ([]byte, error) {
	return k.sign()
}

func TestRefusalsOfOurCredentialsAreKnownByStatusAndCode(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		body   string
		kind   introspection.EventKind
	}{
		"401":                     {401, "", introspection.CredentialsRefused},
		"403":                     {403, "<html>", introspection.CredentialsRefused},
		"400 invalid_client":      {400, `{"error":"invalid_client"}`, introspection.CredentialsRefused},
		"400 unauthorized_client": {400, `{"error":"unauthorized_client"}`, introspection.CredentialsRefused},
		"400 invalid_request":     {400, `{"error":"invalid_request"}`, introspection.CallFailed},
		"400":                     {400, `{"error":"` + canary + `"}`, introspection.CallFailed},
		"404":                     {404, "", introspection.CallFailed},
		"302":                     {302, "", introspection.CallFailed},
		"204":                     {204, "", introspection.CallFailed},
		"500 invalid_client":      {500, `{"error":"invalid_client"}`, introspection.CredentialsRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := &events{}
			c := config(&server{answer: always(test.status, test.body)})
			c.Observe = told.observe
			v := newVerifier(t, c)
			_, err := v.VerifyToken(t.Context(), canary)
			refusal := requireReason(t, err, binding.ReasonUnavailable)
			require.NotContains(t, refusal.Cause.Error(), canary)
			told.await(t, test.kind, 1)
			require.NoError(t, v.Close())
			require.Equal(t, []introspection.EventKind{test.kind}, told.kinds())
			require.Equal(t, issuer, told.all()[0].Issuer)
			require.NotContains(t, told.all()[0].Err.Error(), canary)
		})
	}
}
