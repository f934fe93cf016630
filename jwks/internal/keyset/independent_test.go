package keyset_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"
)

// The readers of this file are written with the standard library alone, apart
// from the code under test, and judge it.

// readObject reads a JSON object in UTF-8 none of whose own names occurs twice.
func readObject(text []byte) (map[string]any, error) {
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, err
	}
	if !utf8.Valid(text) || object == nil {
		return nil, errors.New("not UTF-8, or null")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	depth, names := 0, 0
	for nameNext := false; ; {
		token, err := decoder.Token()
		if err != nil {
			break // the end: the text is valid
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 1 {
			if nameNext {
				names++
			}
			nameNext = !nameNext
		}
	}
	if names != len(object) {
		return nil, errors.New("a name occurs twice")
	}
	return object, nil
}

// readPublicKey reads a JWK of an issuer for signatures. It is no stricter than
// it must be: base64 of any kind, as jwx has it.
func readPublicKey(text []byte) (crypto.PublicKey, error) {
	members, err := readObject(text)
	if err != nil {
		return nil, err
	}
	for name, value := range members { // what says nothing is not there
		list, isList := value.([]any)
		if value == nil || isList && len(list) == 0 && (name == "oth" || name == "key_ops") {
			delete(members, name)
		}
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
		if _, present := members[private]; present {
			return nil, errors.New("private")
		}
	}
	if use, present := members["use"]; present && use != "sig" {
		return nil, errors.New("use")
	}
	if operations, present := members["key_ops"]; present {
		list, _ := operations.([]any)
		if !slices.Contains(list, any("verify")) {
			return nil, errors.New("key_ops")
		}
	}
	number := func(name string) *big.Int {
		value, _ := members[name].(string)
		return new(big.Int).SetBytes(anyBase64(value))
	}
	var public crypto.PublicKey
	var algorithms string
	switch members["kty"] {
	case "RSA":
		n, e := number("n"), number("e")
		if n.BitLen() < 2048 || n.BitLen() > 8192 || n.Bit(0) == 0 || e.BitLen() > 31 || e.Bit(0) == 0 || e.Cmp(big.NewInt(1)) == 0 {
			return nil, errors.New("weak")
		}
		public, algorithms = &rsa.PublicKey{N: n, E: int(e.Int64())}, "RS256 RS384 RS512 PS256 PS384 PS512"
	case "EC":
		curve, checked, algorithm := curveOf(members["crv"])
		if curve == nil {
			return nil, errors.New("crv")
		}
		x, y, size := number("x"), number("y"), (curve.Params().BitSize+7)/8
		if x.BitLen() > 8*size || y.BitLen() > 8*size {
			return nil, errors.New("too long")
		}
		point := append([]byte{4}, append(x.FillBytes(make([]byte, size)), y.FillBytes(make([]byte, size))...)...)
		if _, err := checked.NewPublicKey(point); err != nil {
			return nil, err
		}
		public, err = ecdsa.ParseUncompressedPublicKey(curve, point)
		if err != nil {
			return nil, err
		}
		algorithms = algorithm
	case "OKP":
		x, _ := members["x"].(string)
		key := ed25519.PublicKey(anyBase64(x))
		if members["crv"] != "Ed25519" || len(key) != ed25519.PublicKeySize {
			return nil, errors.New("no Ed25519 key")
		}
		public, algorithms = key, "EdDSA Ed25519"
	default:
		return nil, errors.New("kty")
	}
	if alg, present := members["alg"]; present {
		name, _ := alg.(string)
		if !slices.Contains(strings.Fields(algorithms), name) {
			return nil, errors.New("alg")
		}
	}
	return public, nil
}

func curveOf(name any) (elliptic.Curve, ecdh.Curve, string) {
	switch name {
	case "P-256":
		return elliptic.P256(), ecdh.P256(), "ES256"
	case "P-384":
		return elliptic.P384(), ecdh.P384(), "ES384"
	case "P-521":
		return elliptic.P521(), ecdh.P521(), "ES512"
	}
	return nil, nil, ""
}

func anyBase64(text string) []byte {
	text = strings.TrimRight(strings.NewReplacer("+", "-", "/", "_", "\r", "", "\n", "").Replace(text), "=")
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return decoded
}
