package keyset

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/certbound/certbound/jwks/internal/jws"
)

// A Key is a public key that an issuer publishes for signatures.
type Key struct {
	*jws.Key
	ID  string // kid, or "" if it has none
	alg string // alg, or "" if it has none
}

// Fits reports whether the key may verify the algorithm: its type and curve are
// the algorithm's, and so is the one that it is published for, if it names one
// (RFC 7517 §4.4, RFC 8725 §3.1).
func (k *Key) Fits(alg string) bool {
	return k.Key.Fits(alg) && (k.alg == "" || k.alg == alg || isEd25519(k.alg) && isEd25519(alg))
}

// isEd25519 reports whether an algorithm is Ed25519, which has two names (RFC
// 8037 §3.1, RFC 9864 §2.2).
func isEd25519(alg string) bool { return alg == "EdDSA" || alg == "Ed25519" }

// MaxKeyIDLength is the longest kid, in bytes, that a key or a token may have.
const MaxKeyIDLength = 256

var errUse = errors.New("the key is not for verifying signatures")

// readKey reads one JWK (RFC 7517 §4). A member that is null is absent, and so
// is a list of nothing. It returns the kid as far as it could be read, also with
// an error.
func readKey(text []byte) (k *Key, id string, err error) {
	members, err := jws.AppendMembers(nil, text)
	if err != nil {
		return nil, "", jws.ErrKeyMalformed
	}
	members = slices.DeleteFunc(members, isNothing)
	texts := make(map[string]string)
	for _, name := range []string{"kid", "kty", "use", "alg"} {
		value, present := members.Value(name)
		if !present {
			continue
		}
		s, ok := jws.Text(value)
		if !ok || len(s) == 0 {
			return nil, texts["kid"], jws.ErrKeyMalformed
		}
		texts[name] = string(s)
	}
	id, alg, use := texts["kid"], texts["alg"], texts["use"]
	if len(id) > MaxKeyIDLength {
		return nil, id[:MaxKeyIDLength], jws.ErrKeyMalformed
	}
	isPresent := func(name string) bool { _, present := members.Value(name); return present }
	switch {
	case texts["kty"] == "oct":
		return nil, id, jws.ErrKeySymmetric
	case slices.ContainsFunc(jws.PrivateMembers, isPresent):
		// Whoever can read the set can sign with it (RFC 7517 §9.2).
		return nil, id, jws.ErrKeyPrivate
	case use != "" && use != "sig": // RFC 7517 §4.2
		return nil, id, errUse
	}
	if operations, present := members.Value("key_ops"); present { // RFC 7517 §4.3
		var list []string
		if json.Unmarshal(operations, &list) != nil || !slices.Contains(list, "verify") {
			return nil, id, errUse
		}
	}
	public, err := readMaterial(members)
	if err != nil {
		return nil, id, err
	}
	material, err := jws.NewKey(public)
	if err != nil {
		return nil, id, err
	}
	k = &Key{Key: material, ID: id, alg: alg}
	if alg != "" && !k.Fits(alg) { // it is unknown, or for another type of key
		return nil, id, jws.ErrKeyUnsupported
	}
	return k, id, nil
}

// isNothing reports whether a member says nothing: some libraries write what a
// key does not have as null or as an empty list. An odd value is another matter:
// whatever d holds, the key is private.
func isNothing(m jws.Member) bool {
	if string(m.Value) == "null" {
		return true
	}
	switch string(m.Name) {
	case "oth", "x5c", "key_ops":
		var list []json.RawMessage
		return m.Value[0] == '[' && json.Unmarshal(m.Value, &list) == nil && len(list) == 0
	}
	return false
}
