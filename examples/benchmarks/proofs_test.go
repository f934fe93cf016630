package main_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/certbound/certbound/examples/benchmarks/internal/subject"
)

// What is measured is the work and not an error on its way: each contender accepts a good proof once, and refuses what is not.
func TestEachContenderAcceptsProofs(t *testing.T) {
	t.Parallel()
	const pool = 4
	contest, err := subject.NewProofContest(pool)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, contest.Close()) })
	require.Len(t, contest.Contenders, 5+len(subject.ProofPeers()))
	thief, err := subject.NewProver("ES256", contest.Prover.Issuer)
	require.NoError(t, err)
	thief.Token, thief.Now = contest.Prover.Token, contest.Prover.Now
	for _, contender := range contest.Contenders {
		t.Run(contender.Name, func(t *testing.T) {
			for range pool {
				require.NoError(t, contender.Once())
			}
			if contender.Name == subject.BareName {
				return // the signature is all that it looks at
			}
			require.Zero(t, contender.Left())
			require.Error(t, contender.Once())
			require.NoError(t, contender.Renew())
			require.NoError(t, contender.Once())
			if contender.Name == subject.ProofNonceName {
				return
			}

			check := func(p *subject.Prover, change func(*subject.Claims)) error {
				claims := p.Claims()
				if change != nil {
					change(&claims)
				}
				proof, err := p.Proof(claims)
				require.NoError(t, err)
				return contender.Check(p.Request(proof))
			}
			require.NoError(t, check(contest.Prover, nil))
			require.Error(t, check(thief, nil))
			require.Error(t, check(contest.Prover, func(c *subject.Claims) { c.Method = http.MethodPost }))
			require.Error(t, check(contest.Prover, func(c *subject.Claims) { c.URI = "https://evil.example/accounts" }))
			require.Error(t, check(contest.Prover, func(c *subject.Claims) { c.Token = c.ID }))
			require.Error(t, check(contest.Prover, func(c *subject.Claims) { c.IssuedAt -= 3600 }))
			good, err := contest.Prover.Requests(1, "")
			require.NoError(t, err)
			require.NoError(t, contender.Check(good[0]))
			again := contender.Check(good[0])
			require.Equal(t, contender.Name == subject.ProofReplaysName, again == nil, "%v", again)
		})
	}
}

// A proof is about as long as those of clients in use.
func TestLengthOfAProof(t *testing.T) {
	t.Parallel()
	contest, err := subject.NewProofContest(1)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, contest.Close()) })
	proof, err := contest.Prover.Proof(contest.Prover.Claims())
	require.NoError(t, err)
	require.InDelta(t, 510, len(proof), 40)
}
