package jwks_test

import (
	"testing"

	"github.com/stretchr/testify/require"

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
		allocations := func(v *jwks.Verifier) float64 {
			requireAccepted(t, v, token)
			return testing.AllocsPerRun(20, func() { _, _ = v.VerifyToken(t.Context(), token) })
		}
		signatureAlone := testing.AllocsPerRun(20, func() { bare(key, alg, input, signature) })
		require.LessOrEqual(t, allocations(first)-signatureAlone, 10.0, alg)
		require.Zero(t, allocations(seen), alg)
	}
}

// A header is remembered once the signature was good, not before: a forged token's is read each time.
func TestHeaderOfAForgedTokenIsNotRemembered(t *testing.T) {
	as, token := benchmarkToken(t, jwks.ES256)
	v := as.verifier(t)
	requireAccepted(t, v, token)
	s := signerOf(jwks.ES256)
	claims := as.claims().String()
	allocations := func(kid string) float64 {
		forged := flip(s.sign(s.header(kid).String(), claims), 2, 0)
		return testing.AllocsPerRun(20, func() { _, _ = v.VerifyToken(t.Context(), forged) })
	}
	known := allocations("2026-11-key-1")
	require.Greater(t, allocations("2026-11-key-2"), known+10)
	require.Greater(t, allocations("2026-11-key-2"), known+10)
}
