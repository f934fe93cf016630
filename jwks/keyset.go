package jwks

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
)

// maxTried is how many keys are tried for one token.
const maxTried = 8

// A keySet holds the keys of one answer that can be used. It never changes.
type keySet struct {
	all        []*key
	byID       map[string][]*key
	byMaterial map[[sha256.Size]byte][]*key
	ignored    []IgnoredKey
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

// readKeySet reads a JWK Set (RFC 7517 §5). One odd key never costs the set; a
// set without a key that can be used is an error, so that it never takes the
// place of a good one.
func readKeySet(document []byte, maxKeys int) (*keySet, error) {
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
	set := &keySet{byID: make(map[string][]*key), byMaterial: make(map[[sha256.Size]byte][]*key)}
	for _, text := range texts {
		k, id, err := readKey(text)
		if err != nil {
			set.ignored = append(set.ignored, IgnoredKey{KeyID: id, Problem: err})
			continue
		}
		set.all = append(set.all, k)
		set.byMaterial[k.material] = append(set.byMaterial[k.material], k)
		if k.id != "" {
			set.byID[k.id] = append(set.byID[k.id], k)
		}
	}
	if len(set.all) == 0 {
		return nil, errSetEmpty
	}
	return set, nil
}

// candidates are the keys that the header may mean: those of its kid, or all if
// it has none (RFC 7515 §4.1.4).
func (s *keySet) candidates(h *header) []*key {
	if h.hasKeyID {
		return s.byID[h.keyID]
	}
	return s.all
}

// knows reports whether asking the issuer again could not help a token with
// this header: its kid is published, or, without a kid, a key that fits.
func (s *keySet) knows(h *header) bool {
	candidates := s.candidates(h)
	if h.hasKeyID {
		return len(candidates) > 0
	}
	for _, k := range candidates {
		if k.fits(h.alg) {
			return true
		}
	}
	return false
}

// verify returns the key that verifies the token, or nil, and how many keys
// were tried.
func (s *keySet) verify(t *jwt) (signer *key, tried int) {
	m := methods[t.header.alg]
	for _, k := range s.candidates(&t.header) {
		if !k.fits(t.header.alg) {
			continue
		}
		if tried == maxTried {
			break
		}
		tried++
		if m.verify(k.public, t.signingInput, t.signature) {
			return k, tried
		}
	}
	return nil, tried
}

// publishes reports whether the very key, by its material and not its name, is
// in the set, and may verify the algorithm.
func (s *keySet) publishes(material [sha256.Size]byte, alg Algorithm) bool {
	for _, k := range s.byMaterial[material] {
		if k.fits(alg) {
			return true
		}
	}
	return false
}
