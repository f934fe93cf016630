package bindingtest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding/bindingtest"
)

// RFC 7638 §3.1, and RFC 8037 appendix A.3.
func TestKeyThumbprint(t *testing.T) {
	t.Parallel()
	decoded := func(text string) []byte {
		value, err := base64.RawURLEncoding.DecodeString(text)
		require.NoError(t, err)
		return value
	}
	for want, key := range map[string]crypto.PublicKey{
		"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs": &rsa.PublicKey{E: 65537, N: new(big.Int).SetBytes(decoded(
			"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"))},
		"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k": ed25519.PublicKey(decoded("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")),
	} {
		got, err := bindingtest.KeyThumbprint(key)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestKeyThumbprintOfWhatIsNoKey(t *testing.T) {
	t.Parallel()
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	for name, key := range map[string]crypto.PublicKey{
		"nil": nil, "nil of a type": (*ecdsa.PublicKey)(nil), "a private key": newKey(t), "P-224": small.Public(),
		"a short one": ed25519.PublicKey("a"), "a secret": []byte("0123456789abcdef0123456789abcdef"),
	} {
		_, err := bindingtest.KeyThumbprint(key)
		require.Error(t, err, name)
	}
}

func TestTokenIsBoundToItsKey(t *testing.T) {
	t.Parallel()
	as := newServer(t, bindingtest.Config{})
	key, certificate := newKey(t), clientCertificate(t, as, "alice")
	thumbprint, err := bindingtest.KeyThumbprint(key.Public())
	require.NoError(t, err)
	for want, spec := range map[string]bindingtest.TokenSpec{
		`{"jkt":"` + thumbprint + `"}`: {Key: key.Public()},
		`{"jkt":"` + thumbprint + `","x5t#S256":"` + bindingtest.Thumbprint(certificate.Leaf) + `"}`: {Key: key.Public(), Certificate: certificate.Leaf},
	} {
		token, err := as.Token(spec)
		require.NoError(t, err)
		require.JSONEq(t, want, jsonOf(t, verify(t, as, token)["cnf"]))
		opaque, err := as.OpaqueToken(spec)
		require.NoError(t, err)
		answer := as.Introspection(opaque)
		require.JSONEq(t, want, jsonOf(t, answer["cnf"]))
		require.Equal(t, "DPoP", answer["token_type"])
	}
	_, err = as.Token(bindingtest.TokenSpec{Key: key})
	require.ErrorContains(t, err, "kind", "a private key is none")
	_, err = as.OpaqueToken(bindingtest.TokenSpec{Key: key})
	require.ErrorContains(t, err, "kind")
}

func TestProofSaysWhatItsSpecSays(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	good := map[string]any{"htm": "GET", "htu": "https://api.example/accounts", "iat": at(0)}
	with := func(members ...any) map[string]any {
		claims := map[string]any{}
		for name, value := range good {
			claims[name] = value
		}
		for i := 0; i < len(members); i += 2 {
			claims[members[i].(string)] = members[i+1]
		}
		return claims
	}
	for name, test := range map[string]struct {
		spec   bindingtest.ProofSpec
		header map[string]any // beside jwk
		claims map[string]any
	}{
		"key and URL":                {bindingtest.ProofSpec{URL: "https://api.example/accounts"}, nil, good},
		"a query and a fragment":     {bindingtest.ProofSpec{URL: "https://api.example/accounts?a=b#c"}, nil, good},
		"a fragment with a question": {bindingtest.ProofSpec{URL: "https://api.example/accounts#c?a"}, nil, good},
		"everything": {
			bindingtest.ProofSpec{Method: "POST", URL: "https://api.example/accounts", Token: "a", Nonce: "n", Algorithm: "ES256"}, nil,
			with("htm", "POST", "nonce", "n", "ath", "ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs"),
		},
		"claims and header amended": {
			bindingtest.ProofSpec{
				URL: "https://api.example/accounts", Claims: map[string]any{"iat": "now", "sub": "alice"},
				Header: map[string]any{"typ": "JWT", "kid": "k"},
			},
			map[string]any{"alg": "ES256", "typ": "JWT", "kid": "k"}, with("iat", "now", "sub", "alice"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.spec.Key, test.spec.IssuedAt = key, noon
			proof, err := bindingtest.NewProof(test.spec)
			require.NoError(t, err)
			_, err = jws.Verify([]byte(proof), jws.WithKey(jwa.ES256, key.Public()))
			require.NoError(t, err)
			header, claims := decode(t, proof)
			jwk := header["jwk"].(map[string]any)
			require.Len(t, jwk, 4, "the public members and no more")
			require.Equal(t, "P-256", jwk["crv"])
			require.NotContains(t, jwk, "d")
			delete(header, "jwk")
			if test.header == nil {
				test.header = map[string]any{"alg": "ES256", "typ": "dpop+jwt"}
			}
			require.Equal(t, test.header, header)
			require.NotEmpty(t, claims["jti"])
			delete(claims, "jti")
			require.Equal(t, test.claims, claims)
		})
	}
}

func TestProofIsOfNowAndHasAJTIOfItsOwn(t *testing.T) {
	t.Parallel()
	spec := bindingtest.ProofSpec{Key: newKey(t), URL: apiOrigin}
	seen := make(map[any]bool)
	for range 3 {
		proof, err := bindingtest.NewProof(spec)
		require.NoError(t, err)
		_, claims := decode(t, proof)
		require.InDelta(t, time.Now().Unix(), claims["iat"], 60)
		seen[claims["jti"]] = true
	}
	require.Len(t, seen, 3)
	spec.Claims = map[string]any{"jti": "mine", "ath": nil}
	proof, err := bindingtest.NewProof(spec)
	require.NoError(t, err)
	_, claims := decode(t, proof)
	require.Equal(t, "mine", claims["jti"])
	require.NotContains(t, claims, "ath")
}

func TestProofByEveryKindOfKey(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for _, test := range []struct {
		key             crypto.Signer
		algorithm, want string
	}{
		{rsaKey, "", "RS256"}, {rsaKey, "PS256", "PS256"}, {p384, "", "ES384"}, {edwards, "", "EdDSA"}, {newKey(t), "", "ES256"},
	} {
		proof, err := bindingtest.NewProof(bindingtest.ProofSpec{Key: test.key, URL: apiOrigin, Algorithm: test.algorithm})
		require.NoError(t, err)
		header, _ := decode(t, proof)
		require.Equal(t, test.want, header["alg"])
		_, err = jws.Verify([]byte(proof), jws.WithKey(jwa.SignatureAlgorithm(test.want), test.key.Public()))
		require.NoError(t, err)
	}
}

func TestAForgedProofNamesTheKeyThatDidNotSign(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	proof, err := bindingtest.NewProof(bindingtest.ProofSpec{Key: key, URL: apiOrigin, ForgedSignature: true})
	require.NoError(t, err)
	message, err := jws.ParseString(proof)
	require.NoError(t, err)
	var named ecdsa.PublicKey
	require.NoError(t, message.Signatures()[0].ProtectedHeaders().JWK().Raw(&named))
	require.True(t, named.Equal(key.Public()))
	_, err = jws.Verify([]byte(proof), jws.WithKey(jwa.ES256, key.Public()))
	require.Error(t, err)
}

func TestProofsThatCannotBeMade(t *testing.T) {
	t.Parallel()
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	for want, spec := range map[string]bindingtest.ProofSpec{
		"a private key is required": {},
		"kind":                      {Key: small},
		"does not fit the key":      {Key: newKey(t), Algorithm: "RS256"},
		"claims":                    {Key: newKey(t), Claims: map[string]any{"a": make(chan int)}},
		"header":                    {Key: newKey(t), Header: map[string]any{"a": make(chan int)}},
	} {
		_, err := bindingtest.NewProof(spec)
		require.ErrorContains(t, err, want)
	}
}
