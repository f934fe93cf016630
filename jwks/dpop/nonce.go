package dpop

import (
	"crypto/hmac"
	"crypto/rand"
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

	keys    atomic.Pointer[nonceKeys]
	current atomic.Pointer[nonceSet]
}

// nonceKeys are the keys of nonces.
type nonceKeys struct {
	list    [][]byte // the first makes nonces
	strange error    // the cause of a refusal whose nonce none of them made
}

// A nonceSet is what is accepted during one step.
type nonceSet struct {
	step     int64
	keys     *nonceKeys
	accepted []nonce // the newest of the first key at the front
}

type nonce struct {
	text  string
	step  int64
	stale bool
}

// Why a nonce is not a recent one of ours, where that is more than its age: in
// fixed words, for a log tells refusals apart by their causes.
var (
	errStrangeNonce = errors.New("none of Config.NonceKeys made the nonce: do all replicas have the same NonceKeys, Origins and NonceLifetime? " +
		"If it is one client alone, it may send the nonce of another server")
	errNonceOfAnotherProcess = errors.New("this process did not make the nonce, and Config.NonceKeys is nil: " +
		"another replica made it, or this server before it was restarted, or another server")
	errNonceAhead = errors.New("the nonce is from the future by this machine's clock: do the clocks of the replicas differ?")
)

// newNonces makes nonces by keys, or, if there are none, by one of this process
// alone.
func newNonces(keys [][]byte, origins []string, lifetime time.Duration) *nonces {
	sorted := slices.Sorted(slices.Values(origins))
	n := &nonces{
		origins: strings.Join(slices.Compact(sorted), " "),
		step:    int64(lifetime/time.Second) / nonceSteps,
	}
	if keys != nil {
		n.keys.Store(&nonceKeys{keys, errStrangeNonce})
		return n
	}
	random := make([]byte, leastNonceKey)
	_, _ = rand.Read(random) // never fails
	n.keys.Store(&nonceKeys{[][]byte{random}, errNonceOfAnotherProcess})
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
	v.nonces.keys.Store(&nonceKeys{config.NonceKeys, errStrangeNonce})
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
	for i, key := range keys.list {
		for age := range int64(nonceSteps) {
			set.accepted = append(set.accepted, nonce{n.make(key, step-age), step - age, i > 0 || age > 0})
		}
		set.accepted = append(set.accepted, nonce{n.make(key, step+1), step + 1, i > 0})
	}
	n.current.Store(set)
	return set
}

// make makes the nonce of a step: 8 characters say which step it is, and 22 are
// 132 bits of a MAC. The step is there for explain.
func (n *nonces) make(key []byte, step int64) string {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte("certbound DPoP-Nonce\x00" + n.origins + "\x00"))
	bytes := binary.BigEndian.AppendUint64(nil, uint64(step))
	_, _ = mac.Write(binary.BigEndian.AppendUint64(bytes, uint64(n.step)))
	return base64.RawURLEncoding.EncodeToString(bytes[2:]) + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))[:22]
}

// explain returns the cause of a refusal whose nonce is not among those that are
// accepted. It is nil if we made the nonce, and it has only grown old: that is
// every client that was idle for a while. The comparison takes the same time for
// every nonce, for those of the future are secret.
func (n *nonces) explain(text []byte, set *nonceSet) error {
	if len(text) < 8 {
		return set.keys.strange
	}
	bytes := make([]byte, 8)
	if _, err := base64.RawURLEncoding.Decode(bytes[2:], text[:8]); err != nil {
		return set.keys.strange
	}
	step := int64(binary.BigEndian.Uint64(bytes)) // 48 bits
	for _, key := range set.keys.list {
		switch {
		case !hmac.Equal([]byte(n.make(key, step)), text):
		case step > set.step:
			return errNonceAhead
		default:
			return nil
		}
	}
	return set.keys.strange
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
