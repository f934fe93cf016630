package introspection

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"time"
)

// assertionLifetime is from iat to exp: a clock that differs by half a minute
// does no harm, a stolen assertion little (RFC 7523 §3).
const assertionLifetime = time.Minute

// An assertionSigner makes client assertions (RFC 7523 §2.2, §3).
//
// Not by a JOSE library: this package links none, and the one that the module
// has reads published keys for package jwks. What a library would do here is one
// base64url of a fixed header and one call of a crypto.Signer, and none checks
// what an HSM hands back as an ECDSA signature.
type assertionSigner struct {
	key       crypto.Signer // may be an HSM's
	algorithm signingAlgorithm
	keyID     string
	clientID  string
	audience  string
}

// A signingAlgorithm is what an algorithm's name stands for (RFC 7518 §3).
type signingAlgorithm struct {
	name string
	hash crypto.Hash       // 0: the message itself is signed
	opts crypto.SignerOpts // nil: hash
	size int               // of each of ECDSA's two numbers, in bytes
}

func pss(hash crypto.Hash) crypto.SignerOpts {
	return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash} // RFC 7518 §3.5
}

var (
	rsaAlgorithms = []signingAlgorithm{
		{name: "PS256", hash: crypto.SHA256, opts: pss(crypto.SHA256)},
		{name: "PS384", hash: crypto.SHA384, opts: pss(crypto.SHA384)},
		{name: "PS512", hash: crypto.SHA512, opts: pss(crypto.SHA512)},
		{name: "RS256", hash: crypto.SHA256},
		{name: "RS384", hash: crypto.SHA384},
		{name: "RS512", hash: crypto.SHA512},
	}
	ecdsaAlgorithms = map[string][]signingAlgorithm{
		"P-256": {{name: "ES256", hash: crypto.SHA256, size: 32}},
		"P-384": {{name: "ES384", hash: crypto.SHA384, size: 48}},
		"P-521": {{name: "ES512", hash: crypto.SHA512, size: 66}},
	}
	ed25519Algorithms = []signingAlgorithm{{name: "EdDSA"}, {name: "Ed25519"}}
)

// algorithmsOf returns the algorithms that fit a key, the default first; none
// for a key that is not used.
func algorithmsOf(public crypto.PublicKey) []signingAlgorithm {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if key.N != nil && key.N.BitLen() >= 2048 {
			return rsaAlgorithms
		}
	case *ecdsa.PublicKey:
		if key.Curve != nil {
			return ecdsaAlgorithms[key.Params().Name]
		}
	case ed25519.PublicKey:
		return ed25519Algorithms
	}
	return nil
}

func algorithmNamed(name string, public crypto.PublicKey) (signingAlgorithm, bool) {
	for _, a := range algorithmsOf(public) {
		if name == "" || a.name == name {
			return a, true
		}
	}
	return signingAlgorithm{}, false
}

func (c *Config) checkSigningKey(mistake func(field, format string, args ...any)) {
	key := reflect.ValueOf(c.SigningKey)
	switch {
	case !key.IsValid() || key.Kind() == reflect.Pointer && key.IsNil():
		mistake("SigningKey", "is required for %s", c.AuthMethod)
		return
	case key.Type() == reflect.TypeFor[ed25519.PrivateKey]() && key.Len() != ed25519.PrivateKeySize:
		mistake("SigningKey", "is too short for Ed25519")
		return
	}
	public := c.SigningKey.Public()
	if len(algorithmsOf(public)) == 0 {
		mistake("SigningKey", "must be RSA from 2048 bits, ECDSA on P-256, P-384 or P-521, or Ed25519")
		return
	}
	if _, ok := algorithmNamed(c.SigningAlgorithm, public); !ok {
		mistake("SigningAlgorithm", "%q does not fit the key", c.SigningAlgorithm)
	}
}

// sign makes one assertion, to be used once.
func (s *assertionSigner) sign(now time.Time) (string, error) {
	header, err := json.Marshal(struct {
		Algorithm string `json:"alg"`
		Type      string `json:"typ"`
		KeyID     string `json:"kid,omitempty"`
	}{s.algorithm.name, "JWT", s.keyID})
	if err != nil {
		return "", fmt.Errorf("introspection: client assertion: %w", err)
	}
	// RFC 7523 §3: iss and sub are both the client.
	claims, err := json.Marshal(struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
		ID       string `json:"jti"`
	}{s.clientID, s.clientID, s.audience, now.Unix(), now.Add(assertionLifetime).Unix(), rand.Text()})
	if err != nil {
		return "", fmt.Errorf("introspection: client assertion: %w", err)
	}
	input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	signature, err := s.algorithm.sign(s.key, []byte(input))
	if err != nil {
		return "", fmt.Errorf("introspection: client assertion: %w", err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func (a signingAlgorithm) sign(key crypto.Signer, message []byte) ([]byte, error) {
	opts := a.opts
	if opts == nil {
		opts = a.hash
	}
	if a.hash != 0 {
		digest := a.hash.New()
		_, _ = digest.Write(message) // never fails: package hash
		message = digest.Sum(nil)
	}
	signature, err := key.Sign(rand.Reader, message, opts)
	if err != nil || a.size == 0 {
		return signature, err
	}
	// RFC 7518 §3.4: the two numbers side by side, where Go has them in ASN.1.
	var numbers struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(signature, &numbers); err != nil || len(rest) > 0 ||
		!fits(numbers.R, a.size) || !fits(numbers.S, a.size) {
		return nil, errors.New("the key made no ECDSA signature")
	}
	signature = make([]byte, 2*a.size)
	numbers.R.FillBytes(signature[:a.size])
	numbers.S.FillBytes(signature[a.size:])
	return signature, nil
}

func fits(n *big.Int, size int) bool { return n.Sign() > 0 && n.BitLen() <= 8*size }
