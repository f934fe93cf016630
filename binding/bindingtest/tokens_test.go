package bindingtest_test

import (
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fixedClock() time.Time { return noon }

func at(offset time.Duration) float64 { return float64(noon.Add(offset).Unix()) }

func TestTokenSaysWhatItsSpecSays(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{Clock: fixedClock})
	certificate := clientCertificate(t, as, "client-1")
	for name, test := range map[string]struct {
		spec   bindingtest.TokenSpec
		header map[string]any
		claims map[string]any
	}{
		"nothing: an RFC 9068 token without a binding": {
			claims: map[string]any{
				"iss": as.Issuer(), "sub": "client", "client_id": "client", "aud": "https://api.example",
				"iat": at(0), "exp": at(5 * time.Minute),
			},
		},
		"everything": {
			spec: bindingtest.TokenSpec{
				Subject: "alice", ClientID: "app", Audience: []string{"https://a.example", "https://b.example"},
				Scopes: []string{"accounts", "payments"}, Certificate: certificate.Leaf, ExpiresIn: time.Hour,
			},
			claims: map[string]any{
				"iss": as.Issuer(), "sub": "alice", "client_id": "app",
				"aud": []any{"https://a.example", "https://b.example"}, "scope": "accounts payments",
				"iat": at(0), "exp": at(time.Hour), "cnf": confirmation(certificate),
			},
		},
		"one audience is a string": {
			spec: bindingtest.TokenSpec{ClientID: "app", Audience: []string{"https://a.example"}},
			claims: map[string]any{
				"iss": as.Issuer(), "sub": "app", "client_id": "app", "aud": "https://a.example",
				"iat": at(0), "exp": at(5 * time.Minute),
			},
		},
		"expired: issued a lifetime earlier": {
			spec: bindingtest.TokenSpec{ExpiresIn: -time.Hour},
			claims: map[string]any{
				"iss": as.Issuer(), "sub": "client", "client_id": "client", "aud": "https://api.example",
				"iat": at(-time.Hour - 5*time.Minute), "exp": at(-time.Hour),
			},
		},
		"claims and header amended": {
			spec: bindingtest.TokenSpec{
				Certificate: certificate.Leaf,
				Claims:      map[string]any{"iat": nil, "sub": nil, "cnf": map[string]any{"jkt": "x"}, "scp": []string{"a"}},
				Header:      map[string]any{"typ": nil, "kid": "another", "extra": 1},
			},
			header: map[string]any{"alg": "ES256", "kid": "another", "extra": 1.0},
			claims: map[string]any{
				"iss": as.Issuer(), "client_id": "client", "aud": "https://api.example",
				"exp": at(5 * time.Minute), "cnf": map[string]any{"jkt": "x"}, "scp": []any{"a"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := as.Token(test.spec)
			require.NoError(t, err)
			header, claims := decode(t, token)
			if test.header == nil {
				test.header = map[string]any{"alg": "ES256", "kid": as.KeyID(), "typ": "at+jwt"}
				verify(t, as, token)
			}
			require.Equal(t, test.header, header)
			require.NotEmpty(t, claims["jti"])
			delete(claims, "jti")
			require.Equal(t, test.claims, claims)
		})
	}
}

func TestConfigShapesEveryToken(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{
		Audience: "https://bank.example", TokenType: "JWT", Lifetime: time.Minute, Clock: fixedClock,
		Claims: map[string]any{"scp": []string{"a"}, "jti": nil}, Header: map[string]any{"x": "y"},
	})
	token, err := as.Token(bindingtest.TokenSpec{Claims: map[string]any{"scp": "b"}})
	require.NoError(t, err)
	header, claims := decode(t, token)
	require.Equal(t, map[string]any{"alg": "ES256", "kid": as.KeyID(), "typ": "JWT", "x": "y"}, header)
	require.Equal(t, map[string]any{
		"iss": as.Issuer(), "sub": "client", "client_id": "client", "aud": "https://bank.example",
		"iat": at(0), "exp": at(time.Minute), "scp": "b",
	}, claims)
}

func TestAForgedTokenPassesItselfOffAsGood(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{Clock: fixedClock})
	certificate := clientCertificate(t, as, "client-1")
	forged, err := as.Token(bindingtest.TokenSpec{Certificate: certificate.Leaf, ForgedSignature: true})
	require.NoError(t, err)
	header, claims := decode(t, forged)
	require.Equal(t, as.KeyID(), header["kid"])
	require.Equal(t, confirmation(certificate), claims["cnf"])
	_, err = jws.Verify([]byte(forged), jws.WithKeySet(published(t, as)))
	require.Error(t, err)
}

func TestSignRawKeepsEveryByte(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	header := `{"alg":"ES256", "kid":"` + as.KeyID() + `"}`
	payload := "{\"iss\":\"a\",\"iss\":\"b\",\"x\":\"\xff\"}"
	token, err := as.SignRaw([]byte(header), []byte(payload))
	require.NoError(t, err)
	segments := strings.Split(token, ".")
	require.Equal(t, header, string(unbase64(t, segments[0])))
	require.Equal(t, payload, string(unbase64(t, segments[1])))
	_, err = jws.Verify([]byte(token), jws.WithKeySet(published(t, as)))
	require.NoError(t, err)
}

func TestTokenReportsWhatHasNoJSONForm(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	_, err := as.Token(bindingtest.TokenSpec{Claims: map[string]any{"exp": math.NaN()}})
	require.ErrorContains(t, err, "claims")
	_, err = as.Token(bindingtest.TokenSpec{Header: map[string]any{"x": math.Inf(1)}})
	require.ErrorContains(t, err, "header")
}

func TestTokensAreSignedConcurrentlyWithRotation(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			_, err := as.Token(bindingtest.TokenSpec{ForgedSignature: true})
			if err == nil {
				err = as.Rotate()
			}
			if err == nil {
				_, err = as.Token(bindingtest.TokenSpec{})
			}
			if err != nil {
				t.Error(err)
			}
			_ = as.JWKS()
		})
	}
	group.Wait()
	require.Equal(t, 21, published(t, as).Len())
}
