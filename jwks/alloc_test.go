package jwks_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
)

// What a verification allocates is exact, and the same on every machine. Not
// parallel: the allocations of the whole process are counted.
func TestAllocationsOfAVerification(t *testing.T) {
	for _, alg := range benchmarked {
		as, token := benchmarkToken(t, alg)
		key := signerOf(alg).private.Public()
		input, signature := signedPart(token)
		first := as.verifier(t, func(c *jwks.Config) { c.SeenTokens = -1 })
		seen := as.verifier(t)
		byIssuer, err := jwks.ByIssuer(seen)
		require.NoError(t, err)
		byFunc, err := jwks.ByIssuerFunc(jwks.IssuersConfig{Config: func(context.Context, string) (jwks.Config, error) {
			return jwks.Config{Issuer: as.Issuer(), Audiences: []string{as.Audience()}, Transport: as.Transport(), Clock: newClock().now}, nil
		}})
		require.NoError(t, err)
		defer byFunc.Close()
		allocations := func(v binding.TokenVerifier) float64 {
			requireAccepted(t, v, token)
			return leastAllocations(func() { _, _ = v.VerifyToken(t.Context(), token) })
		}
		signatureAlone := leastAllocations(func() { bare(key, alg, input, signature) })
		require.LessOrEqual(t, allocations(first)-signatureAlone, 10.0, alg)
		require.Zero(t, allocations(seen), alg)
		require.Zero(t, allocations(byIssuer), alg)
		require.Zero(t, allocations(byFunc), alg)
	}
}

// leastAllocations is the least number of many single times: what else the process does, and the race detector, allocate now
// and then.
func leastAllocations(f func()) float64 {
	least := testing.AllocsPerRun(1, f)
	for range 50 {
		least = min(least, testing.AllocsPerRun(1, f))
	}
	return least
}

// A header is remembered once the signature was good, not before: a forged token's is read each time.
func TestHeaderOfAForgedTokenIsNotRemembered(t *testing.T) {
	as, token := benchmarkToken(t, jwks.ES256)
	v := as.verifier(t)
	requireAccepted(t, v, token)
	s := signerOf(jwks.ES256)
	claims := as.claims().String()
	const kid = "2026-11-key-1"
	allocations := func(header raw) float64 {
		forged := flip(s.sign(header.String(), claims), 2, 0)
		return leastAllocations(func() { _, _ = v.VerifyToken(t.Context(), forged) })
	}
	known := allocations(s.header(kid))
	require.Greater(t, allocations(s.header(kid).with("odd", "1")), known+1)
	require.Greater(t, allocations(s.header(kid).with("odd", "1")), known+1)
}
