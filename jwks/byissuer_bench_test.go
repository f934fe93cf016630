package jwks_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/jwks"
)

// BenchmarkByIssuerSeen: a token that was seen costs the same with one issuer as
// with a thousand.
func BenchmarkByIssuerSeen(b *testing.B) {
	key := newFaultKey("1")
	for _, issuers := range []int{1, 1_000} {
		var verifiers []*jwks.Verifier
		var token string
		for n := range issuers {
			iss := fmt.Sprintf("https://%d.example", n)
			v, err := jwks.New(jwks.Config{
				Issuer: iss, Audiences: []string{faultAudience}, Keys: []byte(jwkSetOf(key)),
				Clock: func() time.Time { return faultNoon },
			})
			require.NoError(b, err)
			verifiers, token = append(verifiers, v), key.token(iss)
		}
		v, err := jwks.ByIssuer(verifiers...)
		require.NoError(b, err)
		requireAccepted(b, v, token)
		b.Run(fmt.Sprint(issuers, " issuers"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = v.VerifyToken(b.Context(), token)
			}
		})
	}
}
