package jws_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/internal/jws"
)

func TestSupportsTheAlgorithmsOfJWKS(t *testing.T) {
	t.Parallel()
	for _, alg := range []jwks.Algorithm{
		jwks.RS256, jwks.RS384, jwks.RS512, jwks.PS256, jwks.PS384, jwks.PS512,
		jwks.ES256, jwks.ES384, jwks.ES512, jwks.EdDSA, jwks.Ed25519,
	} {
		require.True(t, jws.Supports(string(alg)), alg)
	}
	for _, alg := range []string{"", "none", "None", "HS256", "HS384", "HS512", "es256", "ES256K", "Ed448", "RSA1_5", "ES521"} {
		require.False(t, jws.Supports(alg), alg)
	}
}
