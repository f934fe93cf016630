package bindotel_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/adapters/bindotel"
	"github.com/certbound/certbound/binding"
)

// A client that is told the nonce that its proof must hold made no error (RFC 9449 §9).
func TestNonceIsAnOutcomeOfItsOwn(t *testing.T) {
	t.Parallel()
	m := newMeter(t, bindotel.Config{})
	m.observer.Observe(t.Context(), refused(binding.ReasonProofNonce, "", ""))
	m.observer.Observe(t.Context(), refused(binding.ReasonProofNonceMissing, "", ""))
	m.observer.Observe(t.Context(), refused(binding.ReasonProofReplayed, "", ""))
	require.Equal(t, map[string]float64{
		"certbound.outcome=nonce,error.type=proof_nonce":         1,
		"certbound.outcome=nonce,error.type=proof_nonce_missing": 1,
		"certbound.outcome=refused,error.type=proof_replayed":    1,
	}, take(m.collect(t), "certbound.decisions"))
}
