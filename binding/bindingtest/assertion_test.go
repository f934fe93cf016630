package bindingtest_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/lestrrat-go/jwx/v2/jwt"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

func TestAssertions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{Clock: fixedClock})
	another, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	good := func(changes map[string]any) map[string]any {
		claims := map[string]any{
			"iss": "jwt-client", "sub": "jwt-client", "aud": w.as.Issuer(),
			"iat": noon.Unix(), "exp": noon.Add(time.Minute).Unix(), "jti": rand.Text(),
		}
		for name, value := range changes {
			if value == nil {
				delete(claims, name)
			} else {
				claims[name] = value
			}
		}
		return claims
	}
	public, err := jwk.FromRaw(w.key.Public())
	require.NoError(t, err)
	publicPEM, err := jwk.Pem(public)
	require.NoError(t, err)
	for name, test := range map[string]struct {
		claims    map[string]any
		algorithm jwa.SignatureAlgorithm
		key       any
		json      bool
		accepted  bool
	}{
		"audience is the issuer":             {claims: good(nil), accepted: true},
		"audience is the token endpoint":     {claims: good(map[string]any{"aud": w.as.URL(bindingtest.TokenPath)}), accepted: true},
		"audience is the alias, in an array": {claims: good(map[string]any{"aud": []string{"x", w.as.MTLSURL(bindingtest.TokenPath)}}), accepted: true},
		"audience is another server":         {claims: good(map[string]any{"aud": "https://other.example"})},
		"no audience":                        {claims: good(map[string]any{"aud": nil})},
		"expired":                            {claims: good(map[string]any{"exp": noon.Add(-time.Minute).Unix()})},
		"no exp":                             {claims: good(map[string]any{"exp": nil})},
		"not yet valid":                      {claims: good(map[string]any{"nbf": noon.Add(time.Minute).Unix()})},
		"no jti":                             {claims: good(map[string]any{"jti": nil})},
		"empty jti":                          {claims: good(map[string]any{"jti": ""})},
		"issuer is another client":           {claims: good(map[string]any{"iss": "pki-client"})},
		"no issuer":                          {claims: good(map[string]any{"iss": nil})},
		"no subject":                         {claims: good(map[string]any{"sub": nil})},
		"subject of another method":          {claims: good(map[string]any{"sub": "secret client", "iss": "secret client"})},
		"signed by another key":              {claims: good(nil), key: another},
		"HMAC with the public key":           {claims: good(nil), algorithm: jwa.HS256, key: publicPEM},
		"not signed":                         {claims: good(nil), algorithm: jwa.NoSignature},
		"JSON serialization":                 {claims: good(nil), json: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token := jwt.New()
			for name, value := range test.claims {
				require.NoError(t, token.Set(name, value))
			}
			payload, err := jwt.NewSerializer().Serialize(token)
			require.NoError(t, err)
			algorithm, key := test.algorithm, test.key
			if algorithm == "" {
				algorithm = jwa.ES256
			}
			if key == nil {
				key = w.key
			}
			options := []jws.SignOption{jws.WithKey(algorithm, key)}
			if algorithm == jwa.NoSignature {
				options = []jws.SignOption{jws.WithInsecureNoSignature()}
			}
			if test.json {
				options = append(options, jws.WithJSON())
			}
			signed, err := jws.Sign(payload, options...)
			require.NoError(t, err)
			got := w.ask(t, assertionForm(string(signed)), w.issued)
			if !test.accepted {
				requireRefused(t, got, http.StatusUnauthorized, "invalid_client")
				return
			}
			require.Equal(t, http.StatusOK, got.status, "%s", got.body)
			// RFC 7523 §3: a jti is good once.
			requireRefused(t, w.ask(t, assertionForm(string(signed)), w.issued), http.StatusUnauthorized, "invalid_client")
		})
	}
	t.Run("no JWT at all", func(t *testing.T) {
		t.Parallel()
		requireRefused(t, w.ask(t, assertionForm("abc"), w.issued), http.StatusUnauthorized, "invalid_client")
	})
}

func TestClientAssertionFitsItsKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for algorithm, curve := range map[string]elliptic.Curve{"ES384": elliptic.P384(), "ES512": elliptic.P521(), "EdDSA": nil} {
		var key crypto.Signer = edwards
		if curve != nil {
			key, err = ecdsa.GenerateKey(curve, rand.Reader)
			require.NoError(t, err)
		}
		require.NoError(t, w.as.AddClient(bindingtest.Client{
			ID: algorithm, AuthMethod: bindingtest.PrivateKeyJWT, PublicKey: key.Public(),
		}))
		assertion, err := w.as.ClientAssertion(algorithm, key)
		require.NoError(t, err)
		header, _ := decode(t, assertion)
		require.Equal(t, algorithm, header["alg"])
		require.Equal(t, http.StatusOK, w.ask(t, assertionForm(assertion), w.own).status)
	}
	tooSmall, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	_, err = w.as.ClientAssertion("a", tooSmall)
	require.Error(t, err)
	_, err = w.as.ClientAssertion("a", nil)
	require.Error(t, err)
}

func TestAssertionIsGoodOnceHoweverManySendIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bindingtest.Config{})
	ctx, assertion := context.WithoutCancel(t.Context()), w.assertion(t)
	statuses := make(chan int)
	client := w.as.HTTPClient(w.issued)
	const requests = 20
	for range requests {
		request := tokenRequest(ctx, t, w.as.MTLSURL(bindingtest.TokenPath), assertionForm(assertion))
		go func() {
			response, err := client.Do(request)
			if err != nil {
				statuses <- 0
				return
			}
			_ = response.Body.Close()
			statuses <- response.StatusCode
		}()
	}
	count := make(map[int]int)
	for range requests {
		count[<-statuses]++
	}
	require.Equal(t, map[int]int{http.StatusOK: 1, http.StatusUnauthorized: requests - 1}, count, "one assertion, one token")
}
