package jwks_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/binding"
)

// N/428: an API that starts while the issuer is away serves soon after the
// issuer's return, however long that took.
func TestReturnOfTheIssuerAfterAStart(t *testing.T) {
	key := newFaultKey("1")
	for name, test := range map[string]struct {
		leaves  func(*pipeNetwork, *faultIssuer)
		returns func(*pipeNetwork, *faultIssuer)
		within  time.Duration
	}{
		"N/428 it refuses connections": {
			func(network *pipeNetwork, _ *faultIssuer) { network.fail(true) },
			func(network *pipeNetwork, _ *faultIssuer) { network.fail(false) },
			5 * time.Second,
		},
		"N/428 it answers 502": {
			func(_ *pipeNetwork, issuer *faultIssuer) { issuer.answer(status(502, "")) },
			func(_ *pipeNetwork, issuer *faultIssuer) { issuer.publish(key) },
			5 * time.Second,
		},
		"N/428 it is silent": {
			func(_ *pipeNetwork, issuer *faultIssuer) { issuer.answer(hang); issuer.answerMetadata(hang) },
			func(_ *pipeNetwork, issuer *faultIssuer) {
				issuer.publish(key)
				issuer.answerMetadata(issuer.goodMetadata)
			},
			10 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, away := range []time.Duration{time.Minute, 10 * time.Minute} {
				for range 10 { // for the jitter
					bubble(t, func(t *testing.T, network *pipeNetwork, issuer *faultIssuer) {
						test.leaves(network, issuer)
						v := newFaultVerifier(t, issuer, network.transport(t))
						time.Sleep(away)
						require.Error(t, v.Ready())
						test.returns(network, issuer)
						returned := time.Now()
						for {
							err := v.err(t, key.token(issuer.url))
							if err == nil {
								break
							}
							require.NoError(t, isLacking(err))
							time.Sleep(min(binding.AsError(err).RetryAfter, 100*time.Millisecond))
						}
						require.LessOrEqual(t, time.Since(returned), test.within+200*time.Millisecond)
						time.Sleep(10 * time.Second) // for connections that both sides end
					}, key)
				}
			}
		})
	}
}
