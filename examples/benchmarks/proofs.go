package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/examples/benchmarks/internal/measure"
	"github.com/certbound/certbound/examples/benchmarks/internal/report"
	"github.com/certbound/certbound/examples/benchmarks/internal/subject"
	"github.com/certbound/certbound/jwks/dpop"
)

// What is promised of DPoP proofs.
const (
	proofLimit       = 1.05 // times bare
	handlerLimit     = 1.10 // times bare
	handlerAllocs    = 30
	refusedLimit     = 0.08 // times bare
	rememberingLimit = 2    // per cent of bare
	rememberedLimit  = 40   // bytes
)

// proofs measures DPoP proofs, on one processor.
func (r *run) proofs() error {
	return onProcessors(1, func() (err error) {
		contest, err := subject.NewProofContest(r.count(pool))
		if err != nil {
			return err
		}
		defer closing(contest, &err)
		if err := r.acceptedProofs(contest); err != nil {
			return err
		}
		if err := r.refusedProofs(contest); err != nil {
			return err
		}
		return r.manyProofs(contest)
	})
}

func (r *run) acceptedProofs(contest *subject.ProofContest) error {
	defer r.begin("accepted proofs")()
	var works []measure.Work
	var allocations int
	for _, contender := range contest.Contenders {
		work := workOf(contender, r.count(pool))
		works = append(works, work)
		n, err := measure.Allocations(work, r.count(pool))
		if err != nil {
			return err
		}
		if contender.Name == subject.ProofHandlerName {
			allocations = n
		}
	}
	samples, err := r.plan(51, 25*time.Millisecond).Run(works, r.round)
	if err != nil {
		return err
	}
	s := standing{"ES256", samples}
	bare := s.of(subject.BareName)
	for _, ours := range []struct{ name, of string }{{subject.ProofName, "without nonces"}, {subject.ProofNonceName, "with nonces"}} {
		r.add(report.AtMost("a DPoP proof (ES256), accepted", ours.of, "%.2f × bare", proofLimit, measure.Ratio(s.of(ours.name), bare).Median))
	}
	r.add(
		report.AtMost("a DPoP proof with a seen token, through bindhttp to the handler", "", "%.2f × bare", handlerLimit,
			measure.Ratio(s.of(subject.ProofHandlerName), bare).Median),
		report.AtMost("a DPoP proof with a seen token, through bindhttp: allocations", "", "%.0f", handlerAllocs, float64(allocations)),
	)
	for _, peer := range subject.ProofPeers() {
		times := measure.Ratio(s.of(peer.Name), s.of(subject.ProofName)).Median
		r.add(report.NewRow("a DPoP proof, accepted by another library, to ours", "more than 1.00 ×", peer.Name, "%.2f ×", times, times > 1))
	}
	return r.remembering(contest)
}

// remembering measures what it takes to remember a proof, which is a hundredth of what it takes to accept one: by a verifier that
// does, and one that does not, in many short turns.
func (r *run) remembering(contest *subject.ProofContest) error {
	var works []measure.Work
	for _, name := range []string{subject.ProofName, subject.ProofReplaysName, subject.BareName} {
		works = append(works, workOf(contest.Contender(name), r.count(pool)))
	}
	samples, err := r.plan(301, 10*time.Millisecond).Run(works, nil)
	if err != nil {
		return err
	}
	var differences measure.Sample
	for i, nanos := range samples[0].Nanos {
		differences.Nanos = append(differences.Nanos, nanos-samples[1].Nanos[i])
	}
	took := max(0, differences.Median())
	r.add(report.AtMost("a DPoP proof: remembering that it was used", "", "%.1f %% of bare", rememberingLimit, 100*took/samples[2].Median()))
	return nil
}

// Proofs that are refused before their signature is looked at.
var proofFloods = []struct {
	name   string
	reason binding.Reason // "": by the guard, for its key
	make   func(p *subject.Prover, good subject.Claims) (string, error)
}{
	{"garbage", binding.ReasonProofMalformed, func(*subject.Prover, subject.Claims) (string, error) { return text(500), nil }},
	{"garbage in three parts", binding.ReasonProofMalformed, func(*subject.Prover, subject.Claims) (string, error) {
		return text(240) + "." + text(200) + "." + text(86), nil
	}},
	{"another method", binding.ReasonProofMethod, func(p *subject.Prover, claims subject.Claims) (string, error) {
		claims.Method = http.MethodPost
		return p.Proof(claims)
	}},
	{"another URI", binding.ReasonProofURI, func(p *subject.Prover, claims subject.Claims) (string, error) {
		claims.URI = strings.Replace(claims.URI, "accounts", "payments", 1)
		return p.Proof(claims)
	}},
	{"old", binding.ReasonProofExpired, func(p *subject.Prover, claims subject.Claims) (string, error) {
		claims.IssuedAt -= 3600
		return p.Proof(claims)
	}},
	{"another token", binding.ReasonProofToken, func(p *subject.Prover, claims subject.Claims) (string, error) {
		claims.Token = text(43)
		return p.Proof(claims)
	}},
	{"another key", "", func(p *subject.Prover, claims subject.Claims) (string, error) { return p.Proof(claims) }},
}

// refusedProofs are those of a sender with a key of its own, who has the token. No two are alike.
func (r *run) refusedProofs(contest *subject.ProofContest) error {
	defer r.begin("refused proofs")()
	thief, err := subject.NewProver("ES256", contest.Prover.Issuer)
	if err != nil {
		return err
	}
	thief.Token, thief.Now = contest.Prover.Token, contest.Prover.Now
	works := []measure.Work{workOf(contest.Contender(subject.BareName), r.count(pool))}
	for _, flood := range proofFloods {
		v, err := contest.Prover.NewVerifier(nil)
		if err != nil {
			return err
		}
		requests := make([]*http.Request, r.count(pool))
		for i := range requests {
			proof, err := flood.make(thief, thief.Claims())
			if err != nil {
				return err
			}
			requests[i] = thief.Request(proof)
		}
		next := 0
		works = append(works, measure.Work{Name: flood.name, Once: func() error {
			next++
			proof, err := v.ReadProof(requests[next%len(requests)], thief.Token)
			if flood.reason == "" && err == nil && !contest.Prover.Thumbprint.Matches(proof.Key) {
				return nil
			}
			var refusal *binding.Error
			if !errors.As(err, &refusal) || refusal.Reason != flood.reason {
				return fmt.Errorf("not refused as %q: %w", flood.reason, err)
			}
			return nil
		}})
	}
	samples, err := r.plan(25, 10*time.Millisecond).Run(works, r.round)
	if err != nil {
		return err
	}
	for i, flood := range proofFloods {
		r.add(report.AtMost("a DPoP proof that is refused before its signature", flood.name, "%.2f × bare", refusedLimit,
			measure.Ratio(samples[i+1], samples[0]).Median))
	}
	return nil
}

// manyProofs compares a verifier that remembers a million proofs with one that remembers a thousand.
func (r *run) manyProofs(contest *subject.ProofContest) error {
	defer r.begin("many proofs")()
	signer, err := subject.NewProver("EdDSA", contest.Prover.Issuer) // the cheapest to sign
	if err != nil {
		return err
	}
	room := func(config *dpop.Config) { config.MaxProofs = many + many/10 }
	before := measure.Heap()
	old, err := signer.NewVerifier(room)
	if err != nil {
		return err
	}
	use := func(v *dpop.Verifier, count int) error {
		for left := count; left > 0; left -= pool {
			requests, err := signer.Requests(min(left, pool), "")
			if err != nil {
				return err
			}
			for _, request := range requests {
				if err := signer.Accept(v, request); err != nil {
					return err
				}
			}
			if left/pool%50 == 0 {
				r.round(0)
			}
		}
		return nil
	}
	count := r.count(many)
	if err := use(old, count); err != nil {
		return err
	}
	bytes := float64(measure.Heap() - before)
	held := old.Stats().Held
	if held != count {
		return fmt.Errorf("%d of %d proofs are remembered", held, count)
	}
	r.add(
		report.AtMost("a million DPoP proofs that were used: memory of each", "", "%.0f bytes", rememberedLimit, bytes/float64(count)),
		report.AtMost("a million DPoP proofs that were used: memory of all", "", "%.0f MB", many*rememberedLimit/1e6, bytes/1e6),
	)

	works := []measure.Work{firstUse("after", signer, old)}
	for _, name := range []string{"before", "before, again"} {
		young, err := signer.NewVerifier(room)
		if err != nil {
			return err
		}
		if err := use(young, min(count, 1000)); err != nil {
			return err
		}
		works = append(works, firstUse(name, signer, young))
	}
	samples, err := r.plan(25, 20*time.Millisecond).Run(works, r.round)
	if err != nil {
		return err
	}
	growth, noise := measure.Ratio(samples[0], samples[1]), measure.Ratio(samples[2], samples[1])
	r.add(flat("a DPoP proof, accepted, after a million instead of 1,000", growth, noise))
	return nil
}

// firstUse has a verifier accept proofs that were not there before.
func firstUse(name string, signer *subject.Prover, v *dpop.Verifier) measure.Work {
	var requests []*http.Request
	return measure.Work{
		Name: name,
		Prepare: func(n int) (err error) {
			requests, err = signer.Requests(n, "")
			return err
		},
		Once: func() error {
			if len(requests) == 0 {
				return errSpent
			}
			r := requests[0]
			requests = requests[1:]
			return signer.Accept(v, r)
		},
	}
}
