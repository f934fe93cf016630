package subject

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/certbound/certbound/adapters/bindhttp"
	"github.com/certbound/certbound/binding"
	"github.com/certbound/certbound/jwks"
	"github.com/certbound/certbound/jwks/dpop"
)

// The names of the contenders for proofs that are no peers.
const (
	ProofName        = "certbound"
	ProofNonceName   = "certbound-nonces"
	ProofReplaysName = "certbound-replays" // which does not remember the proofs
	ProofHandlerName = "certbound-handler"
)

// A ProofContest is all the contenders for the acceptance of an ES256 proof. A proof is good once: each contender remembers
// those that it has seen, and gets new ones when its pool is at its end.
type ProofContest struct {
	Prover     *Prover
	Contenders []*Contender

	requests []*http.Request
	tokens   *jwks.Verifier
}

// NewProofContest makes a contest with a pool of that many proofs. Close it when done.
func NewProofContest(pool int) (_ *ProofContest, err error) {
	issuer, err := NewIssuer("ES256", 0)
	if err != nil {
		return nil, err
	}
	c := &ProofContest{}
	defer func() {
		if err != nil {
			issuer.Close()
		}
	}()
	if c.Prover, err = NewProver("ES256", issuer); err != nil {
		return nil, err
	}
	if c.requests, err = c.Prover.Requests(pool, ""); err != nil {
		return nil, err
	}
	if err := c.addBare(); err != nil {
		return nil, err
	}
	if err := c.addOurs(); err != nil {
		return nil, err
	}
	if err := c.addHandler(); err != nil {
		return nil, err
	}
	for _, peer := range ProofPeers() {
		check, err := peer.new(c.Prover)
		if err == nil {
			err = c.add(peer.Name, "", check)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", peer.Name, err)
		}
	}
	return c, nil
}

// Contender returns the one of the name.
func (c *ProofContest) Contender(name string) *Contender {
	for _, contender := range c.Contenders {
		if contender.Name == name {
			return contender
		}
	}
	panic("subject: no contender " + name)
}

// Close ends the issuer and what fetches its keys.
func (c *ProofContest) Close() error {
	err := c.tokens.Close()
	c.Prover.Issuer.Close()
	return err
}

// add adds a contender for proofs with the nonce, if that is not "".
func (c *ProofContest) add(name, nonce string, check func(*http.Request) error) error {
	contender := &Contender{Name: name, Check: check}
	var requests []*http.Request
	contender.once = func(i int) error { return check(requests[i]) }
	contender.renew = func() (err error) {
		requests, err = c.Prover.Requests(len(c.requests), nonce)
		contender.pool = len(requests)
		return err
	}
	c.Contenders = append(c.Contenders, contender)
	return contender.renew()
}

func (c *ProofContest) addBare() error {
	signed := make([]Signed, len(c.requests))
	for i, r := range c.requests {
		var err error
		if signed[i], err = TakeApart(r.Header["Dpop"][0]); err != nil {
			return err
		}
	}
	key := c.Prover.private.Public()
	c.Contenders = append(c.Contenders, &Contender{
		Name: BareName, pool: len(signed), once: func(i int) error { return Bare("ES256", key, signed[i]) },
	})
	return nil
}

// addOurs adds what package dpop does by itself.
func (c *ProofContest) addOurs() error {
	for _, ours := range []struct {
		name   string
		change func(*dpop.Config)
	}{
		{ProofName, nil},
		{ProofNonceName, func(config *dpop.Config) { config.RequireNonce = true }},
		{ProofReplaysName, func(config *dpop.Config) { config.DangerouslyAcceptReplays = true }},
	} {
		v, err := c.Prover.NewVerifier(ours.change)
		if err != nil {
			return err
		}
		if err := c.add(ours.name, v.Nonce(), func(r *http.Request) error { return c.Prover.Accept(v, r) }); err != nil {
			return err
		}
	}
	return nil
}

// addHandler adds the whole way, with a token that the guard has seen before.
func (c *ProofContest) addHandler() error {
	issuer := c.Prover.Issuer
	keys, err := newGuard(jwks.Config{Issuer: issuer.Issuer(), Audiences: []string{Audience}, Transport: issuer.Transport()})
	if err != nil {
		return err
	}
	c.tokens = keys.tokens
	if _, err := c.tokens.VerifyToken(c.requests[0].Context(), c.Prover.Token); err != nil {
		return errors.Join(err, c.tokens.Close())
	}
	proofs, err := c.Prover.NewVerifier(nil)
	if err != nil {
		return err
	}
	guard, err := binding.New(binding.Config{Tokens: c.tokens, Proofs: proofs})
	if err != nil {
		return err
	}
	var proven bool
	handler := bindhttp.Protect(guard)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, proven = binding.TokenFromContext(r.Context())
	}))
	w := NewWriter()
	return c.add(ProofHandlerName, "", func(r *http.Request) error {
		proven = false
		handler.ServeHTTP(w, r)
		if !proven {
			return errNotProven
		}
		return nil
	})
}
