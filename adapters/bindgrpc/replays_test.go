package bindgrpc_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/certbound/certbound/adapters/internal/suite"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/binding/bindingtest"
	"github.com/certbound/certbound/jwks/dpop"
)

// L/370: of a proof that comes 200 times at once one call is answered.
func TestAProofManyTimesAtOnce(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	key := newKey(t)
	token := f.Token(t, bindingtest.TokenSpec{Key: key.Public()})
	for kind, method := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			site := protected(t, f, f.Guard(t, binding.Config{Proofs: proofs(t, dpop.Config{})}))
			connection := site.as(t, f.Nobody)
			proof := proofOf(t, bindingtest.ProofSpec{Key: key, Method: "POST", URL: origin + method, Token: token})
			answers := make([]answered, 200)
			var calls sync.WaitGroup
			for n := range answers {
				calls.Go(func() { answers[n] = call(t, connection, kind, "authorization", "DPoP "+token, "dpop", proof) })
			}
			calls.Wait()
			require.Len(t, site.api.visited(), 1, "how often the method ran")
			messages := make(map[string]int)
			for _, a := range answers {
				messages[a.Code().String()+": "+a.Message()]++
			}
			require.Equal(t, map[string]int{"OK: ": 1, "Unauthenticated: the DPoP proof was used before": 199}, messages)
		})
	}
}

// L/376: a memory of proofs that is away is nobody's fault, and lets nobody in.
func TestMemoryOfProofsIsAway(t *testing.T) {
	t.Parallel()
	f := suite.NewFixture(t)
	key := newKey(t)
	token := f.Token(t, bindingtest.TokenSpec{Key: key.Public()})
	for name, store := range map[string]storeFunc{
		"an error": func(context.Context) (bool, error) { return false, errors.New("away") },
		"a new proof and an error": func(context.Context) (bool, error) {
			return true, errors.New("away")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := protected(t, f, f.Guard(t, binding.Config{Proofs: proofs(t, dpop.Config{Replays: store})}))
			for kind, method := range kinds {
				proof := proofOf(t, bindingtest.ProofSpec{Key: key, Method: "POST", URL: origin + method, Token: token})
				site.refused(t, call(t, site.as(t, f.Nobody), kind, "authorization", "DPoP "+token, "dpop", proof), refusal{
					code: codes.Unavailable, reason: "temporarily_unavailable", retry: 1,
					message: "the DPoP proof cannot be checked at present",
				})
			}
		})
	}
}

type storeFunc func(context.Context) (bool, error)

func (f storeFunc) Remember(ctx context.Context, _ [32]byte, _ time.Duration) (bool, error) {
	return f(ctx)
}
