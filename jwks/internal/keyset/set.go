// Package keyset reads the JWK Set that an issuer publishes (RFC 7517 §5) and says
// which of its keys may have signed a token. It is the one place where jwx reads
// a key; signatures are verified by package jws.
package keyset

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/certbound/certbound/jwks/internal/jws"
)

// maxTried is how many keys are tried for one token.
const maxTried = 8

// A Set holds the keys of one answer that can be used. It never changes.
type Set struct {
	Keys    []*Key
	Ignored []IgnoredKey

	// Serial identifies the set: what was found to be in the set of that serial
	// need not be looked for again.
	Serial uint64

	byID         map[string][]*Key // "": those without a kid
	byThumbprint map[[sha256.Size]byte][]*Key
	ignored      map[string]bool // the kids of Ignored
}

// An IgnoredKey is a key of a set that is not used. The others serve.
type IgnoredKey struct {
	KeyID   string // kid, or "" if it has none that could be read
	Problem error  // why not
}

var (
	errMalformed = errors.New("the key set is not a JSON object with an array of keys")
	errTooMany   = errors.New("the key set has too many keys")
)

var serials atomic.Uint64

// Read reads a JWK Set (RFC 7517 §5) of at most maxKeys keys. One odd key never
// costs the set; a set without a key that can be used is an error, so that it
// never takes the place of a good one.
func Read(document []byte, maxKeys int) (*Set, error) {
	top, err := jws.AppendMembers(nil, document)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	list, _ := top.Value("keys")
	var texts []json.RawMessage
	if len(list) == 0 || list[0] != '[' || json.Unmarshal(list, &texts) != nil {
		return nil, errMalformed
	}
	if len(texts) > maxKeys {
		return nil, fmt.Errorf("%w: %d of at most %d", errTooMany, len(texts), maxKeys)
	}
	set := &Set{
		Serial:       serials.Add(1),
		byID:         make(map[string][]*Key),
		byThumbprint: make(map[[sha256.Size]byte][]*Key),
		ignored:      make(map[string]bool),
	}
	for _, text := range texts {
		k, id, err := readKey(text)
		if err != nil {
			set.Ignored = append(set.Ignored, IgnoredKey{KeyID: id, Problem: err})
			set.ignored[id] = true
			continue
		}
		set.Keys = append(set.Keys, k)
		set.byThumbprint[k.Thumbprint] = append(set.byThumbprint[k.Thumbprint], k)
		set.byID[k.ID] = append(set.byID[k.ID], k)
	}
	if len(set.Keys) == 0 {
		return nil, &NoKeyError{Ignored: set.Ignored}
	}
	return set, nil
}

// A NoKeyError is the error of Read for a set of which no key can be used.
type NoKeyError struct {
	Ignored []IgnoredKey // every key of the set, and why
}

// Error names the first of the keys, and why it is ignored.
func (e *NoKeyError) Error() string {
	const none = "the key set has no key that can be used"
	if len(e.Ignored) == 0 {
		return none
	}
	first := fmt.Sprintf("%s; %q: %v", none, e.Ignored[0].KeyID, e.Ignored[0].Problem)
	if more := len(e.Ignored) - 1; more > 0 {
		return fmt.Sprintf("%s; and %d more", first, more)
	}
	return first
}

// A Header is what of a token's header says which keys may have signed it.
type Header struct {
	Alg      string
	KeyID    string
	HasKeyID bool
}

// candidates are the keys that the header may mean: all if it has no kid, those
// of its kid if there are any or were any that are ignored, and otherwise those
// without a kid (RFC 7515 §4.1.4: it is a hint; RFC 7517 §4.5: it is optional),
// never one with another.
func (s *Set) candidates(h *Header) []*Key {
	switch {
	case !h.HasKeyID:
		return s.Keys
	case s.isPublished(h.KeyID):
		return s.byID[h.KeyID]
	}
	return s.byID[""]
}

// isPublished reports whether there is a key of that kid, used or ignored.
func (s *Set) isPublished(id string) bool {
	return id != "" && (len(s.byID[id]) > 0 || s.ignored[id])
}

// Knows reports whether asking the issuer again could not help a token with
// this header: its kid is published, be its key used or ignored, or, without a
// kid, a key that fits.
func (s *Set) Knows(h *Header) bool {
	if h.HasKeyID {
		return s.isPublished(h.KeyID)
	}
	return slices.ContainsFunc(s.Keys, func(k *Key) bool { return k.Fits(h.Alg) })
}

// Verify returns the key that verifies the message, or nil, and how many keys
// were tried.
func (s *Set) Verify(h *Header, message *jws.Message) (signer *Key, tried int) {
	for _, k := range s.candidates(h) {
		if !k.Fits(h.Alg) {
			continue
		}
		if tried == maxTried {
			break
		}
		tried++
		if jws.Verify(h.Alg, k.Key, message.SigningInput, message.Signature) {
			return k, tried
		}
	}
	return nil, tried
}

// Publishes reports whether the very key, by its thumbprint and not its name, is
// in the set, and may verify the algorithm.
func (s *Set) Publishes(thumbprint [sha256.Size]byte, alg string) bool {
	for _, k := range s.byThumbprint[thumbprint] {
		if k.Fits(alg) {
			return true
		}
	}
	return false
}

// Holds reports whether the very key is in the set, under its kid.
func (s *Set) Holds(k *Key) bool {
	return slices.ContainsFunc(s.byThumbprint[k.Thumbprint], func(other *Key) bool { return other.ID == k.ID })
}
