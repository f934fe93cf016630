package dpop

import "time"

// Stats are a Verifier's figures, for metrics.
type Stats struct {
	// Held is how many used proofs the memory in this process holds, and Capacity
	// how many it has room for: both 0 with a ReplayStore.
	Held, Capacity int

	// Window is how long a proof that is made now is good. Below Config.MaxAge
	// (with nonces four fifths of NonceLifetime) the memory is too small for the
	// requests there are.
	Window time.Duration

	// Remembered is how many proofs were used for the first time, and Replayed how
	// many were refused because they had been used, since New.
	Remembered, Replayed uint64
}

// Stats returns the figures of this moment. It is cheap enough for every few
// seconds.
func (v *Verifier) Stats() Stats {
	s := Stats{Window: v.maxAge, Remembered: v.remembered.Load(), Replayed: v.replayed.Load()}
	if v.nonces != nil {
		s.Window = time.Duration((nonceSteps-1)*v.nonces.step) * time.Second
	}
	if v.memory != nil {
		s.Held, s.Window = v.memory.stats(v.clock().Unix())
		s.Capacity = v.memory.most * len(v.memory.shards)
	}
	return s
}
