package jws

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
)

// maxTried is how many keys are tried for one token.
const maxTried = 8

// A KeySet holds the keys of one answer that can be used. It never changes.
type KeySet struct {
	Keys    []*Key
	Ignored []IgnoredKey

	// Serial is this set's alone: who knows that a key is in the set of a serial
	// need not ask again.
	Serial uint64

	byID       map[string][]*Key
	byMaterial map[[sha256.Size]byte][]*Key
}

// An IgnoredKey is a key of a set that is not used. The others serve.
type IgnoredKey struct {
	KeyID   string // kid, or "" if it has none that could be read
	Problem error
}

var (
	errSetMalformed = errors.New("the key set is not a JSON object with an array of keys")
	errSetEmpty     = errors.New("the key set has no key that can be used")
	errSetTooMany   = errors.New("the key set has too many keys")
)

var serials atomic.Uint64

// ReadKeySet reads a JWK Set (RFC 7517 §5) of at most maxKeys keys. One odd key never costs the set; a
// set without a key that can be used is an error, so that it never takes the
// place of a good one.
func ReadKeySet(document []byte, maxKeys int) (*KeySet, error) {
	top, err := members(document)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSetMalformed, err)
	}
	list := top["keys"]
	var texts []json.RawMessage
	if len(list) == 0 || list[0] != '[' || json.Unmarshal(list, &texts) != nil {
		return nil, errSetMalformed
	}
	if len(texts) > maxKeys {
		return nil, fmt.Errorf("%w: %d of at most %d", errSetTooMany, len(texts), maxKeys)
	}
	set := &KeySet{Serial: serials.Add(1), byID: make(map[string][]*Key), byMaterial: make(map[[sha256.Size]byte][]*Key)}
	for _, text := range texts {
		k, id, err := readKey(text)
		if err != nil {
			set.Ignored = append(set.Ignored, IgnoredKey{KeyID: id, Problem: err})
			continue
		}
		set.Keys = append(set.Keys, k)
		set.byMaterial[k.Material] = append(set.byMaterial[k.Material], k)
		if k.ID != "" {
			set.byID[k.ID] = append(set.byID[k.ID], k)
		}
	}
	if len(set.Keys) == 0 {
		return nil, errSetEmpty
	}
	return set, nil
}

// candidates are the keys that the header may mean: those of its kid, or all if
// it has none (RFC 7515 §4.1.4).
func (s *KeySet) candidates(h *Header) []*Key {
	if h.HasKeyID {
		return s.byID[h.KeyID]
	}
	return s.Keys
}

// Knows reports whether asking the issuer again could not help a token with
// this header: its kid is published, or, without a kid, a key that fits.
func (s *KeySet) Knows(h *Header) bool {
	candidates := s.candidates(h)
	if h.HasKeyID {
		return len(candidates) > 0
	}
	for _, k := range candidates {
		if k.fits(h.Alg) {
			return true
		}
	}
	return false
}

// Verify returns the key that verifies the message, or nil, and how many keys
// were tried.
func (s *KeySet) Verify(message *Message) (signer *Key, tried int) {
	m := methods[message.Header.Alg]
	for _, k := range s.candidates(&message.Header) {
		if !k.fits(message.Header.Alg) {
			continue
		}
		if tried == maxTried {
			break
		}
		tried++
		if m.verify(k.public, message.SigningInput, message.Signature) {
			return k, tried
		}
	}
	return nil, tried
}

// Publishes reports whether the very key, by its material and not its name, is
// in the set, and may verify the algorithm.
func (s *KeySet) Publishes(material [sha256.Size]byte, alg string) bool {
	for _, k := range s.byMaterial[material] {
		if k.fits(alg) {
			return true
		}
	}
	return false
}

// Holds reports whether the very key is in the set, under its kid.
func (s *KeySet) Holds(k *Key) bool {
	return slices.ContainsFunc(s.byMaterial[k.Material], func(other *Key) bool { return other.ID == k.ID })
}
