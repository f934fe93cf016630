package dpop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/certbound/certbound/binding"
)

// nonces are those of a server: what they say is a step of time, and that nobody
// without a key could have said it before (RFC 9449 §8, §11.2). They need no
// memory, and are the same on all replicas with the same keys and origins.
type nonces struct {
	origins string // nonces of another server are not ours, even by the same key (RFC 9449 §9)
	step    int64  // seconds

	keys    atomic.Pointer[[][]byte] // the first makes nonces
	current atomic.Pointer[nonceSet]
}

// A nonceSet is what is accepted during one step.
type nonceSet struct {
	step     int64
	keys     *[][]byte
	accepted []nonce // the newest of the first key at the front
}

type nonce struct {
	text  string
	step  int64
	stale bool
}

func newNonces(keys [][]byte, origins []string, lifetime time.Duration) *nonces {
	sorted := slices.Sorted(slices.Values(origins))
	n := &nonces{
		origins: strings.Join(slices.Compact(sorted), " "),
		step:    int64(lifetime/time.Second) / nonceSteps,
	}
	n.keys.Store(&keys)
	return n
}

// SetNonceKeys puts other keys in the place of Config.NonceKeys, and keeps the
// memory of used proofs: a program that reads its keys from a file need not be
// started anew to replace one. Follow the order that Config.NonceKeys states. The
// keys are copied.
//
// The error joins a [binding.ConfigError] for every mistake, of which a Verifier
// without RequireNonce is one; the keys before are then kept. There must be at
// least one key: nil is a mistake here.
func (v *Verifier) SetNonceKeys(keys [][]byte) error {
	config := Config{RequireNonce: v.nonces != nil, NonceKeys: append([][]byte{}, keys...)}
	var mistakes []error
	config.checkNonces(func(field, format string, args ...any) {
		mistakes = append(mistakes, binding.ConfigError{Field: field, Problem: fmt.Sprintf(format, args...)})
	})
	if mistakes != nil {
		return fmt.Errorf("dpop: the keys are not used: %w", errors.Join(mistakes...))
	}
	v.nonces.keys.Store(&config.NonceKeys)
	return nil
}

// at returns what is accepted at a time: the step's nonces, those of the four
// before it, and the next one's, which a replica whose clock is ahead may have
// given.
func (n *nonces) at(now time.Time) *nonceSet {
	step, keys := now.Unix()/n.step, n.keys.Load()
	if set := n.current.Load(); set != nil && set.step == step && set.keys == keys {
		return set
	}
	set := &nonceSet{step: step, keys: keys}
	for i, key := range *keys {
		for age := range int64(nonceSteps) {
			set.accepted = append(set.accepted, nonce{n.make(key, step-age), step - age, i > 0 || age > 0})
		}
		set.accepted = append(set.accepted, nonce{n.make(key, step+1), step + 1, i > 0})
	}
	n.current.Store(set)
	return set
}

// make makes the nonce of a step: 128 bits of a MAC, 22 characters.
func (n *nonces) make(key []byte, step int64) string {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte("certbound DPoP-Nonce\x00" + n.origins + "\x00"))
	_, _ = mac.Write(binary.BigEndian.AppendUint64(nil, uint64(step)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))[:22]
}

// newest is the one to give to clients.
func (s *nonceSet) newest() string { return s.accepted[0].text }

// find returns the nonce of that text. A nonce is no secret: who wants one asks.
func (s *nonceSet) find(text []byte) (nonce, bool) {
	for _, n := range s.accepted {
		if n.text == string(text) {
			return n, true
		}
	}
	return nonce{}, false
}

// until returns the second at which nonces of a step are accepted no more.
func (n *nonces) until(step int64) int64 { return (step + nonceSteps) * n.step }
