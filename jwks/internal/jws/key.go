package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"slices"
)

// A Key is a public key that an issuer publishes for signatures.
type Key struct {
	ID       string            // kid, or "" if it has none
	Material [sha256.Size]byte // digest of the public key itself

	alg    string // alg, or "" if it has none
	public crypto.PublicKey
}

// fits reports whether the key may verify the algorithm: its type and curve are
// the algorithm's, and so is the one that it is published for, if it names one
// (RFC 7517 §4.4, RFC 8725 §3.1).
func (k *Key) fits(alg string) bool {
	m, ok := methods[alg]
	if !ok {
		return false
	}
	if k.alg != "" && k.alg != alg && (m.kind != edKind || methods[k.alg].kind != edKind) {
		return false
	}
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return m.kind == rsaPKCS1 || m.kind == rsaPSS
	case *ecdsa.PublicKey:
		return m.kind == ecKind && m.curve == public.Curve
	case ed25519.PublicKey:
		return m.kind == edKind
	}
	return false
}

// maxKeyIDLength is the longest kid, in bytes, that a key or a token may have.
const maxKeyIDLength = 256

// Why a key of a set is not used.
var (
	errKeyMalformed   = errors.New("the key is malformed")
	errKeyPrivate     = errors.New("the key is published with its private part")
	errKeySymmetric   = errors.New("the key is symmetric")
	errKeyUse         = errors.New("the key is not for verifying signatures")
	errKeyUnsupported = errors.New("the key is of a type, curve or algorithm that is not supported")
	errKeyWeak        = errors.New("the key is weak: RSA too short, too long, of an unusual exponent or of a chip with the ROCA fault, or Ed25519 of small order")
)

// privateMembers make a JWK a private key (RFC 7518 §6).
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

// readKey reads one JWK (RFC 7517 §4). It returns the kid as far as it could be
// read, also with an error.
func readKey(text []byte) (k *Key, id string, err error) {
	parameters, err := members(text)
	if err != nil {
		return nil, "", errKeyMalformed
	}
	texts := make(map[string]string)
	for _, name := range []string{"kid", "kty", "use", "alg"} {
		value, present := parameters[name]
		if !present {
			continue
		}
		s, ok := stringOf(value)
		if !ok || s == "" {
			return nil, texts["kid"], errKeyMalformed
		}
		texts[name] = s
	}
	id, alg, use := texts["kid"], texts["alg"], texts["use"]
	if len(id) > maxKeyIDLength {
		return nil, id[:maxKeyIDLength], errKeyMalformed
	}
	isPresent := func(name string) bool { _, present := parameters[name]; return present }
	switch {
	case texts["kty"] == "oct":
		return nil, id, errKeySymmetric
	case slices.ContainsFunc(privateMembers, isPresent):
		// Whoever can read the set can sign with it (RFC 7517 §9.2).
		return nil, id, errKeyPrivate
	case use != "" && use != "sig": // RFC 7517 §4.2
		return nil, id, errKeyUse
	}
	if operations, present := parameters["key_ops"]; present { // RFC 7517 §4.3
		var list []string
		if json.Unmarshal(operations, &list) != nil || !slices.Contains(list, "verify") {
			return nil, id, errKeyUse
		}
	}
	public, err := readMaterial(parameters)
	if err != nil {
		return nil, id, err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, id, errKeyMalformed
	}
	k = &Key{ID: id, Material: sha256.Sum256(der), alg: alg, public: public}
	for supported := range methods {
		if k.fits(supported) {
			return k, id, nil
		}
	}
	return nil, id, errKeyUnsupported // its alg is unknown, or for another type of key
}
